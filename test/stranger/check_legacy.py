"""Checks of a legacy signature (docs/protocol.md 8)."""

import re

from check_document import LEGACY_ED25519, LEGACY_EIP191
from curves import address, ed25519_verify, eip191_recover
from formats import digest, legacy_text, unhex
from jcs import read_json
from runner import Failed, Skipped, need, same


def check_legacy(checker, data, number, files):
    prefix = "legacy." if number == 0 else f"legacy{number + 1}."
    checker.run(prefix + "read", lambda: read_legacy(data))
    checker.run(prefix + "receipt", same_receipt, prefix + "read", "receipt.read", "record.hash")
    checker.run(prefix + "text", lambda legacy: legacy_matches(legacy, checker, files),
                prefix + "read")
    checker.run(prefix + "signature", legacy_signature, prefix + "read", "keyset.keys")


def read_legacy(data):
    value = read_json(data)
    need(isinstance(value, dict), "not an object")
    need("text" in value or value.get("outcome") != "complete", "no text for a complete answer")
    if "text" not in value:
        raise Skipped("no text: the answer is not complete")
    need(re.fullmatch(r"[0-9a-f]{64}:[0-9a-f]{64}", value["text"]) is not None, "not hex:hex")
    return value


def same_receipt(legacy, receipt, record):
    same(legacy["receipt_id"], receipt["receipt_id"], "receipt_id")
    same(legacy["outcome"], record["outcome"], "outcome")
    need(record["outcome"] == "complete", "a legacy text for an answer that is not complete")


def legacy_matches(legacy, checker, files):
    """Against the files where given, and the receipt's own hashes where it shows them."""
    compared = False
    if "request" in files and "response" in files:
        expected = legacy_text(digest(files["request"]), digest(files["response"]))
        same(legacy["text"], expected, "text")
        compared = True
    events = checker.values.get("receipt.events", {})
    if "request.received" in events and "response.returned" in events:
        expected = legacy_text(events["request.received"]["body_hash"],
                               events["response.returned"]["body_hash"])
        same(legacy["text"], expected, "text")
        compared = True
    if not compared:
        raise Skipped("neither both bodies nor the receipt's hashes")


def legacy_signature(legacy, keys):
    algorithm, signer = legacy["signing_algo"], legacy["signing_address"]
    if algorithm == "ecdsa":
        found = eip191_recover(legacy["text"], legacy["signature"])
        entries = [entry for entry in keys.values() if entry["algo"] == LEGACY_EIP191]
        addresses = [address(unhex(entry["public_key"], 33)) for entry in entries]
        need(found in addresses, f"{found} signed, which is not in the keyset")
        need(signer.lower() == found.lower(), "signing_address is not the signer")
    elif algorithm == "ed25519":
        entries = [entry for entry in keys.values() if entry["algo"] == LEGACY_ED25519]
        listed = [entry["public_key"] for entry in entries]
        need(signer in listed, "signing_address is not a legacy key of the keyset")
        need(ed25519_verify(unhex(signer, 32), legacy["text"].encode("ascii"),
                            unhex(legacy["signature"], 64)), "the signature does not verify")
    else:
        raise Failed(f"signing_algo {algorithm!r}")
