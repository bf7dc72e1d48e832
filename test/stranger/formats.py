"""The formats of docs/protocol.md in plain Python, written from that page and the RFCs alone.

Nothing here is shared with the service: a mistake that both made would need to be made twice.
"""

import hashlib
import re

from jcs import Malformed, jcs, jcs_bytes, read_json, utf16

MAX_NONCES = 4096
ADMITTED_OUTCOMES = (
    "complete", "upstream_error", "upstream_reset", "downstream_closed", "timeout", "refused",
    "interrupted",
)
# Members of the record that stand in the receipt's `countersign.record` event (protocol 7) …
EVENT_MEMBERS = (
    "backend", "bodies", "boot_id", "challenge", "config_digest", "content_digest", "content_kind",
    "content_status", "content_uncovered", "finish_reasons", "members", "model_served", "outcome",
    "response_bytes", "sequence", "status", "usage",
)
# … that stand there only where they say something …
OPTIONAL_EVENT_MEMBERS = ("interrupted_boot", "rewrites")
REWRITES = ("aci_constraints", "include_usage", "keep_alive", "strip_empty_tool_calls")
# … and those that stand at the receipt's top level: record member -> receipt member.
TOP_MEMBERS = {
    "chat_id": "chat_id", "endpoint": "endpoint", "keyset_digest": "workload_keyset_digest",
    "method": "method", "model_requested": "model", "receipt_id": "receipt_id",
    "served_at": "served_at",
}


def sha256(data):
    return hashlib.sha256(data).digest()


def digest(data):
    return "sha256:" + sha256(data).hex()


def jcs_digest(value):
    return digest(jcs_bytes(value))


def unhex(text, size=None):
    """Bytes of lower-case hex without 0x; `size` in bytes where it is fixed."""
    if not isinstance(text, str) or not re.fullmatch(r"(?:[0-9a-f]{2})*", text):
        raise Malformed("not lower-case hex")
    data = bytes.fromhex(text)
    if size is not None and len(data) != size:
        raise Malformed(f"{len(data)} bytes where {size} belong")
    return data


def is_digest(value):
    return isinstance(value, str) and re.fullmatch(r"sha256:[0-9a-f]{64}", value) is not None


# --- statement, GPU nonce, nonce tree (protocol 3, 4) ---


def statement(parts, nonce_root):
    """Text that the quote vouches for; `parts` holds everything but purpose and nonce root."""
    members = {name: parts[name] for name in (
        "boot_id", "collateral_digest", "config_digest", "gpu_evidence_digest", "issued_at",
        "keyset_digest", "log", "round",
    )}
    return jcs({**members, "nonce_root": nonce_root, "purpose": "countersign.report_data.v1"})


def report_data(text):
    return hashlib.sha512(text.encode("utf-8")).digest()


def gpu_nonce_text(boot_id, keyset_digest, nonce_root, round_id):
    return jcs({
        "boot_id": boot_id, "keyset_digest": keyset_digest, "nonce_root": nonce_root,
        "purpose": "countersign.gpu_nonce.v1", "round": round_id,
    })


def leaf_hash(nonce):
    return sha256(b"\x00" + nonce)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def _split(count):
    """Largest power of two below count (RFC 6962 2.1)."""
    return 1 << ((count - 1).bit_length() - 1)


def tree_root(nonces):
    if len(nonces) == 1:
        return leaf_hash(nonces[0])
    k = _split(len(nonces))
    return node_hash(tree_root(nonces[:k]), tree_root(nonces[k:]))


def tree_path(index, nonces):
    if len(nonces) == 1:
        return []
    k = _split(len(nonces))
    if index < k:
        return tree_path(index, nonces[:k]) + [tree_root(nonces[k:])]
    return tree_path(index - k, nonces[k:]) + [tree_root(nonces[:k])]


def root_from_path(nonce, index, tree_size, path):
    """Root that the proof leads to (RFC 9162 2.1.3.2); the path must have the exact length."""
    for number in (index, tree_size):
        if not isinstance(number, int) or isinstance(number, bool):
            raise Malformed("index and tree_size are integers")
    if not 0 <= index < tree_size <= MAX_NONCES:
        raise Malformed("index or tree_size out of range")
    fn, sn, result = index, tree_size - 1, leaf_hash(nonce)
    for sibling in path:
        if sn == 0:
            raise Malformed("the path is too long")
        if fn & 1 or fn == sn:
            result = node_hash(sibling, result)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node_hash(result, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Malformed("the path is too short")
    return result


# --- salted digests, members, record, receipt (protocol 6, 7) ---


def salted(purpose, opening, value):
    if len(opening) != 32:
        raise Malformed("the opening has 32 bytes")
    return digest(purpose.encode("ascii") + b"\x00" + opening + jcs_bytes(value))


def bodies_commitment(opening, received, forwarded, returned):
    return salted("countersign.bodies.v1", opening, {
        "forwarded": forwarded, "received": received, "returned": returned,
    })


def content_digest(opening, content):
    return salted("countersign.content.v1", opening, content)


def member_digest(opening, name, value):
    return salted("countersign.member.v1", opening, {"name": name, "value": value})


def request_members(opening, body):
    """`members` of the record for a request body in bytes; None where it is no JSON object."""
    try:
        value = read_json(body)
    except Malformed:
        return None
    if not isinstance(value, dict):
        return None
    return [
        {"digest": member_digest(opening, name, value[name]), "name": name}
        for name in sorted(value, key=utf16)
    ]


def receipt_of(record, events, key_id):
    """Receipt without signature from a record and the events that go before its own."""
    own = {name: record[name] for name in EVENT_MEMBERS}
    own.update({name: record[name] for name in OPTIONAL_EVENT_MEMBERS if name in record})
    own.update(type="countersign.record", record_hash=jcs_digest(record))
    document = {receipt: record[name] for name, receipt in TOP_MEMBERS.items()}
    document.update(api_version="aci/1", event_log=[*events, own], key_id=key_id)
    return document


def record_of(receipt, event):
    """Record put together from a receipt's top level and its `countersign.record` event."""
    record = {name: event[name] for name in EVENT_MEMBERS}
    record.update({name: event[name] for name in OPTIONAL_EVENT_MEMBERS if name in event})
    record.update({name: receipt[member] for name, member in TOP_MEMBERS.items()})
    record["purpose"] = "countersign.record.v1"
    return record


def legacy_text(request_digest, response_digest):
    """`hex:hex` of two `sha256:` digests (protocol 8)."""
    return request_digest.removeprefix("sha256:") + ":" + response_digest.removeprefix("sha256:")
