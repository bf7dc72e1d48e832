"""Judges a document of a machine of TAPP in its own words: python3 check_document.py < document.json

Made from the formats alone, as generate.py: prints a JSON list of what does not hold. Signatures are not its work, nor what a compose text
in YAML stands for: the compose text of the document has to be JSON.
"""

import base64
import hashlib
import json
import struct
import sys

BODY = 48


def events_of(log):
    at = 28
    (size,) = struct.unpack_from("<I", log, at)
    at += 4 + size
    while log[at:] not in (b"", b"\xff" * 8):
        index, kind, count = struct.unpack_from("<III", log, at)
        at += 12
        digest = None
        for _ in range(count):
            (algorithm,) = struct.unpack_from("<H", log, at)
            length = {0x4: 20, 0xB: 32, 0xC: 48, 0xD: 64, 0x12: 32}[algorithm]
            if algorithm == 0xC:
                digest = log[at + 2 : at + 50]
            at += 2 + length
        (size,) = struct.unpack_from("<I", log, at)
        data = log[at + 4 : at + 4 + size]
        at += 4 + size
        yield index, kind, digest, data


def judge(document):
    wrong = []
    evidence = document["evidence"]
    quote = bytes.fromhex(evidence["quote"])
    runtime = base64.b64decode(evidence["tapp"]["runtime_data"])
    if quote[BODY + 520 : BODY + 584] != hashlib.sha512(runtime).digest():
        wrong.append("report_data")
    if len(bytes.fromhex(json.loads(runtime)["nonce"][2:])) != 64:
        wrong.append("nonce")
    registers = [bytes(48)] * 4
    started = None
    for index, kind, digest, data in events_of(base64.b64decode(evidence["event_log"])):
        if kind == 3:
            continue
        registers[index - 1] = hashlib.sha384(registers[index - 1] + digest).digest()
        if index != 4:
            continue
        if hashlib.sha384(data).digest() != digest:
            wrong.append("digest")
        text = data[8:].decode()
        if text.startswith("tapp.0g.com start_app "):
            payload = json.loads(text.split(" ", 2)[2])
            if payload["app_id"] == evidence["tapp"]["app_id"] and payload["result"] == "success":
                started = payload
        if text.startswith("tapp.0g.com stop_app "):
            started = None
    for number, register in enumerate(registers):
        if quote[BODY + 328 + 48 * number :][:48] != register:
            wrong.append(f"rtmr{number}")
    values = json.loads(evidence["app_compose"])
    form = json.dumps(values, sort_keys=True, indent=2, ensure_ascii=False)
    if started is None or started["compose_hash"] != hashlib.sha384(form.encode()).hexdigest():
        wrong.append("compose_hash")
    return wrong


if __name__ == "__main__":
    print(json.dumps(judge(json.load(sys.stdin))))
