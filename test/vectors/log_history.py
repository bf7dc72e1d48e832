"""Logs of vectors, judged with Python's standard library and the openssl command from docs/protocol.md 7.1 and RFC 9162 alone."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "stranger"))

import formats as f  # noqa: E402
import log  # noqa: E402
from jcs import Malformed, read_json  # noqa: E402

ODD = (Malformed, ValueError, KeyError, TypeError, AttributeError, IndexError)


def need(holds, what):
    if not holds:
        raise Malformed(what)


def proof_of(text, members):
    """Exactly these members; a path of at most 49 lower-case digests; whole numbers that are not negative."""
    proof = read_json(text)
    need(isinstance(proof, dict) and set(proof) == set(members), "members")
    need(len(proof["path"]) <= 49, "long")
    need(all(re.fullmatch("[0-9a-f]{64}", step) for step in proof["path"]), "step")
    for name in ("leaf_index", "tree_size", "from", "to"):
        value = proof.get(name, 0)
        need(isinstance(value, int) and not isinstance(value, bool) and value >= 0, name)
    need(re.fullmatch(r"[a-z0-9./-]+/[0-9a-f]{64}", proof["origin"]), "origin")
    return {**proof, "path": [bytes.fromhex(step) for step in proof["path"]]}


def inclusion_holds(given, record, keyset):
    """The record's hash is the leaf at its sequence number, under a head that the log key or the statement vouches for."""
    try:
        proof = proof_of(given["inclusion"], (
            "checkpoint", "leaf_index", "origin", "path", "tree_size"))
        origin = f"{given['log_name']}/{given['boot_id']}"
        key = next(key["public_key"] for key in keyset["receipt_signing_keys"]
                   if key["algo"] == "countersign-log-ed25519")
        head = (given["log"]["head"] if proof["checkpoint"] is None
                else log.checkpoint_head(proof["checkpoint"], bytes.fromhex(key)))
        need(proof["origin"] == origin and proof["leaf_index"] == record["sequence"], "place")
        leaf = log.leaf_hash(bytes.fromhex(f.jcs_digest(record).removeprefix("sha256:")))
        root = log.inclusion_root(leaf, proof["leaf_index"], proof["tree_size"], proof["path"])
        return head == {"origin": origin, "size": proof["tree_size"], "root": root.hex()}
    except ODD:
        return False


def predecessor_of(head, text):
    """The head that the boot record names which is leaf 0 of the log with that head."""
    proof = proof_of(text, ("boot_record", "origin", "path", "tree_size"))
    record = read_json(proof["boot_record"])
    need(set(record) == {"boot_id", "config_digest", "generation", "keyset_digest", "predecessor",
                         "purpose"} and record["purpose"] == "countersign.boot_record.v1", "record")
    name, _, boot = head["origin"].rpartition("/")
    leaf = log.leaf_hash(bytes.fromhex(f.jcs_digest(record).removeprefix("sha256:")))
    root = log.inclusion_root(leaf, 0, proof["tree_size"], proof["path"])
    need(record["boot_id"] == boot and root.hex() == head["root"], "leaf 0")
    need((proof["origin"], proof["tree_size"]) == (head["origin"], head["size"]), "head")
    before = record["predecessor"]
    need(before is not None and before["origin"].rpartition("/")[0] == name, "no way back")
    return before


def growth(old, new, text):
    """Nothing where the tree of `new` begins with that of `old`."""
    if new["size"] < old["size"]:
        return "rolled back"
    if new["size"] == old["size"]:
        return None if new["root"] == old["root"] else "forked"
    try:
        proof = proof_of(text, ("from", "origin", "path", "to"))
        need((proof["from"], proof["to"], proof["origin"]) == (
            old["size"], new["size"], new["origin"]), "another pair")
    except ODD:
        return "no proof"
    try:
        roots = log.consistency_roots(
            old["size"], new["size"], proof["path"], bytes.fromhex(old["root"]), True)
    except ValueError:
        return "forked"
    return None if [root.hex() for root in roots] == [old["root"], new["root"]] else "forked"


def history(given):
    """What is wrong with the head of the statement, before a verifier that remembers another; nothing where it went on from it."""
    shown = given.get("log")
    if shown is None or "remembered" not in shown:
        return None
    head, known = shown["head"], shown["remembered"]
    if head is None:
        return "not kept"
    if known is None:
        return None
    if head["origin"] in known["past"]:
        return "rolled back"
    for text in shown.get("boots", []):
        if head["origin"] == known["head"]["origin"]:
            break
        try:
            head = predecessor_of(head, text)
        except ODD:
            return "reset"
        if head["origin"] in known["past"]:
            return "forked"
    if head["origin"] != known["head"]["origin"]:
        return "reset"
    return growth(known["head"], head, shown.get("consistency"))
