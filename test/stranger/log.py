"""Merkle log of RFC 6962 section 2.1 and C2SP checkpoints, from those texts alone; Python's standard library, openssl for Ed25519.

The tree is computed by the recursive definition from all of its leaves, and proofs are checked by following RFC 9162 sections
2.1.3.2 and 2.1.4.2 downwards from the top, not the way the code under test goes.

    log.py < questions.json > answers.json
"""

import base64
import hashlib
import json
import sys

from curves import ed25519_verify
from jcs import jcs_bytes


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(leaf):
    return sha256(b"\x00" + leaf)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def split(size):
    """The largest power of two below size."""
    k = 1
    while 2 * k < size:
        k *= 2
    return k


def root_of(hashes):
    if len(hashes) == 1:
        return hashes[0]
    k = split(len(hashes))
    return node_hash(root_of(hashes[:k]), root_of(hashes[k:]))


def inclusion_root(leaf, index, size, path):
    """The last step of a path is the other half of the whole tree."""
    if size == 1:
        if path or index != 0:
            raise ValueError("a path in a tree of one")
        return leaf
    if not path or not 0 <= index < size:
        raise ValueError("the path is too short")
    k = split(size)
    if index < k:
        return node_hash(inclusion_root(leaf, index, k, path[:-1]), path[-1])
    return node_hash(path[-1], inclusion_root(leaf, index - k, size - k, path[:-1]))


def consistency_roots(old, new, path, old_root, whole):
    """Roots of the smaller and the larger tree that the path stands for."""
    if old == new:
        if whole:
            if path:
                raise ValueError("the path is too long")
            return old_root, old_root
        if len(path) != 1:
            raise ValueError("the path is too short or too long")
        return path[0], path[0]
    if not path or not 0 < old < new:
        raise ValueError("the path is too short")
    k = split(new)
    if old <= k:
        before, after = consistency_roots(old, k, path[:-1], old_root, whole)
        return before, node_hash(after, path[-1])
    before, after = consistency_roots(old - k, new - k, path[:-1], old_root, False)
    return node_hash(path[-1], before), node_hash(path[-1], after)


def checkpoint_head(note, public_key):
    """C2SP signed-note: whoever knows the key of a line must refuse the note where that line does not verify."""
    if not note.endswith("\n") or any(ord(one) < 32 and one != "\n" for one in note):
        raise ValueError("not a note")
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    origin, size, root, end = text.split("\n")
    root = base64.b64decode(root, validate=True)
    if end != "" or str(int(size)) != size or len(root) != 32:
        raise ValueError("not a checkpoint")
    key_id = sha256(origin.encode() + b"\n\x01" + public_key)[:4]
    vouched = False
    for line in signatures.rstrip("\n").split("\n"):
        dash, name, encoded = line.split(" ")
        raw = base64.b64decode(encoded, validate=True)
        if dash != "\u2014" or name != origin or raw[:4] != key_id:
            continue
        if not ed25519_verify(public_key, text.encode(), raw[4:]):
            raise ValueError("a signature of the log that does not hold")
        vouched = True
    if not vouched:
        raise ValueError("no signature of the log")
    return {"origin": origin, "size": int(size), "root": root.hex()}


def answer(question):
    kind = question["kind"]
    path = [bytes.fromhex(step) for step in question.get("path", [])]
    if kind == "root":
        return root_of([leaf_hash(bytes.fromhex(leaf)) for leaf in question["leaves"]]).hex()
    if kind == "root_of_hashes":
        return root_of([bytes.fromhex(leaf) for leaf in question["hashes"]]).hex()
    if kind == "inclusion":
        leaf = leaf_hash(bytes.fromhex(question["leaf"]))
        return inclusion_root(leaf, question["index"], question["size"], path).hex()
    if kind == "consistency":
        old_root = bytes.fromhex(question["from_root"])
        before, after = consistency_roots(
            question["from"], question["to"], path, old_root, True)
        return [before.hex(), after.hex()]
    if kind == "checkpoint":
        return checkpoint_head(question["note"], bytes.fromhex(question["public_key"]))
    if kind == "digest":
        return sha256(jcs_bytes(question["value"])).hex()
    raise ValueError("no such question")


def main():
    answers = []
    for question in json.load(sys.stdin):
        try:
            answers.append(answer(question))
        except ValueError as error:
            answers.append({"refused": str(error)})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
