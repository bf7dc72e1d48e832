"""Writes corpus.json: what a machine of TAPP may show, good and bent, with the code that each must end in.

Nothing here is shared with the verifier: logs, digests, registers and compose hashes are put together from the formats alone (TCG PC
Client Platform Firmware Profile 1.05 section 10.2; guest-components 0.15, eventlog/tcg2.rs; 0g-tapp, boot/measurement.rs and
report_data.rs), in Python's standard library. `generate.py --check` compares instead of writing. SIMULATED throughout.
"""

import base64
import hashlib
import json
import os
import struct
import sys

sys.dont_write_bytecode = True
from personal_sign import address, personal_sign  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.path.join(HERE, "corpus.json")
END = b"\xff" * 8
AAEL = 0x4141454C
APP = "sim-countersign"
SHA384 = 0xC


def sha384(data):
    return hashlib.sha384(data).digest()


def le32(value):
    return struct.pack("<I", value)


# Compose texts beside the values that they stand for: the normal form is written from the values.
IMAGE = "ghcr.io/example/countersign@sha256:" + "11" * 32
COMPOSE = f"""services:
  countersign:
    image: {IMAGE}
    command: ["serve", "--no-gpu"]
    cpus: 0.5
    read_only: true
"""
VALUES = {
    "services": {
        "countersign": {
            "image": IMAGE,
            "command": ["serve", "--no-gpu"],
            "cpus": 0.5,
            "read_only": True,
        }
    }
}
OTHER_VALUES = {"services": {"miner": {"image": "miner"}}}


def normal_form(values):
    return json.dumps(values, sort_keys=True, indent=2, ensure_ascii=False)


def compose_hash(values):
    return hashlib.sha384(normal_form(values).encode()).hexdigest()


def header(banks=((SHA384, 48),), signature=b"Spec ID Event03\0", sha1=bytes(20), extra=b"", size=None):
    event = signature + le32(0) + bytes((0, 2, 0, 2)) + le32(len(banks))
    for algorithm, length in banks:
        event += struct.pack("<HH", algorithm, length)
    event += b"\0" + extra
    return le32(0) + le32(3) + sha1 + le32(len(event) if size is None else size) + event


class Event:
    """One TCG_PCR_EVENT2; `extends` is where the machine really extended it, whatever index it says."""

    def __init__(self, index, kind, data, digest=None, extends=None):
        self.index = index
        self.kind = kind
        self.data = data
        self.digest = sha384(data) if digest is None else digest
        self.extends = (index if extends is None else extends) - 1

    def encode(self, digests=None, size=None, count=None):
        digests = [(SHA384, self.digest)] if digests is None else digests
        out = le32(self.index) + le32(self.kind) + le32(len(digests) if count is None else count)
        for algorithm, value in digests:
            out += struct.pack("<H", algorithm) + value
        return out + le32(len(self.data) if size is None else size) + self.data


def entry(text, index=4, extends=4, data=None):
    raw = text if isinstance(text, bytes) else text.encode()
    tagged = le32(AAEL) + le32(len(raw)) + raw if data is None else data
    return Event(index, 6, tagged, extends=extends)


def operation(name, payload):
    text = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))
    return entry(f"tapp.0g.com {name} {text}")


def start(app=APP, values=None, result="success", files=None, images=None, **more):
    payload = {
        "app_id": app,
        "operation": "start_app",
        "result": result,
        "error": None if result == "success" else "SIMULATED",
        "compose_hash": compose_hash(VALUES if values is None else values),
        "volumes_hash": {} if files is None else files,
        "image_hash": ({"countersign": "sha256:" + "22" * 32} if images is None else images) if result == "success" else {},
        "deployer": "0x" + "00" * 20,
        "timestamp": 1795392000,
    }
    payload.update(more)
    return operation("start_app", payload)


def stop(app=APP, result="success"):
    return operation("stop_app", {"app_id": app, "operation": "stop_app", "result": result, "compose_hash": ""})


def claim(owner="0x" + "00" * 20):
    return operation("claim_config", {"operation": "claim_config", "owner": owner, "kbs_node_urls": []})


BOOT = [
    Event(1, 0x8000000B, b"TD HOB"),
    Event(1, 0x80000001, b"SecureBoot", digest=sha384(b"a variable")),
    Event(2, 0x80000003, b"shimx64.efi", digest=sha384(b"shim")),
    Event(2, 0x80000003, b"grubx64.efi", digest=sha384(b"grub")),
    Event(3, 0x0000000D, b"/vmlinuz\0", digest=sha384(b"kernel")),
    Event(3, 0x0000000D, b"/initrd\0", digest=sha384(b"initrd")),
    Event(3, 0x00000006, le32(0x8F3B22ED) + le32(4) + b"root"),
]
PLAIN = BOOT + [claim(), start()]


def registers(events):
    rtmrs = [bytes(48)] * 4
    for event in events:
        if event.kind != 3:
            rtmrs[event.extends] = sha384(rtmrs[event.extends] + event.digest)
    return rtmrs


def log(events, head=None, end=END):
    return (header() if head is None else head) + b"".join(event.encode() for event in events) + end


NONCE = hashlib.sha512(b"SIMULATED statement").digest()
SECRET = int.from_bytes(hashlib.sha256(b"SIMULATED key of the app").digest(), "big")
SIGNER = address(SECRET)


def statement_text(digest=NONCE):
    return "countersign.tapp_statement.v1:" + digest.hex()


SIGNATURE = personal_sign(SECRET, statement_text())
SAID = {"nonce": "0x" + NONCE.hex(), "signer": SIGNER}


def said(changes=None, drop=()):
    members = {**SAID, **(changes or {})}
    return json.dumps({k: v for k, v in members.items() if k not in drop}, separators=(",", ":")).encode()


CASES = []


def case(name, expected=None, events=None, raw=None, measured=None, runtime=None, report=None, compose=COMPOSE, policy=None, app=APP, signature=SIGNATURE):
    """`raw` replaces the log; `measured` are the events whose registers the quote carries."""
    events = PLAIN if events is None else events
    runtime = said() if runtime is None else runtime
    rtmrs = registers(events if measured is None else measured)
    CASES.append(
        {
            "id": name,
            "expected": expected or {},
            "event_log": base64.b64encode(log(events) if raw is None else raw).decode(),
            "rtmrs": [value.hex() for value in rtmrs],
            "runtime_data": base64.b64encode(runtime).decode(),
            "report_data": (hashlib.sha512(runtime).digest() if report is None else report).hex(),
            "signature": signature,
            "app_id": app,
            "app_compose": compose,
            "policy": policy or {},
        }
    )


def runtime_cases():
    bad = {"tapp.runtime_data": "runtime_data_malformed"}
    case("runtime-tls-key", runtime=said({"tls_public_key": "0x" + "cd" * 32}))
    case("runtime-swapped", {"tapp.runtime_data": "runtime_data_mismatch"}, report=hashlib.sha512(b"another").digest())
    case("runtime-written-anew", {"tapp.runtime_data": "runtime_data_mismatch"}, runtime=json.dumps(SAID, indent=1).encode(), report=hashlib.sha512(said()).digest())
    case("runtime-zero-report", {"tapp.runtime_data": "runtime_data_mismatch"}, report=bytes(64))
    case("runtime-no-nonce", {"tapp.runtime_data": "runtime_data_nonce_missing"}, runtime=said(drop=("nonce",)))
    missing = {"tapp.signature": "tapp_signature_missing"}
    invalid = {"tapp.signature": "tapp_signature_invalid"}
    case("signature-missing", missing, signature=None)
    for name, signature in (
        ("of-another-key", personal_sign(SECRET + 1, statement_text())),
        ("of-another-statement", personal_sign(SECRET, statement_text(hashlib.sha512(b"another").digest()))),
        ("without-purpose", personal_sign(SECRET, NONCE.hex())),
        ("with-another-purpose", personal_sign(SECRET, "countersign.start.v1:" + NONCE.hex())),
        ("with-a-high-s", personal_sign(SECRET, statement_text(), high=True)),
        ("in-capitals", "0x" + SIGNATURE[2:].upper()),
        ("without-prefix", SIGNATURE[2:]),
        ("too-short", SIGNATURE[:-2]),
        ("of-recovery-id-0", SIGNATURE[:-2] + f"{int(SIGNATURE[-2:], 16) - 27:02x}"),
        ("of-the-other-recovery-id", SIGNATURE[:-2] + f"{55 - int(SIGNATURE[-2:], 16):02x}"),
        ("of-zeros", "0x" + "00" * 64 + "1b"),
        ("empty", ""),
    ):
        case(f"signature-{name}", invalid, signature=signature)
    case("signature-of-another-app", invalid, runtime=said({"signer": "0x" + "ab" * 20}))
    for name, runtime in (
        ("upper-case", said({"nonce": "0x" + NONCE.hex().upper()})),
        ("odd-hex", said({"nonce": SAID["nonce"][:-1]})),
        ("no-prefix", said({"nonce": NONCE.hex()})),
        ("upper-prefix", said({"nonce": "0X" + NONCE.hex()})),
        ("empty-nonce", said({"nonce": ""})),
        ("empty-hex", said({"nonce": "0x"})),
        ("nonce-of-65-bytes", said({"nonce": "0x" + NONCE.hex() + "00"})),
        ("nonce-null", said({"nonce": None})),
        ("nonce-number", said({"nonce": 7})),
        ("no-signer", said(drop=("signer",))),
        ("short-signer", said({"signer": "0x" + "ab" * 19})),
        ("signer-in-capitals", said({"signer": "0x" + SIGNER[2:].upper()})),
        ("short-tls-key", said({"tls_public_key": "0x" + "cd" * 31})),
        ("one-member-more", said({"role": "admin"})),
        ("nonce-twice", said()[:-1] + b',"nonce":"0x' + NONCE.hex().encode() + b'"}'),
        ("a-list", b"[]"),
        ("no-json", b"nonce"),
        ("empty", b""),
        ("byte-order-mark", b"\xef\xbb\xbf" + said()),
        ("not-utf8", said() + b"\xff"),
        ("over-1024-bytes", said() + b" " * 1024),
    ):
        case(f"runtime-{name}", bad, runtime=runtime)


def log_cases():
    malformed = {"eventlog.structure": "tcg2_log_malformed"}
    unsupported = {"eventlog.structure": "tcg2_log_unsupported"}
    rtmr3 = {"eventlog.rtmr3": "rtmr_mismatch"}
    whole = log(PLAIN)
    case("plain")
    case("log-without-end-mark", raw=log(PLAIN, end=b""))
    case("log-of-two-banks", raw=header(((0xB, 32), (SHA384, 48))) + b"".join(e.encode([(0xB, bytes(32)), (SHA384, e.digest)]) for e in PLAIN) + END)
    case("log-with-startup-locality", events=[Event(1, 3, b"StartupLocality\0\0", digest=bytes(48))] + PLAIN)
    case("log-entry-recovered-after-a-crash", events=BOOT + [entry("tapp.0g.com docker_login {}", index=1, extends=4), start()])
    case("log-entries-of-cryptpilot", events=BOOT + [entry("cryptpilot.alibabacloud.com initrd_switch_root {}"), start()])
    for name, raw in (
        ("empty", b""),
        ("end-mark-alone", END),
        ("trailing-byte", whole + b"\0"),
        ("trailing-zeros", whole + bytes(64)),
        ("two-end-marks", whole + END),
        ("half-an-end-mark", whole[:-4]),
        ("cut-in-the-header", whole[:20]),
        ("cut-in-an-event", whole[:200]),
        ("event-after-the-end", whole + PLAIN[-1].encode()),
        ("first-event-not-the-header", whole[len(header()) :]),
        ("header-digest", log(PLAIN, head=header(sha1=b"\1" * 20))),
        ("header-longer-than-said", log(PLAIN, head=header(extra=b"\0"))),
        ("header-size-lies", log(PLAIN, head=header(size=0xFFFFFFFF))),
        ("header-without-banks", log(PLAIN, head=header(banks=()))),
        ("header-bank-twice", log(PLAIN, head=header(banks=((SHA384, 48), (SHA384, 48))))),
        ("header-bank-size-lies", log(PLAIN, head=header(banks=((SHA384, 32),)))),
        ("event-size-lies", header() + PLAIN[0].encode(size=7) + log(PLAIN[1:])[len(header()) :]),
        ("event-size-at-the-limit-of-its-type", header() + PLAIN[0].encode(size=0xFFFFFFFF) + END),
        ("event-over-256-kib", header() + Event(1, 0xD, bytes(256 * 1024 + 1)).encode(size=256 * 1024 + 1)[:400] + END),
        ("digest-count-lies", header() + PLAIN[0].encode(count=0xFFFFFFFF) + END),
        ("no-digest", header() + PLAIN[0].encode(digests=[]) + log(PLAIN[1:])[len(header()) :]),
        ("digest-twice", header(((0xB, 32), (SHA384, 48))) + PLAIN[0].encode([(SHA384, PLAIN[0].digest)] * 2) + END),
        ("digest-of-an-undeclared-bank", header() + PLAIN[0].encode([(0xB, bytes(32))]) + END),
        ("digest-of-an-unknown-algorithm", header() + PLAIN[0].encode([(0x99, bytes(48))]) + END),
        ("no-sha384-digest", header(((0xB, 32), (SHA384, 48))) + PLAIN[0].encode([(0xB, bytes(32))]) + END),
        ("register-that-does-not-exist", header() + Event(5, 0xD, b"x", extends=1).encode() + END),
    ):
        case(f"log-{name}", malformed, raw=raw)
    case("log-without-firmware", unsupported, raw=log(PLAIN, head=header(signature=bytes(16))))
    case("log-unknown-bank", unsupported, raw=log(PLAIN, head=header(banks=((0x99, 48), (SHA384, 48)))))
    case("log-without-sha384-bank", unsupported, raw=log([], head=header(banks=((0xB, 32),))))
    case("log-event-of-mrtd", unsupported, raw=log([Event(0, 0xD, b"x", extends=1)]))

    case("log-of-boot-alone", rtmr3, events=BOOT, measured=PLAIN)
    case("log-entry-dropped", rtmr3, events=BOOT + [start()], measured=PLAIN)
    case("log-entry-added", rtmr3, events=PLAIN + [claim()], measured=PLAIN)
    case("log-entries-reordered", rtmr3, events=BOOT + [start(), claim()], measured=PLAIN)
    case("log-entry-repeated", rtmr3, events=PLAIN + [PLAIN[-1]], measured=PLAIN)
    case("log-entry-written-anew", rtmr3, events=BOOT + [claim(), start(images={"countersign": "sha256:" + "33" * 32})], measured=PLAIN)
    case("log-text-swapped-under-its-digest", {"eventlog.digests": "event_digest_mismatch"}, events=BOOT + [claim(), Event(4, 6, start(values=OTHER_VALUES).data, digest=start().digest)], measured=PLAIN)
    case("log-boot-event-dropped", {"eventlog.rtmr1": "rtmr_mismatch"}, events=[e for e in PLAIN if e.data != b"shimx64.efi"], measured=PLAIN)
    case("log-boot-events-reordered", {"eventlog.rtmr2": "rtmr_mismatch"}, events=BOOT[:4] + [BOOT[5], BOOT[4]] + PLAIN[6:], measured=PLAIN)
    case("log-boot-event-moved", {"eventlog.rtmr0": "rtmr_mismatch", "eventlog.rtmr1": "rtmr_mismatch"}, events=[Event(2, BOOT[0].kind, BOOT[0].data)] + PLAIN[1:], measured=PLAIN)
    case("log-boot-event-called-no-action", {"eventlog.rtmr0": "rtmr_mismatch"}, events=[Event(1, 3, BOOT[0].data)] + PLAIN[1:], measured=PLAIN)
    case("log-entry-of-another-register", {"eventlog.rtmr1": "rtmr_mismatch", "eventlog.rtmr3": "rtmr_mismatch"}, events=BOOT + [Event(2, 6, claim().data), start()], measured=PLAIN)
    opaque = {"eventlog.digests": "tapp_event_opaque"}
    hidden = stop()
    case("log-stop-hidden-as-a-firmware-event", opaque, events=PLAIN + [Event(4, 0xD, b"/vmlinuz\0", digest=hidden.digest)], measured=PLAIN + [hidden])
    case("log-stop-hidden-behind-another-tag", opaque, events=PLAIN + [Event(4, 6, le32(1) + hidden.data[4:], digest=hidden.digest)], measured=PLAIN + [hidden])
    case("log-stop-hidden-as-no-action", rtmr3, events=PLAIN + [Event(4, 3, hidden.data)], measured=PLAIN + [hidden])
    for name, data in (
        ("length-lies", le32(AAEL) + le32(3) + b"a b c"),
        ("length-over-the-end", le32(AAEL) + le32(0xFFFFFFFF) + b"a b c"),
        ("cut-in-its-head", le32(AAEL) + b"\0\0"),
        ("without-content", le32(AAEL) + le32(3) + b"a b"),
        ("without-domain", le32(AAEL) + le32(4) + b" b c"),
        ("without-operation", le32(AAEL) + le32(4) + b"a  c"),
        ("not-utf8", le32(AAEL) + le32(5) + b"a b \xff"),
        ("of-two-lines", le32(AAEL) + le32(7) + b"a b c\nd"),
    ):
        case(f"log-entry-{name}", opaque, events=PLAIN + [entry("", data=data)])


def app_cases():
    found = "eventlog.system_events"
    other = {"tapp.other_apps": "tapp_other_app"}
    changed = COMPOSE.replace("--no-gpu", "--no-gpus")
    files = {"./.env": hashlib.sha384(b"A=1").hexdigest()}
    pinned = {"mountFiles": [{"path": "./.env", "sha384": files["./.env"]}]}
    case("app-stopped-and-started", events=PLAIN + [stop(), start()])
    case("app-failed-then-started", events=BOOT + [start(result="failed"), start()])
    case("app-stop-that-failed", events=PLAIN + [stop(result="failed")])
    case("app-keys-and-logins", events=PLAIN + [operation("get_app_secret_key", {}), operation("docker_login", "not even JSON")])
    case("app-service-started-anew", events=PLAIN + [operation("start_service", {"app_id": APP, "result": "success", "image_hash": {"countersign": "sha256:" + "22" * 32}})])
    case("app-trust-anchors-revised", events=PLAIN + [operation("update_trust_anchors", {"scan_url": "https://example.org", "kbs_node_urls": []})])
    case("app-spelt-otherwise", compose=COMPOSE.replace('"serve"', "'serve'") + "# a comment\n")
    case("app-files-pinned", events=BOOT + [start(files=files)], policy=pinned)
    case("app-images-pinned", policy={"images": ["sha256:" + "22" * 32]})
    case("app-id-pinned", policy={"appIds": [APP]})
    case("app-other-allowed", events=PLAIN + [start(app="other", values=OTHER_VALUES)], policy={"allowOtherApps": True})

    case("app-never-started", {found: "tapp_app_not_started"}, events=BOOT + [claim()])
    case("app-of-another-id", {found: "tapp_app_not_started"}, events=BOOT + [start(app="other")])
    case("app-id-in-other-letters", {found: "tapp_app_not_started"}, app="SIM-countersign")
    case("app-failed", {found: "tapp_app_not_started"}, events=BOOT + [start(result="failed")])
    case("app-stopped", {found: "tapp_app_stopped"}, events=PLAIN + [stop()])
    case("app-stopped-and-failed-to-start", {found: "tapp_app_stopped"}, events=PLAIN + [stop(), start(result="failed")])
    case("app-started-twice", {found: "tapp_app_started_twice"}, events=PLAIN + [start()])
    case("app-started-by-another-domain", {found: "tapp_app_not_started"}, events=BOOT + [entry("tapp.0g.com.example.org start_app " + start().data[8 + len("tapp.0g.com start_app ") :].decode())])
    case("app-operation-unknown", {found: "tapp_operation_unknown"}, events=PLAIN + [operation("replace_app", {})])
    case("app-operation-in-capitals", {found: "tapp_operation_unknown"}, events=PLAIN + [operation("Stop_App", {"app_id": APP, "result": "success"})])
    for name, event in (
        ("is-no-json", operation("start_app", "{")),
        ("is-a-list", operation("start_app", [])),
        ("could-not-be-written", operation("start_app", {"error": "Failed to serialize"})),
        ("says-a-member-twice", operation("start_app", start().data[8 + len("tapp.0g.com start_app ") : -1].decode() + ',"app_id":"other"}')),
        ("is-another-operation", start(operation="stop_app")),
        ("has-another-result", start(result="ok")),
        ("has-no-app-id", start(app_id=None)),
        ("has-a-short-compose-hash", start(compose_hash="00" * 32)),
        ("has-a-compose-hash-in-capitals", start(compose_hash=compose_hash(VALUES).upper())),
        ("has-files-as-a-text", start(volumes_hash="")),
        ("has-a-file-without-digest", start(volumes_hash={"./.env": ""})),
        ("has-no-images", start(image_hash=None)),
    ):
        case(f"app-start-that-{name}", {found: "tapp_event_malformed"}, events=BOOT + [event])
    case("app-stop-without-a-result", {found: "tapp_event_malformed"}, events=PLAIN + [operation("stop_app", {"app_id": APP})])

    case("app-compose-changed-by-a-byte", {"compose.hash": "compose_hash_mismatch"}, compose=changed)
    case("app-compose-not-there", {"compose.hash": "compose_ambiguous"}, compose="")
    case("app-compose-ambiguous", {"compose.hash": "compose_ambiguous"}, compose=COMPOSE + "x: 0755\n")
    service = lambda image="33", app=APP, result="success": operation("start_service", {"app_id": app, "result": result, "image_hash": {"countersign": "sha256:" + image * 32}})
    swapped = {"tapp.images": "images_changed"}
    case("app-service-that-failed-of-the-same-image", events=PLAIN + [service("22", result="failed")])
    case("app-service-swapped-then-started-anew", swapped, events=PLAIN + [service(), stop(), start()])
    case("app-service-swapped-while-stopped", swapped, events=PLAIN + [stop(), service(), start()])
    case("app-service-swapped-before-its-start", swapped, events=BOOT + [service(), start()])
    case("app-service-swapped-and-failed", swapped, events=PLAIN + [service(result="failed")])
    case("app-other-service", other, events=PLAIN + [service("22", app="other")])
    case("app-other-stopped-that-never-started", other, events=PLAIN + [stop(app="other")])
    case("app-stopped-before-it-was-started", other, events=BOOT + [stop(), start()])
    tagged = COMPOSE.replace(IMAGE, "ghcr.io/example/countersign:1")
    tags = {"services": {"countersign": {**VALUES["services"]["countersign"], "image": "ghcr.io/example/countersign:1"}}}
    case("app-with-a-tag", compose=tagged, events=BOOT + [start(values=tags)])
    case("app-with-a-tag-failed-then-started", other, compose=tagged, events=BOOT + [start(values=tags, result="failed"), start(values=tags)])
    case("app-with-a-tag-service-failed", swapped, compose=tagged, events=BOOT + [start(values=tags), service("22", result="failed")])
    case("app-second", other, events=PLAIN + [start(app="other", values=OTHER_VALUES)])
    case("app-second-that-was-stopped", other, events=BOOT + [start(app="other", values=OTHER_VALUES), stop(app="other"), start()])
    case("app-second-that-failed", other, events=PLAIN + [start(app="other", values=OTHER_VALUES, result="failed")])
    case("app-second-of-the-same-software", other, events=PLAIN + [start(app="other")])
    case("app-ran-other-software-before", other, events=BOOT + [start(values=OTHER_VALUES), stop(), start()])
    case("app-ran-other-images-before", other, events=BOOT + [start(images={"countersign": "sha256:" + "33" * 32}), stop(), start()])
    case("app-ran-other-files-before", other, events=BOOT + [start(files=files), stop(), start()])
    case("app-service-of-another-image", swapped, events=PLAIN + [service()])
    case("app-file-not-accepted", {"tapp.files": "mount_files_not_accepted"}, events=BOOT + [start(files={"./.env": "00" * 48})], policy=pinned)
    case("app-file-at-another-path", {"tapp.files": "mount_files_not_accepted"}, events=BOOT + [start(files={"./env": files["./.env"]})], policy=pinned)
    case("app-image-not-accepted", {"tapp.images": "images_not_accepted"}, policy={"images": ["sha256:" + "33" * 32]})
    case("app-no-image-where-one-is-pinned", {"tapp.images": "images_not_accepted"}, events=BOOT + [start(images={})], policy={"images": ["sha256:" + "22" * 32]})
    case("app-id-not-accepted", {"app.id": "app_not_accepted"}, policy={"appIds": ["countersign"]})
    case("app-of-two-owners", {"tapp.claim": "tapp_owner_ambiguous"}, events=PLAIN + [claim("0x" + "11" * 20)])


def main():
    log_cases()
    app_cases()
    runtime_cases()
    corpus = {
        "note": "SIMULATED: no hardware vouches for any of it. Written by generate.py.",
        "nonce": NONCE.hex(),
        "cases": CASES,
    }
    text = json.dumps(corpus, indent=1) + "\n"
    if sys.argv[1:] == ["--check"]:
        with open(TARGET, encoding="ascii") as file:
            return 0 if file.read() == text else 1
    with open(TARGET, "w", encoding="ascii") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
