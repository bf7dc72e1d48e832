"""Readers for the evidence: TDX quote, dstack event log, SPDM report.

Offsets are in bytes, integers little-endian.
"""

import re

from curves import p256_pem, p256_verify, openssl, sha384
from formats import sha256, unhex
from jcs import Malformed, read_json

RUNTIME_EVENT = 0x08000001  # dstack's event type of RTMR3
CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.S)


class Quote:
    """TDX quote v4 (TD 1.0 body at 48) or v5 (type and size at 48, body at 54)."""

    def __init__(self, data):
        self.data = data
        version = int.from_bytes(self.part(0, 2), "little")
        if version == 4:
            start, size = 48, 584
        elif version == 5:
            start, size = 54, int.from_bytes(self.part(50, 4), "little")
            if (int.from_bytes(self.part(48, 2), "little"), size) not in ((2, 584), (3, 648)):
                raise Malformed("not a TD body")
        else:
            raise Malformed(f"quote version {version}")
        if self.part(2, 6) != bytes.fromhex("020081000000"):
            raise Malformed("not a TDX quote signed with P-256")
        body = self.part(start, size)
        self.signed_size = start + size
        self.rtmr3, self.report_data = body[472:520], body[520:584]

    def part(self, at, size):
        if at + size > len(self.data):
            raise Malformed("the quote ends early")
        return self.data[at : at + size]

    def check_signature(self):
        """Body by attestation key, key by QE report, report by PCK leaf. Returns the PEM chain."""
        end = self.signed_size
        signature, key = self.part(end + 4, 64), self.part(end + 68, 64)
        if not p256_verify(p256_pem(key), self.part(0, end), signature):
            raise Malformed("the attestation key did not sign the quote")
        at = end + 132
        if int.from_bytes(self.part(at, 2), "little") != 6:
            raise Malformed("no QE report certification data")
        at += 6
        report, report_signature = self.part(at, 384), self.part(at + 384, 64)
        size = int.from_bytes(self.part(at + 448, 2), "little")
        auth = self.part(at + 450, size)
        at += 450 + size
        if report[320:352] != sha256(key + auth):
            raise Malformed("the QE report does not name the attestation key")
        if int.from_bytes(self.part(at, 2), "little") != 5:
            raise Malformed("no PCK certificate chain")
        pem = self.part(at + 6, int.from_bytes(self.part(at + 2, 4), "little"))
        chain = CERTIFICATE.findall(pem)
        if not chain:
            raise Malformed("no PCK certificate")
        leaf = openssl(["x509", "-in", "{cert}", "-noout", "-pubkey"], cert=chain[0])
        if leaf.returncode != 0 or not p256_verify(leaf.stdout, report, report_signature):
            raise Malformed("the PCK certificate did not sign the QE report")
        return chain


def check_chain(chain, root, at, simulated):
    """openssl's judgement of leaf and intermediates under the given root (PEM), or raise."""
    arguments = ["verify", "-x509_strict", "-CAfile", "{root}", "-untrusted", "{middle}"]
    arguments += ["-no-CAstore", "-no-CApath"] + (["-attime", str(at)] if at is not None else [])
    arguments += ["-ignore_critical"] if simulated else []
    result = openssl([*arguments, "{leaf}"], root=root, middle=b"".join(chain[1:]), leaf=chain[0])
    if result.returncode != 0:
        raise Malformed(result.stderr.decode("utf-8", "replace").strip().replace("\n", "; "))


def runtime_digest(event, payload):
    """Digest of a dstack runtime event, first version."""
    name = event.encode("utf-8")
    return sha384(RUNTIME_EVENT.to_bytes(4, "little") + b":" + name + b":" + payload)


def read_event_log(text):
    """Entries of the log with `payload` in bytes; refuses what could hide an event."""
    entries = []
    for raw in read_json(text):
        imr, event = raw["imr"], raw["event"]
        if not isinstance(imr, int) or isinstance(imr, bool) or not 0 <= imr <= 3:
            raise Malformed("imr outside 0 to 3")
        if imr != 3:
            continue
        if raw["event_type"] != RUNTIME_EVENT or raw.get("version", 1) != 1:
            raise Malformed("an RTMR3 entry that is no runtime event of version 1")
        payload = unhex(raw["event_payload"])
        own = runtime_digest(event, payload)
        if raw["digest"] not in ("", own.hex()):
            raise Malformed(f"the digest of {event!r} is not that of its payload")
        entries.append({"event": event, "payload": payload, "digest": own})
    return entries


def replay(entries):
    register = bytes(48)
    for entry in entries:
        register = sha384(register + entry["digest"])
    return register


def system_event(entries, name):
    """Payload of the one event of that name before `system-ready`: later ones are the app's."""
    found = []
    for entry in entries:
        if entry["event"] == "system-ready":
            break
        if entry["event"] == name:
            found.append(entry["payload"])
    if len(found) != 1:
        raise Malformed(f"{len(found)} {name} events before system-ready")
    return found[0]


def spdm_nonce(report):
    """Nonce of the GET_MEASUREMENTS request that opens an SPDM report (DSP0274): bytes 4 to 36."""
    if len(report) < 36:
        raise Malformed("the report ends early")
    if report[1] != 0xE0:
        raise Malformed("not a GET_MEASUREMENTS request")
    return report[4:36]
