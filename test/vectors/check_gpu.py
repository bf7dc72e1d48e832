"""Checks vectors of GPU evidence with Python's standard library and the openssl command alone.

Written from DMTF DSP0274 1.1, NVIDIA's report format, Canonical XML 1.1, RFC 6960 and RFC 7515, and sharing nothing with the
generator: so generator and appraiser cannot agree on a mistake of both. Prints one JSON object with what it found.

    python3 check_gpu.py FOLDER ID...
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
import time
import xml.parsers.expat

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.S)
DICE = bytes.fromhex("060667810505 0401".replace(" ", ""))
XMLDSIG = "http://www.w3.org/2000/09/xmldsig#"
BLOCKS = {"HOPPER": 64, "LS10": 31}
NVDEC = 35


def openssl(work, *args):
    """Exit status and both outputs of one openssl command."""
    run = subprocess.run(["openssl", *args], cwd=work, capture_output=True, timeout=30)
    return run.returncode == 0, run.stdout, run.stderr


def der_integer(number):
    digits = number.lstrip(b"\0") or b"\0"
    if digits[0] >= 0x80:
        digits = b"\0" + digits
    return b"\x02" + bytes([len(digits)]) + digits


@functools.lru_cache(maxsize=None)
def verifies(work, key_pem, signature, message):
    """ECDSA with SHA-384; signature is r and s, 48 bytes each."""
    if len(signature) != 96 or not key_pem:
        return False
    body = der_integer(signature[:48]) + der_integer(signature[48:])
    (work / "key.pem").write_bytes(key_pem)
    (work / "signature").write_bytes(b"\x30" + bytes([len(body)]) + body)
    (work / "message").write_bytes(message)
    return openssl(work, "dgst", "-sha384", "-verify", "key.pem", "-signature", "signature", "message")[0]


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
    # The simulated root has a critical extension on purpose, which openssl rightly does not know.
    return openssl(
        work, "verify", "-x509_strict", "-ignore_critical", "-attime", str(at),
        "-CAfile", "root.pem", "-untrusted", "middle.pem", "leaf.pem",
    )[0]  # fmt: skip


def der_of(pem):
    return base64.b64decode("".join(pem.splitlines()[1:-1]))


def pem_of(der):
    text = base64.b64encode(der).decode()
    lines = "\n".join(text[i : i + 64] for i in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----"


def members(der):
    """Content bytes of one DER value, split into whole inner values."""
    at, out = 0, []
    while at < len(der):
        size, head = der[at + 1], 2
        if size & 0x80:
            count = size & 0x7F
            size, head = int.from_bytes(der[at + 2 : at + 2 + count], "big"), 2 + count
        out.append((der[at], der[at + head : at + head + size], der[at : at + head + size]))
        at += head + size
    return out


def dice_of(leaf):
    """Device key and firmware identity that the attestation key was certified for."""
    at = leaf.find(DICE)
    assert at != -1, "no DICE extension"
    value = next(content for tag, content, _ in members(leaf[at : at + 600])[1:] if tag == 4)
    _, device_key, fwid = members(members(value)[0][1])
    return device_key[2], members(fwid[1])[1][1]


def read_report(report):
    """Every part by its offset; raises where the parts do not add up."""
    assert report[:4] == bytes.fromhex("11e001ff") and report[36] == 0, "request"
    assert report[37:41] == bytes.fromhex("11600000"), "response"
    count, length = report[41], int.from_bytes(report[42:45], "little")
    assert length == 55 * count, "record"
    values = []
    for index in range(count):
        block = report[45 + 55 * index : 100 + 55 * index]
        assert block[:7] == bytes([index + 1, 1, 51, 0, 1, 48, 0]), "block"
        values.append(block[7:])
    end = 45 + length + 34
    (opaque_length,) = struct.unpack_from("<H", report, end - 2)
    assert len(report) == end + opaque_length + 96, "opaque length"
    opaque, fields, at = report[end:-96], {}, 0
    assert not opaque.startswith(b"NVDAOD"), "format"
    while at < len(opaque):
        kind, size = struct.unpack_from("<HH", opaque, at)
        assert kind not in fields and at + 4 + size <= len(opaque), "field"
        fields[kind] = opaque[at + 4 : at + 4 + size]
        at += 4 + size
    return {"nonce": report[4:36], "values": values, "fields": fields}


def text_of(field):
    return field.rstrip(b"\0").decode()


def vbios_of(field):
    if len(field) != 8:
        return text_of(field).upper()
    digits = field[::-1].hex().upper()
    joined = digits[8:16] + digits[6:8]
    return ".".join(joined[i : i + 2] for i in range(0, 10, 2))


def canonical(text, start=None, without=None):
    """Canonical XML 1.1 from the element `start` on, without the elements `without`; both by their names as written."""
    out, scopes, skipping, depth = [], [{}], 0, 0
    written = [{}]
    parser = xml.parsers.expat.ParserCreate()
    parser.ordered_attributes = True

    def escape(value, attribute):
        for one, other in [("&", "&amp;"), ("<", "&lt;")]:
            value = value.replace(one, other)
        if not attribute:
            return value.replace(">", "&gt;").replace("\r", "&#xD;")
        for one, other in [('"', "&quot;"), ("\t", "&#x9;"), ("\n", "&#xA;"), ("\r", "&#xD;")]:
            value = value.replace(one, other)
        return value

    def opened(name, given):
        nonlocal skipping, depth
        pairs = list(zip(given[::2], given[1::2]))
        scope = dict(scopes[-1])
        for attribute, value in pairs:
            if attribute == "xmlns" or attribute.startswith("xmlns:"):
                scope[attribute[6:]] = value
        scopes.append(scope)
        if skipping or name == without:
            skipping += 1
            return
        if not depth and start is not None and name != start:
            return
        depth += 1
        fresh = sorted((p, uri) for p, uri in scope.items() if written[-1].get(p) != uri)
        written.append(scope)
        own = [p for p in pairs if p[0] != "xmlns" and not p[0].startswith("xmlns:")]

        def order(pair):
            prefix, _, local = pair[0].rpartition(":")
            return (scope[prefix] if prefix else "", local)

        out.append("<" + name)
        out.extend(f' xmlns{":" + p if p else ""}="{escape(uri, True)}"' for p, uri in fresh)
        out.extend(f' {n}="{escape(v, True)}"' for n, v in sorted(own, key=order))
        out.append(">")

    def closed(name):
        nonlocal skipping, depth
        scopes.pop()
        if skipping:
            skipping -= 1
        elif depth:
            depth -= 1
            written.pop()
            out.append(f"</{name}>")

    def data(value):
        if depth and not skipping:
            out.append(escape(value, False))

    parser.StartElementHandler, parser.EndElementHandler = opened, closed
    parser.CharacterDataHandler = data
    parser.Parse(text, True)
    return "".join(out).encode()


def check_rim(work, text, given, hold):
    """Digest, signature and certificates of a file in plain form; what it says, or None."""
    try:
        document, info = canonical(text, without="ds:Signature"), canonical(text, start="ds:SignedInfo")
    except (xml.parsers.expat.ExpatError, KeyError):
        hold("rim_form", False)
        return None
    found = lambda name: re.findall(rf"<ds:{name}>([^<]*)</ds:{name}>", text)  # noqa: E731
    digests, values, certificates = found("DigestValue"), found("SignatureValue"), found("X509Certificate")
    plain = len(digests) == len(values) == text.count("<ds:Signature ") == 1 and "<!" not in text
    hold("rim_form", plain and text.count(XMLDSIG + '"') == 1)
    if not plain:
        return None
    chain = tuple(pem_of(base64.b64decode(one)) for one in certificates)
    hold("rim_digest", base64.b64decode(digests[0]) == hashlib.sha384(document).digest())
    hold("rim_signature", verifies(work, key_of(work, chain[0]), base64.b64decode(values[0]), info))
    pinned = hashlib.sha256(der_of(chain[-1])).hexdigest() in given["policy"]["gpu"]["rimRoots"]
    grace = given["policy"]["gpu"].get("rimGraceS", 0)
    hold("rim_chain", pinned and len(chain) == 4 and chain_is_good(work, chain, given["at"] - grace))
    resources = re.findall(r"<ns0:Resource ([^>]*)/>", text)
    golden = {}
    for one in resources:
        attributes = dict(re.findall(r'([\w:]+)="([^"]*)"', one))
        if attributes["active"] == "True":
            values = [v.lower() for n, v in attributes.items() if n.startswith("ns2:Hash")]
            golden[int(attributes["index"])] = values
    return {
        "version": re.search(r'colloquialVersion="([^"]*)"', text)[1].upper(),
        "golden": golden,
        "chain": chain,
    }


def rim_names(device):
    fields = device["report"]["fields"]
    version = vbios_of(fields[6]).replace(".", "")
    if device["arch"] == "LS10":
        return [("NV_SWITCH_BIOS_5612_0002_890_" + version, vbios_of(fields[6]))]
    board = "_".join(text_of(fields.get(kind, b"")) for kind in (17, 18, 15))
    driver = text_of(fields[3])
    return [
        ("NV_GPU_DRIVER_GH100_" + driver, driver),
        (f"NV_GPU_VBIOS_{board}_{version}".upper(), vbios_of(fields[6])),
    ]


def compare(device, rims, allowed, hold):
    values, fields = device["report"]["values"], device["report"]["fields"]
    seen = set()
    for rim in rims:
        for index, golden in rim["golden"].items():
            hold("overlap", index not in seen)
            seen.add(index)
            if index in allowed or (index == NVDEC and fields.get(11) == b"\x55"):
                continue
            hold("measurements", index < len(values) and values[index].hex() in golden)


def moment(text):
    return int(time.mktime(time.strptime(text, "%b %d %H:%M:%S %Y GMT")) - time.timezone)


def check_ocsp(work, chain, given, hold):
    """Each certificate of `chain` but the last by the responses that name it."""
    policy = given["policy"]["gpu"]
    for certificate, issuer in zip(chain, chain[1:]):
        (work / "subject.pem").write_text(certificate + "\n")
        (work / "issuer.pem").write_text(issuer + "\n")
        for response in given["collateral"]["ocsp"]:
            (work / "response.der").write_bytes(base64.b64decode(response))
            for digest in ("-sha384", "-sha256", "-sha1"):
                good, out, err = openssl(
                    work, "ocsp", "-respin", "response.der", "-no_nonce", "-issuer", "issuer.pem",
                    digest, "-cert", "subject.pem", "-CAfile", "issuer.pem", "-partial_chain",
                    "-attime", str(given["at"]), "-validity_period", "999999999", "-ignore_critical",
                )  # fmt: skip
                text = (out + err).decode()
                said = re.search(r"subject.pem: (good|revoked|unknown)", text)
                if said:
                    break
            else:
                # About another certificate, or not to be read at all.
                hold("ocsp_form", "No Status found" in text)
                continue
            hold("ocsp_signature", "Response verify OK" in text)
            if said[1] == "revoked":
                held = "certificateHold" in text
                hold("ocsp_hold" if held else "ocsp_revoked", held and policy.get("allowHold", False))
            hold("ocsp_unknown", said[1] != "unknown")
            times = dict(re.findall(r"(This|Next) Update: (.*)", text))
            end = moment(times["Next"]) if "Next" in times else moment(times["This"]) + 3600
            hold("ocsp_window", moment(times["This"]) <= given["at"] + 300)
            hold("ocsp_window", given["at"] <= end + policy.get("ocspGraceS", 0))


def check_device(work, item, given, hold):
    try:
        report = base64.b64decode(item["evidence"], validate=True)
        device = {"arch": item.get("arch", "HOPPER"), "report": read_report(report)}
        chain = tuple(PEM.findall(base64.b64decode(item["certificate"], validate=True).decode()))
        dice = dice_of(der_of(chain[0]))
        identity = openssl_der(work, key_of(work, chain[1]))
    except (AssertionError, IndexError, struct.error, ValueError, StopIteration):
        hold("layout", False)
        return None
    fields = device["report"]["fields"]
    hold("nonce", device["report"]["nonce"].hex() == given["nonce"])
    root = hashlib.sha256(der_of(chain[-1])).hexdigest()
    hold("root", root in given["policy"]["nvidiaRoots"])
    hold("chain", len(chain) == 5 and chain_is_good(work, chain, given["at"]))
    hold("signature", verifies(work, key_of(work, chain[0]), report[-96:], report[:-96]))
    hold("device_key", dice[0] == identity)
    required = device["arch"] == "HOPPER" and given["policy"]["gpu"].get("requireFwid", True)
    hold("fwid", fields.get(20, None if required else dice[1]) == dice[1])
    hold("blocks", len(device["report"]["values"]) == BLOCKS.get(device["arch"]))
    serial = members(members(members(der_of(chain[1]))[0][1])[0][1])[1][1]
    return {**device, "chain": chain, "pdi": serial[-8:]}


def openssl_der(work, pem):
    (work / "public.pem").write_bytes(pem)
    return openssl(work, "pkey", "-pubin", "-in", "public.pem", "-outform", "DER")[1]


def check_board(devices, hold):
    """Whom each device is linked to, by what it signed and by what the others are certified as."""
    of = lambda arch: {d["pdi"] for d in devices if d["arch"] == arch}  # noqa: E731
    gpus, switches = of("HOPPER"), of("LS10")
    for device in devices:
        fields = device["report"]["fields"]
        linked = fields.get(22, b"")
        if device["arch"] == "LS10":
            hold("topology", linked == device["pdi"])
            named = fields.get(26, b"")[:64]
            hold("topology", {named[i : i + 8] for i in range(0, 64, 8)} == gpus)
        else:
            named = {linked[i : i + 8][::-1] for i in range(0, len(linked), 8)} - {bytes(8)}
            hold("topology", named == switches)


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def check_answer(work, given, hold):
    """Tokens of the remote attestation service."""
    answer, policy = given["nras"], given["policy"]["gpu"]
    try:
        (label, overall), tokens = answer
        keys = {key["kid"]: key for key in given["jwks"]["keys"]}
        claims = {}
        for name, token in [("overall", overall), *tokens.items()]:
            header, payload, signature = token.split(".")
            head = json.loads(decoded(header))
            hold("header", head["alg"] == "ES384" and set(head) <= {"alg", "kid", "typ"})
            key = keys.get(head["kid"])
            hold("key", key is not None)
            if key is None:
                return
            point = b"\x04" + decoded(key["x"]) + decoded(key["y"])
            spki = bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200") + point
            text = base64.encodebytes(spki).decode()
            pem = f"-----BEGIN PUBLIC KEY-----\n{text}-----END PUBLIC KEY-----\n".encode()
            signed = f"{header}.{payload}".encode()
            hold("token_signature", verifies(work, pem, decoded(signature), signed))
            claims[name] = json.loads(decoded(payload))
    except (ValueError, TypeError, KeyError):
        hold("form", False)
        return
    listed = claims["overall"].get("submods", {})
    hold("devices", bool(tokens) and set(listed) == set(tokens))
    for name, token in tokens.items():
        digest = ["DIGEST", ["SHA-256", hashlib.sha256(token.encode()).hexdigest()]]
        hold("digest", listed.get(name) == digest)
    skew = policy.get("nrasClockSkewS", 60)
    for one in claims.values():
        hold("token_nonce", one.get("eat_nonce") == given["nonce"])
        hold("issuer", one.get("iss") == policy["nrasIssuer"])
        begin, end = one.get("nbf"), one.get("exp")
        timed = isinstance(begin, int) and isinstance(end, int)
        hold("time", timed and begin <= given["at"] + skew and given["at"] < end + skew)
    hold("result", claims["overall"].get("x-nvidia-overall-att-result") is True)
    for name in tokens:
        bad = [n for n, v in claims[name].items() if v is False]
        good = claims[name].get("measres") == "success" and claims[name].get("dbgstat") == "disabled"
        hold("claims", good and not bad)
    hold("count", given.get("gpus") in (None, len(tokens)))


def check(work, given):
    """Names of the checks that fail, each once, in order."""
    failed = []

    def hold(name, good):
        if not good and name not in failed:
            failed.append(name)

    if "nras" in given:
        check_answer(work, given, hold)
        return failed
    evidence = given["evidence"]
    if isinstance(evidence, dict):
        evidence = evidence.get("evidence_list", evidence.get("evidences"))
    devices = [check_device(work, item, given, hold) for item in evidence]
    if None in devices:
        return failed
    hold("unique", len({d["pdi"] for d in devices}) == len(devices))
    gpus = [d for d in devices if d["arch"] == "HOPPER"]
    hold("count", given.get("gpus") in (None, len(gpus)))
    drivers = {d["report"]["fields"].get(3) for d in gpus}
    hold("uniform", len(drivers) <= 1)
    if len(devices) > len(gpus):
        check_board(devices, hold)
    collateral = given.get("collateral") or {"rims": [], "ocsp": []}
    files = {one["id"]: base64.b64decode(one["rim"]).decode() for one in collateral["rims"]}
    read = {}
    for device in devices:
        rims = []
        for name, version in rim_names(device) if files else []:
            if name not in files:
                continue
            if name not in read:
                read[name] = check_rim(work, files[name], given, hold)
            if read[name] is not None:
                hold("rim_version", read[name]["version"] == version)
                rims.append(read[name])
        compare(device, rims, given["policy"]["gpu"].get("allowedMismatches", []), hold)
        if collateral["ocsp"] and len(devices) == 1:
            check_ocsp(work, device["chain"][1:], given, hold)
            for rim in rims:
                check_ocsp(work, rim["chain"], given, hold)
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
