"""Checks of a receipt or view and of the bodies it speaks of (docs/protocol.md 6, 7)."""

import re

from check_document import RECEIPT_ALGO
from content import answer_chunks
from curves import ed25519_verify
from formats import (
    ADMITTED_OUTCOMES, EVENT_MEMBERS, OPTIONAL_EVENT_MEMBERS, REWRITES, bodies_commitment,
    content_digest, digest, is_digest, jcs_digest, record_of, request_members, unhex,
)
from jcs import Malformed, jcs, jcs_bytes, utf16
from kinds import KIND_OF, content_of
from runner import Skipped, given, need, same, skip, unwrap

RECEIPT_MEMBERS = {
    "api_version", "chat_id", "endpoint", "event_log", "key_id", "method", "model", "receipt_id",
    "served_at", "signature", "workload_keyset_digest",
}


def check_receipt(checker, args, files):
    run = checker.run
    run("opening.read", lambda: unhex(args.opening, 32) if args.opening else skip("no --opening"))
    run("receipt.read", lambda: read_receipt(files))
    run("receipt.keyset", lambda receipt, keyset: same(
        receipt["workload_keyset_digest"], keyset, "keyset digest"), "receipt.read",
        "keyset.digest")
    run("receipt.signature", receipt_signature, "receipt.read", "keyset.keys")
    run("receipt.not_after", lambda receipt, doc: need(
        receipt["served_at"] <= doc["keyset"]["not_after"], "served after the keyset's not_after"),
        "receipt.read", "document.read")
    run("receipt.events", lambda receipt: read_events(receipt, args), "receipt.read")
    run("record.hash", record_hash, "receipt.read", "receipt.events")
    run("record.boot", record_boot, "record.hash", "document.read", "config.digest")
    run("record.rewrites", record_rewrites, "record.hash", "receipt.events")
    run("record.outcome", record_outcome, "record.hash", "receipt.events")
    run("record.challenge", lambda record: record_challenge(record, args), "record.hash")
    run("bodies.commitment", lambda events, record, opening: bodies(events, record, opening, args),
        "receipt.events", "record.hash", "opening.read")
    run("request.hash", lambda events: event_hash(
        events, "request.received", files, "request"), "receipt.events")
    run("forwarded.hash", lambda events: event_hash(
        events, "request.forwarded", files, "forwarded"), "receipt.events")
    run("response.hash", lambda events: event_hash(
        events, response_type(events), files, "response"), "receipt.events")
    run("response.bytes", lambda record: response_bytes(record, args, files), "record.hash")
    run("response.facts", lambda record, _: response_facts(record, files), "record.hash",
        "response.hash")
    run("content.digest", lambda record, opening: check_content(record, opening, files),
        "record.hash", "opening.read")
    run("members.digests", lambda record, opening: check_members(record, opening, args, files),
        "record.hash", "opening.read")


def read_receipt(files):
    data, receipt = unwrap(given(files, "receipt"))
    same(receipt["api_version"], "aci/1", "api_version")
    need(set(receipt) == RECEIPT_MEMBERS, f"members {sorted(set(receipt) ^ RECEIPT_MEMBERS)}")
    need(data == jcs_bytes(receipt), "the text is not canonical")
    need(re.fullmatch(r"[a-z0-9_-]{1,64}", receipt["receipt_id"]) is not None, "bad receipt id")
    return receipt


def receipt_signature(receipt, keys):
    entry = keys.get(receipt["key_id"])
    need(entry is not None and entry["algo"] == RECEIPT_ALGO, "no receipt key of that id")
    unsigned = {name: value for name, value in receipt.items() if name != "signature"}
    need(ed25519_verify(unhex(entry["public_key"], 32), jcs_bytes(unsigned),
                        unhex(receipt["signature"], 64)), "the signature does not verify")


def read_events(receipt, args):
    """Events by type, in exactly the order of protocol 7."""
    events = receipt["event_log"]
    types = [event["type"] for event in events]
    own = ["countersign.record"]
    if args.view:
        same(types, own, "event types of a view")
    else:
        forwarded = ["request.forwarded"] if "request.forwarded" in types else []
        last = "response.returned"
        if "countersign.response.partial" in types:
            last = "countersign.response.partial"
        same(types, ["request.received", *forwarded, last, *own], "event types")
    shapes = {"countersign.record": {"type", "record_hash", *EVENT_MEMBERS},
              "countersign.response.partial": {"type", "body_hash", "bytes"}}
    for event in events:
        shape = shapes.get(event["type"], {"type", "body_hash"})
        if event["type"] == "countersign.record":
            shape |= set(OPTIONAL_EVENT_MEMBERS) & set(event)
        need(set(event) == shape, f"members of {event['type']}: {sorted(set(event) ^ shape)}")
        need("body_hash" not in event or is_digest(event["body_hash"]), "a body hash is no digest")
    return dict(zip(types, events))


def record_hash(receipt, events):
    event = events["countersign.record"]
    record = record_of(receipt, event)
    same(event["record_hash"], jcs_digest(record), "record_hash")
    return record


def record_rewrites(record, events):
    if "rewrites" not in record:
        return
    rewrites = record["rewrites"]
    need(rewrites and set(rewrites) <= set(REWRITES), f"rewrites {rewrites!r}")
    same(rewrites, sorted(set(rewrites)), "order of rewrites")
    forwarded = events.get("request.forwarded")
    if forwarded is not None and set(rewrites) - {"keep_alive"}:
        need(forwarded["body_hash"] != events["request.received"]["body_hash"],
             "a rewritten request whose hash did not change")


def record_boot(record, document, config):
    same(record["boot_id"], document["boot_id"], "boot_id")
    same(record["config_digest"], config, "config_digest")


def record_outcome(record, events):
    need(record["outcome"] in ADMITTED_OUTCOMES, f"outcome {record['outcome']!r}")
    same("interrupted_boot" in record, record["outcome"] == "interrupted", "interrupted_boot")
    partial = events.get("countersign.response.partial")
    if partial is not None:
        same(partial["bytes"], record["response_bytes"], "bytes of the partial body")
    if record["outcome"] == "complete":
        need(partial is None, "complete, but the body was not delivered whole")
        need(200 <= record["status"] <= 299, f"complete with status {record['status']}")
        reasons = record["finish_reasons"]
        if KIND_OF.get(record["endpoint"], "embeddings/v1") != "embeddings/v1":
            need(reasons and None not in reasons and "abort" not in reasons,
                 "complete without a finish reason for every choice")


def record_challenge(record, args):
    if args.challenge is None:
        raise Skipped("no --challenge")
    same(record["challenge"], args.challenge, "challenge")


def response_type(events):
    return next((name for name in ("response.returned", "countersign.response.partial")
                 if name in events), None)


def bodies(events, record, opening, args):
    if args.view:
        raise Skipped("a view shows no body hash")
    forwarded = events.get("request.forwarded", {"body_hash": None})["body_hash"]
    expected = bodies_commitment(opening, events["request.received"]["body_hash"], forwarded,
                                 events[response_type(events)]["body_hash"])
    same(record["bodies"], expected, "bodies")


def event_hash(events, name, files, file):
    body = given(files, file)
    if list(events) == ["countersign.record"]:
        raise Skipped("a view shows no body hash")
    need(name in events, f"a file was given, but there is no {name} event")
    same(events[name]["body_hash"], digest(body), name)


def response_bytes(record, args, files):
    body = given(files, "response")
    if args.view:
        raise Skipped("behind an intermediary the bytes may be other ones")
    same(record["response_bytes"], len(body), "response_bytes")


def response_facts(record, files):
    """What the record says about the answer, against the bytes that the receipt covers."""
    try:
        _, chunks = answer_chunks(given(files, "response"))
    except (Malformed, UnicodeDecodeError) as error:
        raise Skipped(f"the answer cannot be read: {error}") from error
    kind = KIND_OF.get(record["endpoint"])
    if kind is None:
        raise Skipped("answers of this endpoint are not read")
    # Events of messages and responses carry the object with these facts as a member.
    within = {"messages/v1": "message", "responses/v1": "response"}.get(kind)
    chunks = [chunk.get(within, chunk) for chunk in chunks if isinstance(chunk, dict)]
    chunks = [chunk for chunk in chunks if isinstance(chunk, dict)]
    for member, name in (("chat_id", "id"), ("model_served", "model")):
        first = next((c[name] for c in chunks if isinstance(c.get(name), str)), None)
        same(record[member], first, member)
    usage = next((c["usage"] for c in reversed(chunks) if isinstance(c.get("usage"), dict)), None)
    names = ("completion_tokens", "prompt_tokens", "total_tokens")
    if usage is not None and all(name in usage for name in names):
        same(record["usage"], {name: usage[name] for name in names}, "usage")


def check_content(record, opening, files):
    body = given(files, "response")
    kind = KIND_OF.get(record["endpoint"])
    found = {"content": None, "status": "none", "uncovered": []}
    try:
        if kind is not None:
            found = content_of(kind, *answer_chunks(body))
    except (Malformed, UnicodeDecodeError):
        pass
    same(record["content_status"], found["status"], "content_status")
    if found["content"] is None:
        same(record["content_digest"], None, "content_digest")
        return
    same(record["content_kind"], kind, "content_kind")
    same(record["content_uncovered"], found["uncovered"], "content_uncovered")
    same(record["content_digest"], content_digest(opening, found["content"]),
         f"content_digest of {jcs(found['content'])[:200]}")
    same(record["finish_reasons"], found["reasons"], "finish_reasons")


def check_members(record, opening, args, files):
    expected = request_members(opening, given(files, "request"))
    if expected is None or record["members"] is None:
        same(record["members"], expected, "members")
        return
    found = {item["name"]: item["digest"] for item in record["members"]}
    wanted = {item["name"]: item["digest"] for item in expected}
    for name in sorted(set(found) | set(wanted)):
        if name not in wanted and name in args.allow_added:
            continue
        need(name in wanted, f"member {name!r} was added on the way")
        need(name in found, f"member {name!r} was lost on the way")
        need(found[name] == wanted[name], f"member {name!r} was changed on the way")
    names = [item["name"] for item in record["members"]]
    same(names, sorted(set(names), key=utf16), "order of members")
