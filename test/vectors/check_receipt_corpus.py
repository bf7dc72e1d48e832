"""Checks vectors of receipts with Python's standard library and the openssl command alone.

Written from docs/protocol.md and the RFCs, on the formats of test/stranger, and sharing nothing with the generator: so generator
and verifier cannot agree on a mistake of both. Prints one JSON object with what it found.

    python3 check_receipt_corpus.py FOLDER ID...
"""

import base64
import json
import os
import pathlib
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "stranger"))

import cbor  # noqa: E402
import formats as f  # noqa: E402
from answer_shape import check_answer, content_holds, content_shown  # noqa: E402
from curves import ed25519_verify  # noqa: E402
from jcs import Malformed, jcs_bytes, read_json, utf16  # noqa: E402
from kinds import KIND_OF  # noqa: E402
from log_history import history, inclusion_holds  # noqa: E402

TOP = {*f.TOP_MEMBERS.values(), "api_version", "event_log", "key_id", "signature"}
RECORD = {*f.EVENT_MEMBERS, *f.TOP_MEMBERS, "purpose"}
SKEW = 60


def need(holds, what):
    if not holds:
        raise Malformed(what)


def read_aci(text):
    """Key id, algorithm, signed bytes, signature, record, its stated hash, body hashes, wholeness."""
    need(len(text) <= 256 * 1024, "long")
    data = text.encode("utf-8")
    receipt = read_json(data)
    need(isinstance(receipt, dict) and set(receipt) == TOP, "members")
    need(jcs_bytes(receipt) == data and receipt["api_version"] == "aci/1", "canonical")
    need(re.fullmatch(r"[0-9a-f]{128}", receipt["signature"]), "signature")
    *events, own = receipt["event_log"]
    optional = set(f.OPTIONAL_EVENT_MEMBERS) & set(own)
    need(set(own) == {*f.EVENT_MEMBERS, *optional, "record_hash", "type"}, "record members")
    need(own["type"] == "countersign.record", "record type")
    record = f.record_of(receipt, own)
    bodies = whole = None
    if events:
        types = [event.get("type") for event in events]
        last = types[-1]
        whole = last == "response.returned"
        need(whole or last == "countersign.response.partial", "last event")
        forwarded = ["request.forwarded"] if len(events) == 3 else []
        need(types == ["request.received", *forwarded, last], "events")
        for event in events:
            extra = {"bytes"} if event["type"] == "countersign.response.partial" else set()
            need(set(event) == {"type", "body_hash", *extra}, "event members")
            need(f.is_digest(event["body_hash"]), "body hash")
        need(whole or events[-1]["bytes"] == record["response_bytes"], "two lengths")
        bodies = {"received": events[0]["body_hash"], "returned": events[-1]["body_hash"],
                  "forwarded": events[1]["body_hash"] if forwarded else None}
    unsigned = {name: value for name, value in receipt.items() if name != "signature"}
    return (receipt["key_id"], "ed25519", jcs_bytes(unsigned), bytes.fromhex(receipt["signature"]),
            record, own["record_hash"], bodies, whole)


def read_cose(data):
    need(data[:1] == b"\xd2", "tag")
    message = cbor.loads(data[1:])
    need(isinstance(message, list) and len(message) == 4, "array")
    protected, unprotected, payload, signature = message
    need(unprotected == {} and isinstance(payload, bytes) and len(signature) == 64, "parts")
    header = cbor.loads(protected)
    need(isinstance(header, dict) and isinstance(header.get(4), bytes), "kid")
    key_id = header[4].decode("utf-8")
    need(protected == cbor.protected_header(key_id), "header")
    content = cbor.loads(payload)
    need(isinstance(content, dict) and set(content) == {"bodies", "record", "record_hash"}, "payload")
    bodies = content["bodies"]
    whole = None
    if bodies is not None:
        need(set(bodies) == {"forwarded", "received", "returned", "whole"}, "bodies")
        whole = bodies["whole"]
        bodies = {name: value for name, value in bodies.items() if name != "whole"}
    return (key_id, "countersign-cose-ed25519", cbor.to_be_signed(protected, payload), signature,
            content["record"], content["record_hash"], bodies, whole)


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def check_record(record, bodies):
    optional = set(f.OPTIONAL_EVENT_MEMBERS) & set(record)
    need(set(record) == RECORD | optional, "record members")
    # Of JSON's values alone: bytes in CBOR are none.
    jcs_bytes(record)
    need(record["purpose"] == "countersign.record.v1", "purpose")
    need(re.fullmatch(r"[a-z0-9_-]{1,64}", record["receipt_id"]), "receipt id")
    need(record["outcome"] in f.ADMITTED_OUTCOMES, "outcome")
    need(("interrupted_boot" in record) == (record["outcome"] == "interrupted"), "interrupted_boot")
    need(record["outcome"] != "interrupted" or bodies is None, "bodies of nothing")
    for name in ("response_bytes", "sequence", "served_at", "status"):
        need(is_count(record[name]), name)
    for name in ("config_digest", "keyset_digest", "bodies"):
        need(f.is_digest(record[name]), name)
    digestible = record["content_status"] in ("covered", "partial")
    need(digestible == (record["content_digest"] is not None), "content digest")
    if record["members"] is not None:
        names = [member["name"] for member in record["members"]]
        need(names == sorted(set(names), key=utf16), "members")
    if "rewrites" in record:
        known = [name for name in f.REWRITES if name in record["rewrites"]]
        need(known and known == record["rewrites"], "rewrites")


def outcome_holds(record, whole):
    if record["outcome"] != "complete":
        return True
    reasons = record["finish_reasons"]
    finished = KIND_OF.get(record["endpoint"]) in (None, "embeddings/v1") or (
        reasons and None not in reasons and "abort" not in reasons)
    return 200 <= record["status"] <= 299 and whole is not False and bool(finished)


def members_hold(record, body, opening):
    """`stream_options` may be added, as the default policy allows."""
    sent = {item["name"]: item["digest"] for item in f.request_members(opening, body)}
    got = {item["name"]: item["digest"] for item in record["members"]}
    return {**sent, "stream_options": 0} == {**got, "stream_options": 0}


def parts_of(receipt):
    return (read_aci(receipt) if isinstance(receipt, str)
            else read_cose(base64.b64decode(receipt["cose"], validate=True)))


def find_both(given):
    """Of a receipt in two encodings each is judged, and both are of one record and of the same bodies."""
    receipt = given["receipt"]
    if isinstance(receipt, str) or "aci" not in receipt:
        return find(given)
    shown = [receipt["aci"], {"cose": receipt["cose"]}]
    wrong = [one for each in shown for one in find({**given, "receipt": each})]
    if "form" not in wrong:
        aci, cose = [(record, bodies, whole) for *_, record, _, bodies, whole in map(parts_of, shown)]
        wrong += [] if aci == cose else ["encodings"]
    return wrong


def find(given):
    receipt = given["receipt"]
    try:
        parts = parts_of(receipt)
        key_id, algo, signed, signature, record, stated, bodies, whole = parts
        check_record(record, bodies)
    except (Malformed, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return ["form"]
    keyset = given["keyset"]
    entry = next((key for key in keyset["receipt_signing_keys"] if key["algo"] == algo), None)
    wrong = []

    def check(name, holds):
        if not holds:
            wrong.append(name)

    check("keyset", record["keyset_digest"] == f.jcs_digest(keyset)
          and entry is not None and entry["key_id"] == key_id)
    if entry is not None:
        check("signature", ed25519_verify(bytes.fromhex(entry["public_key"]), signed, signature))
    check("record_hash", f.jcs_digest(record) == stated)
    check("boot", record["boot_id"] == given["boot_id"])
    check("config", record["config_digest"] == given["config_digest"])
    check("time", record["served_at"] <= min(keyset["not_after"], given["at"] + SKEW))
    check("outcome", outcome_holds(record, whole) and (
        given.get("any_outcome") is True or record["outcome"] == "complete"))
    for name, member in (("id", "receipt_id"), ("endpoint", "endpoint"), ("challenge", "challenge")):
        expected = given.get(member)
        check(name, expected is None or record[member] == expected)
    opening = bytes.fromhex(given["opening"]) if given.get("opening") else None
    request, response = (base64.b64decode(given[name]) if given.get(name) is not None else None
                         for name in ("request", "response"))
    opened = True
    if opening is not None and bodies is not None:
        opened = f.bodies_commitment(opening, **bodies) == record["bodies"]
        check("opening", opened)
    level = given.get("level", "signer")
    own = bodies is not None and response is not None and bodies["returned"] == f.digest(response)
    if level != "content":
        for name, body, hashed in (("request", request, "received"),
                                   ("response", response, "returned")):
            check(name, body is None or (bodies is not None and bodies[hashed] == f.digest(body)))
    elif opened and opening is not None:
        check("content", response is None or content_holds(record, response, opening))
        check("members", request is None or members_hold(record, request, opening))
    if response is not None and KIND_OF.get(record["endpoint"]) == "chat/v1" and (
            record["outcome"] == "complete"):
        check_answer(check, record, request, response)
    check("inclusion", "inclusion" not in given or inclusion_holds(given, record, keyset))
    of_log = history(given)
    check(of_log, of_log is None)
    shown = request is not None and response is not None and (
        level != "content" or own or content_shown(record, response, given.get("policy", {})))
    check("level", level == "signer" or shown)
    return wrong


def main(argv):
    folder, *ids = argv
    found = {}
    for name in ids:
        text = (pathlib.Path(folder) / name / "input.json").read_bytes()
        found[name] = find_both(json.loads(text))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
