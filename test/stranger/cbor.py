"""Deterministic CBOR (RFC 8949 4.2.1) and COSE_Sign1 (RFC 9052) for receipts, in plain Python.

Written from docs/protocol.md 7.2 and the RFCs. A reader refuses what the writer would not write:
`loads` decodes without any rule of order or length, and then demands that `dumps` gives the bytes
back.
"""

from curves import ed25519_sign, ed25519_verify

TAG_SIGN1 = 18
AAD = b"countersign.receipt.cose.v1"


def _head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | info]) + value.to_bytes(size, "big")
    raise ValueError("an integer beyond 64 bits")


def dumps(value):
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        data = value.encode("utf-8")
        return _head(3, len(data)) + data
    if isinstance(value, (list, tuple)):
        return _head(4, len(value)) + b"".join(dumps(item) for item in value)
    if isinstance(value, dict):
        members = sorted((dumps(key), dumps(item)) for key, item in value.items())
        return _head(5, len(members)) + b"".join(key + item for key, item in members)
    raise ValueError(f"no CBOR of {type(value).__name__}")


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise ValueError("ends too early")
        self.at += count
        return self.data[self.at - count:self.at]

    def item(self):
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if major == 7:
            if info not in (20, 21, 22):
                raise ValueError("a float or an unknown simple value")
            return {20: False, 21: True, 22: None}[info]
        if info > 27:
            raise ValueError("an indefinite length")
        value = info if info < 24 else int.from_bytes(self.take(1 << info - 24), "big")
        if major == 0:
            return value
        if major == 1:
            return -1 - value
        if major == 2:
            return self.take(value)
        if major == 3:
            return self.take(value).decode("utf-8")
        if major == 4:
            return [self.item() for _ in range(value)]
        if major == 5:
            return {self.item(): self.item() for _ in range(value)}
        raise ValueError("a tag")


def loads(data):
    reader = _Reader(data)
    value = reader.item()
    if reader.at != len(data):
        raise ValueError("bytes after the item")
    if dumps(value) != data:
        raise ValueError("not deterministic")
    return value


def protected_header(key_id):
    return dumps({1: -8, 3: "application/cbor", 4: key_id.encode("utf-8")})


def to_be_signed(protected, payload):
    return dumps(["Signature1", protected, AAD, payload])


def cose_payload(record, record_hash, bodies):
    return dumps({"bodies": bodies, "record": record, "record_hash": record_hash})


def cose_receipt(seed, key_id, payload):
    protected = protected_header(key_id)
    signature = ed25519_sign(seed, to_be_signed(protected, payload))
    return _head(6, TAG_SIGN1) + dumps([protected, {}, payload, signature])


def open_cose(message, public_key):
    """The payload's value and the key's id, where the signature holds."""
    if message[:1] != _head(6, TAG_SIGN1):
        raise ValueError("no tag 18")
    protected, unprotected, payload, signature = loads(message[1:])
    if unprotected != {}:
        raise ValueError("unprotected headers")
    header = loads(protected)
    key_id = header[4].decode("utf-8")
    if protected != protected_header(key_id):
        raise ValueError("other headers")
    if not ed25519_verify(public_key, to_be_signed(protected, payload), signature):
        raise ValueError("the signature does not hold")
    return loads(payload), key_id
