#!/usr/bin/env python3
"""Writes protocol.json: a vector for each format of docs/protocol.md.

    python3 test/vectors/generate.py                          write protocol.json
    python3 test/vectors/generate.py --check                  exit 1 where it would change
    python3 test/vectors/generate.py --self-test VECTORS      reproduce ACI's own vectors

The formats come from test/stranger, which was written from that page alone. All secrets here are
fixed and public. A vector whose `assumes` is set rests on a reading that the page leaves open.
"""

import json
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "stranger"))

import cbor  # noqa: E402
import curves  # noqa: E402
import formats as f  # noqa: E402
import jcs as j  # noqa: E402
from aci import self_test  # noqa: E402
from cases import content_cases, members_cases  # noqa: E402
from content import answer_chunks, chat_content  # noqa: E402
from kind_cases import kind_cases  # noqa: E402
from kinds import content_of  # noqa: E402

TARGET = os.path.join(HERE, "protocol.json")
RECEIPT_SEED = b"\x02" * 32
LEGACY_SEED = b"\x04" * 32
COSE_SEED = b"\x06" * 32
ADDRESS_SECRET = b"\x11" * 32
OPENING = bytes(range(32))
BOOT_ID, ROUND = "b0" * 32, "a1" * 32
ISSUED_AT, NOT_AFTER = 1790000000, 1800000000


def vector(name, given, expected, assumes=None):
    result = {"id": name, "input": given, "expected": expected}
    return {**result, "assumes": assumes} if assumes else result


def keyset():
    key = curves.public_key(ADDRESS_SECRET)
    address = curves.address(key).lower()
    return {
        "subject": None,
        "not_after": NOT_AFTER,
        "receipt_signing_keys": [
            {"key_id": "receipt-1", "algo": "ed25519",
             "public_key": curves.ed25519_public(RECEIPT_SEED).hex()},
            {"key_id": "legacy-1", "algo": "countersign-legacy-ed25519",
             "public_key": curves.ed25519_public(LEGACY_SEED).hex()},
            {"key_id": "address-" + address, "algo": "countersign-eip191-secp256k1",
             "public_key": key.hex()},
        ],
        "e2ee_public_keys": [],
        "tls_public_keys": [{"spki_sha256": "c0" * 32, "domain": "api.example.com"}],
    }


def nonces(count):
    return [f.sha256(b"nonce %d" % number) for number in range(count)]


def evidence_vectors():
    keys = keyset()
    keys_digest = f.jcs_digest(keys)
    yield vector("keyset.digest", {"keyset": keys},
                 {"text": j.jcs(keys), "digest": keys_digest})

    root = f.tree_root(nonces(5)).hex()
    full = {
        "boot_id": BOOT_ID, "round": ROUND, "issued_at": ISSUED_AT, "keyset_digest": keys_digest,
        "config_digest": f.digest(b"config"), "gpu_evidence_digest": f.digest(b"gpu"),
        "collateral_digest": f.digest(b"collateral"),
        "log": {"origin": "example.com/countersign", "root": "d2" * 32, "size": 7},
    }
    nulls = {**full, "gpu_evidence_digest": None, "collateral_digest": None, "log": None}
    for name, parts, own in (("statement", full, root), ("statement.nulls", nulls, None)):
        text = f.statement(parts, own)
        yield vector(name, {**parts, "nonce_root": own},
                     {"text": text, "report_data": f.report_data(text).hex()})
    for name, own in (("gpu_nonce", root), ("gpu_nonce.null", None)):
        text = f.gpu_nonce_text(BOOT_ID, keys_digest, own, ROUND)
        yield vector(
            name,
            {"boot_id": BOOT_ID, "keyset_digest": keys_digest, "nonce_root": own, "round": ROUND},
            {"text": text, "nonce": f.sha256(text.encode("utf-8")).hex()},
        )
    for count in (1, 2, 3, 5, 7, 8):
        leaves = nonces(count)
        yield vector(f"nonce_tree.{count}", {"nonces": [leaf.hex() for leaf in leaves]}, {
            "root": f.tree_root(leaves).hex(),
            "proofs": [proof(index, leaves) for index in range(count)],
        })


def proof(index, leaves):
    path = f.tree_path(index, leaves)
    if f.root_from_path(leaves[index], index, len(leaves), path) != f.tree_root(leaves):
        raise AssertionError("a proof of our own does not check")
    return {"index": index, "tree_size": len(leaves), "path": [node.hex() for node in path]}


REQUEST = (b'{"model":"demo","messages":[{"role":"user","content":"Say \\"hi\\""}],'
           b'"temperature":0.7}')
FORWARDED = REQUEST[:-1] + b',"stream":false}'
RESPONSE = json.dumps({
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1790000100, "model": "demo-v2",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"},
                 "finish_reason": "stop", "logprobs": None}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 13},
}, separators=(",", ":")).encode("ascii")


def demo_hashes():
    return {"received": f.digest(REQUEST), "forwarded": f.digest(FORWARDED),
            "returned": f.digest(RESPONSE)}


def demo_record():
    """Record of the exchange REQUEST, FORWARDED, RESPONSE."""
    answer = chat_content(*answer_chunks(RESPONSE))
    hashes = demo_hashes()
    return {
        "backend": "vllm-0", "boot_id": BOOT_ID, "challenge": "Y2hhbGxlbmdlLW9mLTIyLWJ5dGVz",
        "bodies": f.bodies_commitment(OPENING, **hashes),
        "chat_id": "chatcmpl-1", "config_digest": f.digest(b"config"),
        "content_digest": f.content_digest(OPENING, answer["content"]), "content_kind": "chat/v1",
        "content_status": answer["status"], "content_uncovered": answer["uncovered"],
        "endpoint": "/v1/chat/completions", "finish_reasons": ["stop"],
        "keyset_digest": f.jcs_digest(keyset()), "members": f.request_members(OPENING, REQUEST),
        "method": "POST", "model_requested": "demo", "model_served": "demo-v2",
        "outcome": "complete", "purpose": "countersign.record.v1", "receipt_id": "rcpt_0001",
        "response_bytes": len(RESPONSE), "sequence": 1, "served_at": 1790000101, "status": 200,
        "usage": {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 13},
    }


def record_vectors():
    record = demo_record()
    yield vector("record", {"record": record},
                 {"text": j.jcs(record), "record_hash": f.jcs_digest(record)})
    rewritten = {**record, "rewrites": ["aci_constraints", "include_usage"]}
    yield vector("record.rewrites", {"record": rewritten},
                 {"text": j.jcs(rewritten), "record_hash": f.jcs_digest(rewritten)})
    for name, hashes in (("bodies", demo_hashes()),
                         ("bodies.not_forwarded", {**demo_hashes(), "forwarded": None})):
        yield vector(name, {"opening": OPENING.hex(), **hashes},
                     {"text": j.jcs(hashes), "digest": f.bodies_commitment(OPENING, **hashes)})
    for name, given, assumes in content_cases():
        yield content_vector(name, given, assumes)
    for name, kind, given in kind_cases():
        events = given["chunks"] if "chunks" in given else [given["body"]]
        answer = content_of(kind, "chunks" in given, events)
        yield vector(name, {"opening": OPENING.hex(), "kind": kind, **given}, {
            **content_expected(answer),
            "finish_reasons": None if answer["content"] is None else answer["reasons"]})
    for name, body, assumes in members_cases(REQUEST.decode("ascii")):
        data = body.encode("utf-8")
        members = f.request_members(OPENING, data)
        texts = None
        if members is not None:
            value = j.read_json(data)
            texts = [j.jcs({"name": m["name"], "value": value[m["name"]]}) for m in members]
        yield vector(name, {"opening": OPENING.hex(), "body": body},
                     {"texts": texts, "members": members}, assumes)


def content_vector(name, given, assumes):
    """Input is one of `body` (parsed JSON), `chunks` (parsed, in order) and `stream` (SSE text)."""
    if "body" in given:
        answer = chat_content(False, [given["body"]])
    elif "chunks" in given:
        answer = chat_content(True, given["chunks"])
    else:
        answer = chat_content(*answer_chunks(given["stream"].encode("utf-8")))
    return vector(name, {"opening": OPENING.hex(), **given}, content_expected(answer), assumes)


def content_expected(answer):
    content = answer["content"]
    return {
        "text": None if content is None else j.jcs(content),
        "status": answer["status"],
        "uncovered": answer["uncovered"],
        "digest": None if content is None else f.content_digest(OPENING, content),
    }


def body_events(hashes):
    return [
        {"type": "request.received", "body_hash": hashes["received"]},
        {"type": "request.forwarded", "body_hash": hashes["forwarded"]},
        {"type": "response.returned", "body_hash": hashes["returned"]},
    ]


def sign_receipt(unsigned, seed=RECEIPT_SEED):
    signature = curves.ed25519_sign(seed, j.jcs_bytes(unsigned)).hex()
    return {**unsigned, "signature": signature}


def receipt_vectors():
    record, hashes = demo_record(), demo_hashes()
    received, _, returned = body_events(hashes)
    nothing = {
        "chat_id": None, "content_digest": None, "content_status": "none", "content_uncovered": [],
        "finish_reasons": [], "model_served": None, "usage": None,
    }
    cut_digest = f.digest(RESPONSE[:40])
    cut = {
        **record, **nothing, "outcome": "downstream_closed", "response_bytes": 40,
        "bodies": f.bodies_commitment(OPENING, **{**hashes, "returned": cut_digest}),
    }
    refused = {
        **record, **nothing, "outcome": "refused", "status": 400, "backend": None,
        "challenge": None,
        "bodies": f.bodies_commitment(OPENING, **{**hashes, "forwarded": None}),
    }
    partial = [*body_events(hashes)[:2], {
        "type": "countersign.response.partial", "body_hash": cut_digest, "bytes": 40,
    }]
    open_kind = "content_kind, finish_reasons and content_uncovered where the status is none"
    for name, own, events, assumes in (
        ("receipt.full", record, body_events(hashes), None),
        ("receipt.rewrites", {**record, "rewrites": ["aci_constraints", "include_usage"]},
         body_events(hashes), None),
        ("receipt.view", record, [], None),
        ("receipt.partial", cut, partial, open_kind),
        ("receipt.refused", refused, [received, returned], open_kind),
    ):
        unsigned = f.receipt_of(own, events, "receipt-1")
        signed = sign_receipt(unsigned)
        yield vector(name, {
            "record": own, "body_events": events, "key_id": "receipt-1",
            "ed25519_seed": RECEIPT_SEED.hex(), "opening": OPENING.hex(),
        }, {
            "public_key": curves.ed25519_public(RECEIPT_SEED).hex(),
            "signed_text": j.jcs(unsigned), "signature": signed["signature"],
            "document": j.jcs(signed),
        }, assumes)


def cose_vectors():
    """Values of all lengths that a head of RFC 8949 3 can have."""
    record, hashes = demo_record(), demo_hashes()
    wide = {
        **record, "chat_id": "\u00fc" * 12, "model_served": "m" * 256, "model_requested": "m" * 24,
        "response_bytes": 2**32, "sequence": 2**53 - 1, "served_at": 2**32 - 1, "status": 599,
        "usage": {"prompt_tokens": 23, "completion_tokens": 24, "total_tokens": 65536},
        "finish_reasons": [None] * 24, "members": [
            {"name": f"m{number:03}", "digest": f.digest(b"%d" % number)} for number in range(25)],
    }
    for name, own, bodies in (
        ("cose.full", record, {**hashes, "whole": True}),
        ("cose.not_forwarded", record, {**hashes, "forwarded": None, "whole": False}),
        ("cose.view", record, None),
        ("cose.rewrites", {**record, "rewrites": ["aci_constraints", "include_usage"]}, None),
        ("cose.wide", wide, None),
    ):
        payload = cbor.cose_payload(own, f.jcs_digest(own), bodies)
        message = cbor.cose_receipt(COSE_SEED, "cose-1", payload)
        public = curves.ed25519_public(COSE_SEED)
        if cbor.open_cose(message, public) != (cbor.loads(payload), "cose-1"):
            raise AssertionError("a message of our own does not open")
        yield vector(name, {
            "record": own, "bodies": bodies, "key_id": "cose-1", "ed25519_seed": COSE_SEED.hex(),
        }, {
            "public_key": public.hex(), "message": message.hex(),
            "signed": cbor.to_be_signed(cbor.protected_header("cose-1"), payload).hex(),
        })


def legacy_vectors():
    text = f.legacy_text(f.digest(REQUEST), f.digest(RESPONSE))
    yield vector("legacy.text",
                 {"request": REQUEST.decode("ascii"), "response": RESPONSE.decode("ascii")},
                 {"text": text})
    key = curves.public_key(ADDRESS_SECRET)
    multibyte = "h\u00e9llo \U0001f511"
    for name, own in (("legacy.eip191", text), ("legacy.eip191.multibyte", multibyte)):
        signature = curves.eip191_sign(ADDRESS_SECRET, own)
        if curves.eip191_recover(own, signature) != curves.address(key):
            raise AssertionError("a signature of our own does not recover")
        yield vector(name, {"secret": ADDRESS_SECRET.hex(), "text": own}, {
            "public_key": key.hex(), "address": curves.address(key),
            "message_digest": curves.eip191_digest(own).hex(), "signature": signature,
        })
    yield vector("legacy.ed25519", {"ed25519_seed": LEGACY_SEED.hex(), "text": text}, {
        "public_key": curves.ed25519_public(LEGACY_SEED).hex(),
        "signature": curves.ed25519_sign(LEGACY_SEED, text.encode("ascii")).hex(),
    })


def all_vectors():
    vectors = [
        *evidence_vectors(), *record_vectors(), *receipt_vectors(), *cose_vectors(),
        *legacy_vectors(),
    ]
    if len({item["id"] for item in vectors}) != len(vectors):
        raise AssertionError("two vectors share an id")
    return vectors


def render():
    """ASCII, so that no editor normalises the multi-byte texts."""
    document = {"protocol": "countersign/1", "vectors": all_vectors()}
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def main(argv):
    if argv[:1] == ["--self-test"] and len(argv) == 2:
        return self_test(argv[1])
    if argv not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    text = render()
    if argv == ["--check"]:
        try:
            with open(TARGET, encoding="ascii") as file:
                current = file.read()
        except (OSError, UnicodeDecodeError):
            current = None
        if current != text:
            print("protocol.json is not what generate.py writes", file=sys.stderr)
            return 1
        return 0
    with open(TARGET, "w", encoding="ascii") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
