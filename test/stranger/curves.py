"""Keccak-256 and secp256k1 in plain Python; Ed25519 and P-256 by the openssl command.

Slow and not constant time: for checking and for vectors with published keys only.
"""

import base64
import hashlib
import hmac
import os
import subprocess
import tempfile

# --- Keccak-256 as Ethereum uses it: padding 0x01, not SHA-3's 0x06 ---

_RATE = 136
_LANES = 2**64 - 1


def _round_constants():
    """rc[t] of FIPS 202 3.2.5: the LFSR x^8 + x^6 + x^5 + x^4 + 1."""
    lfsr, constants = 1, []
    for _ in range(24):
        constant = 0
        for j in range(7):
            if lfsr & 1:
                constant |= 1 << ((1 << j) - 1)
            lfsr = (lfsr << 1) ^ (0x171 if lfsr & 0x80 else 0)
        constants.append(constant)
    return constants


_CONSTANTS = _round_constants()


def _rotate(lane, count):
    count %= 64
    return ((lane << count) | (lane >> (64 - count))) & _LANES if count else lane


def _permute(a):
    """Keccak-f[1600] on 25 lanes, lane (x, y) at x + 5y."""
    for constant in _CONSTANTS:
        c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        d = [c[(x + 4) % 5] ^ _rotate(c[(x + 1) % 5], 1) for x in range(5)]
        a = [a[i] ^ d[i % 5] for i in range(25)]
        b = a[:]
        x, y, lane = 1, 0, a[1]
        for t in range(24):  # rho and pi in one walk (FIPS 202 3.2.2, 3.2.3)
            x, y = y, (2 * x + 3 * y) % 5
            lane, b[x + 5 * y] = a[x + 5 * y], _rotate(lane, (t + 1) * (t + 2) // 2)
        a = [
            b[i] ^ (~b[(i + 1) % 5 + i // 5 * 5] & b[(i + 2) % 5 + i // 5 * 5] & _LANES)
            for i in range(25)
        ]
        a[0] ^= constant
    return a


def keccak256(data):
    padded = bytearray(data) + b"\x01"
    padded += bytes(-len(padded) % _RATE)
    padded[-1] |= 0x80
    state = [0] * 25
    for start in range(0, len(padded), _RATE):
        for i in range(_RATE // 8):
            at = start + 8 * i
            state[i] ^= int.from_bytes(padded[at : at + 8], "little")
        state = _permute(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state[:4])


# --- secp256k1 (SEC 2, 2.4.1) ---

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def _add(a, b):
    if a is None:
        return b
    if b is None:
        return a
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def _multiply(k, point):
    result = None
    while k:
        if k & 1:
            result = _add(result, point)
        point, k = _add(point, point), k >> 1
    return result


def _lift(x, odd):
    square = (pow(x, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if x >= P or y * y % P != square:
        raise ValueError("not a point of the curve")
    return x, y if y & 1 == odd else P - y


def public_key(secret):
    """Compressed public key, 33 bytes, of a 32-byte secret."""
    x, y = _multiply(int.from_bytes(secret, "big"), G)
    return bytes([2 + (y & 1)]) + x.to_bytes(32, "big")


def address(compressed):
    """EIP-55 address of a compressed public key."""
    if len(compressed) != 33 or compressed[0] not in (2, 3):
        raise ValueError("not a compressed public key")
    return _address(_lift(int.from_bytes(compressed[1:], "big"), compressed[0] & 1))


def _address(point):
    raw = b"".join(v.to_bytes(32, "big") for v in point)
    text = keccak256(raw)[12:].hex()
    mask = keccak256(text.encode("ascii")).hex()
    return "0x" + "".join(c.upper() if m >= "8" else c for c, m in zip(text, mask))


def _nonces(secret, message_hash):
    """Candidates for k by RFC 6979 3.2 with HMAC-SHA-256."""
    reduced = (int.from_bytes(message_hash, "big") % N).to_bytes(32, "big")
    k, v = bytes(32), b"\x01" * 32
    for step in (b"\x00", b"\x01"):
        k = hmac.digest(k, v + step + secret + reduced, "sha256")
        v = hmac.digest(k, v, "sha256")
    while True:
        v = hmac.digest(k, v, "sha256")
        yield int.from_bytes(v, "big")
        k = hmac.digest(k, v + b"\x00", "sha256")
        v = hmac.digest(k, v, "sha256")


def eip191_digest(text):
    data = text.encode("utf-8")
    return keccak256(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data)


def eip191_sign(secret, text):
    """`0x` r s v over the text, low s, v in {27, 28}."""
    message_hash = eip191_digest(text)
    z, d = int.from_bytes(message_hash, "big"), int.from_bytes(secret, "big")
    for k in _nonces(secret, message_hash):
        if not 0 < k < N:
            continue
        x, y = _multiply(k, G)
        r = x % N
        s = pow(k, -1, N) * (z + r * d) % N
        if r == 0 or s == 0 or x >= N:
            continue
        odd = y & 1
        if s > N // 2:
            s, odd = N - s, odd ^ 1
        return "0x" + r.to_bytes(32, "big").hex() + s.to_bytes(32, "big").hex() + f"{27 + odd:02x}"
    raise AssertionError("unreachable")


def eip191_recover(text, signature):
    """EIP-55 address that signed the text. Raises ValueError unless the form is exact."""
    if not isinstance(signature, str) or not signature.startswith("0x") or len(signature) != 132:
        raise ValueError("not 0x and 65 bytes of hex")
    if signature != signature.lower():
        raise ValueError("not lower-case hex")
    raw = bytes.fromhex(signature[2:])
    r, s, v = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"), raw[64]
    if v not in (27, 28):
        raise ValueError("v is neither 27 nor 28")
    if not (0 < r < N and 0 < s <= N // 2):
        raise ValueError("r or s out of range, or s is high")
    z = int.from_bytes(eip191_digest(text), "big")
    inverse = pow(r, -1, N)
    point = _add(
        _multiply(s * inverse % N, _lift(r, v - 27)), _multiply(-z * inverse % N, G),
    )
    if point is None:
        raise ValueError("recovers to no key")
    return _address(point)


# --- openssl ---

ED25519_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")  # RFC 8410
ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
P256_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")  # RFC 5480


def _pem(label, der):
    body = base64.encodebytes(der).decode("ascii")
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode("ascii")


def openssl(arguments, **files):
    """Run openssl; each keyword is a file whose path replaces `{keyword}` in the arguments."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for name, data in files.items():
            paths[name] = os.path.join(folder, name)
            with open(paths[name], "wb") as file:
                file.write(data)
        command = ["openssl", *(argument.format(**paths) for argument in arguments)]
        return subprocess.run(command, capture_output=True, check=False)


def ed25519_public(seed):
    result = openssl(
        ["pkey", "-in", "{key}", "-pubout", "-outform", "DER"],
        key=_pem("PRIVATE KEY", ED25519_PKCS8 + seed),
    )
    return result.stdout[len(ED25519_SPKI):]


def ed25519_sign(seed, message):
    result = openssl(
        ["pkeyutl", "-sign", "-rawin", "-inkey", "{key}", "-in", "{message}"],
        key=_pem("PRIVATE KEY", ED25519_PKCS8 + seed), message=message,
    )
    if len(result.stdout) != 64:
        raise RuntimeError("openssl did not sign: " + result.stderr.decode("utf-8", "replace"))
    return result.stdout


def ed25519_verify(public, message, signature):
    if len(public) != 32 or len(signature) != 64:
        return False
    result = openssl(
        ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "{key}", "-in", "{message}",
         "-sigfile", "{signature}"],
        key=_pem("PUBLIC KEY", ED25519_SPKI + public), message=message, signature=signature,
    )
    return result.returncode == 0


def p256_pem(xy):
    return _pem("PUBLIC KEY", P256_SPKI + xy)


def p256_verify(public_pem, message, raw_signature):
    """ECDSA with SHA-256; the signature is r and s, 32 bytes each."""
    if len(raw_signature) != 64:
        return False
    integers = b"".join(_der_integer(part) for part in (raw_signature[:32], raw_signature[32:]))
    result = openssl(
        ["dgst", "-sha256", "-verify", "{key}", "-signature", "{signature}", "{message}"],
        key=public_pem, message=message, signature=b"\x30" + bytes([len(integers)]) + integers,
    )
    return result.returncode == 0


def _der_integer(data):
    data = data.lstrip(b"\x00") or b"\x00"
    data = b"\x00" + data if data[0] & 0x80 else data
    return b"\x02" + bytes([len(data)]) + data


def sha384(data):
    return hashlib.sha384(data).digest()
