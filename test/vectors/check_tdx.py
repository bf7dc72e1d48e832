"""Checks vectors of TDX evidence with Python's standard library and the openssl command alone.

Written from Intel's quote layout (TDX DCAP Quoting Library API, appendix A) and dstack's rules, and sharing nothing with the
generator: so generator and appraiser cannot agree on a mistake of both. Prints one JSON object with what it found.

    python3 check_tdx.py FOLDER ID...
"""

import base64
import functools
import hashlib
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.S)
# SubjectPublicKeyInfo of an uncompressed point on P-256, up to the point (RFC 5480).
SPKI_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")


def openssl(work, *args):
    """Exit status and output of one openssl command."""
    run = subprocess.run(["openssl", *args], cwd=work, capture_output=True, timeout=30)
    return run.returncode == 0, run.stdout


def der_integer(number):
    digits = number.lstrip(b"\0") or b"\0"
    if digits[0] >= 0x80:
        digits = b"\0" + digits
    return b"\x02" + bytes([len(digits)]) + digits


@functools.lru_cache(maxsize=None)
def verifies(work, key_pem, signature, message):
    """ECDSA with SHA-256; signature is r and s, 32 bytes each."""
    body = der_integer(signature[:32]) + der_integer(signature[32:])
    (work / "key.pem").write_bytes(key_pem)
    (work / "signature").write_bytes(b"\x30" + bytes([len(body)]) + body)
    (work / "message").write_bytes(message)
    good, _ = openssl(
        work, "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "message"
    )
    return good


@functools.lru_cache(maxsize=None)
def pem_of_point(work, point):
    (work / "point.der").write_bytes(SPKI_P256 + b"\x04" + point)
    good, out = openssl(work, "pkey", "-pubin", "-inform", "DER", "-in", "point.der")
    return out if good else b""


@functools.lru_cache(maxsize=None)
def key_of(work, certificate):
    (work / "certificate.pem").write_text(certificate)
    return openssl(work, "x509", "-in", "certificate.pem", "-noout", "-pubkey")[1]


@functools.lru_cache(maxsize=None)
def chain_is_good(work, chain, at):
    """Leaf, authorities, root: names, signatures, CA flags, usages and dates."""
    (work / "leaf.pem").write_text(chain[0] + "\n")
    (work / "middle.pem").write_text("\n".join(chain[1:-1]) + "\n")
    (work / "root.pem").write_text(chain[-1] + "\n")
    middle = ["-untrusted", "middle.pem"] if len(chain) > 2 else []
    # The simulated root has a critical extension on purpose, which openssl rightly does not know.
    good, _ = openssl(
        work, "verify", "-x509_strict", "-ignore_critical", "-attime", str(at),
        "-CAfile", "root.pem", *middle, "leaf.pem",
    )  # fmt: skip
    return good


@functools.lru_cache(maxsize=None)
def list_is_signed(work, der, issuer):
    (work / "list.der").write_bytes(der)
    (work / "issuer.pem").write_text(issuer + "\n")
    run = subprocess.run(
        ["openssl", "crl", "-inform", "DER", "-in", "list.der", "-noout", "-CAfile", "issuer.pem",
         "-verify"],
        cwd=work, capture_output=True, timeout=30,
    )  # fmt: skip
    return b"verify OK" in run.stdout + run.stderr


def read_quote(quote):
    """Every part by its offset; raises where the parts do not add up."""
    version, key_type, tee = struct.unpack_from("<HHI", quote, 0)
    assert version in (4, 5) and key_type == 2 and tee == 0x81, "header"
    body, size = 48, 584
    if version == 5:
        kind, size = struct.unpack_from("<HI", quote, 48)
        assert {2: 584, 3: 648}[kind] == size, "body descriptor"
        body = 54
    end = body + size
    (length,) = struct.unpack_from("<I", quote, end)
    auth = quote[end + 4 : end + 4 + length]
    assert len(auth) == length and not any(quote[end + 4 + length :]), "signature data"
    outer, outer_size = struct.unpack_from("<HI", auth, 128)
    assert outer == 6 and outer_size == length - 134, "certification data"
    (qe_auth,) = struct.unpack_from("<H", auth, 582)
    inner, inner_size = struct.unpack_from("<HI", auth, 584 + qe_auth)
    assert inner == 5 and inner_size == length - 590 - qe_auth, "PCK chain"
    report = quote[body:end]
    return {
        "signed": quote[:end],
        "signature": auth[:64],
        "key": auth[64:128],
        "qe_report": auth[134:518],
        "qe_signature": auth[518:582],
        "qe_auth": auth[584 : 584 + qe_auth],
        "chain": tuple(PEM.findall(auth[590 + qe_auth :].decode())),
        "td_attributes": report[120:128],
        "mr_signer_seam": report[64:112],
        "mr_config_id": report[184:232],
        "rtmrs": [report[328 + 48 * n : 376 + 48 * n] for n in range(4)],
    }


def replay(log):
    registers = [bytes(48)] * 4
    for event in log:
        payload = bytes.fromhex(event["event_payload"])
        digest = bytes.fromhex(event["digest"])
        if event["imr"] == 3:
            if event.get("version", 1) == 1:
                text = struct.pack("<I", event["event_type"])
                text += b":" + event["event"].encode() + b":" + payload
            else:
                members = {"name": event["event"], "payload": payload.hex(), "type": event["event_type"]}
                text = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
            digest = hashlib.sha384(text).digest()
        registers[event["imr"]] = hashlib.sha384(registers[event["imr"]] + digest).digest()
    return registers


def check(work, given):
    """Names of the checks that fail, in order."""
    failed = []

    def hold(name, good):
        if not good:
            failed.append(name)

    at, collateral = given["at"], given["collateral"]
    try:
        quote = read_quote(bytes.fromhex(given["quote"]))
    except (AssertionError, struct.error, KeyError, UnicodeDecodeError, ValueError):
        return ["layout"]
    chain = quote["chain"]
    pinned = given["policy"]["sgxRoots"]
    root = base64.b64decode("".join(chain[-1].splitlines()[1:-1])) if chain else b""
    hold("root", hashlib.sha256(root).hexdigest() in pinned)
    hold("pck_chain", len(chain) == 3 and chain_is_good(work, chain, at))
    if failed:
        return failed
    hold("qe_report", verifies(work, key_of(work, chain[0]), quote["qe_signature"], quote["qe_report"]))
    endorsed = hashlib.sha256(quote["key"] + quote["qe_auth"]).digest() + bytes(32)
    hold("qe_binding", quote["qe_report"][320:384] == endorsed)
    hold("quote", verifies(work, pem_of_point(work, quote["key"]), quote["signature"], quote["signed"]))
    for name in ("tcb_info", "qe_identity"):
        issuers = tuple(PEM.findall(collateral[name + "_issuer_chain"]))
        hold(name + "_chain", len(issuers) == 2 and chain_is_good(work, issuers, at))
        signature = bytes.fromhex(collateral[name + "_signature"])
        key = key_of(work, issuers[0]) if issuers else b""
        hold(name + "_signature", verifies(work, key, signature, collateral[name].encode()))
    authority = PEM.findall(collateral["pck_crl_issuer_chain"])[0]
    hold("root_crl", list_is_signed(work, bytes.fromhex(collateral["root_ca_crl"]), chain[-1]))
    hold("pck_crl", list_is_signed(work, bytes.fromhex(collateral["pck_crl"]), authority))
    hold("debug", quote["td_attributes"][0] == 0)
    hold("sept_ve", quote["td_attributes"][3] & 0x10 != 0)
    hold("seam", not any(quote["mr_signer_seam"]))
    if "event_log" in given:
        log = json.loads(given["event_log"])
        used = {event["imr"] for event in log} | {3}
        registers = replay(log)
        hold("event_log", all(registers[n] == quote["rtmrs"][n] for n in used))
        compose = [e["event_payload"] for e in log if e["event"] == "compose-hash"][:1]
        if "app_compose" in given:
            hold("compose", compose == [hashlib.sha256(given["app_compose"].encode()).hexdigest()])
        kind, digest = quote["mr_config_id"][0], quote["mr_config_id"][1:33].hex()
        hold("mr_config_id", kind != 1 or [digest] == compose)
    return failed


def main(folder, ids):
    found = {}
    with tempfile.TemporaryDirectory() as name:
        for one in ids:
            given = json.loads((pathlib.Path(folder) / one / "input.json").read_text())
            found[one] = check(pathlib.Path(name), given)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
