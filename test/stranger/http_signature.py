"""HTTP message signatures (RFC 9421) of answers, from that text alone; Python's standard library, openssl for Ed25519.

Of structured fields only the subset is read that the service writes: one member, an inner list of strings with at most the
parameter `req`, parameters that are integers or strings.

    http_signature.py < questions.json > answers.json
"""

import base64
import hashlib
import json
import re
import sys

from curves import ed25519_verify

MEMBER = re.compile(r'([a-z*][a-z0-9_.*-]*)=(\(([^()]*)\)((?:;[a-z*][a-z0-9_.*-]*(?:=(?:-?\d+|"(?:[^"\\]|\\["\\])*"))?)*))')
COMPONENT = re.compile(r'"([^"]+)"((?:;req)?)')
PARAMETER = re.compile(r';([a-z*][a-z0-9_.*-]*)=(?:(-?\d+)|"((?:[^"\\]|\\["\\])*)")')
BYTES = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):")


def value_of(name, of_request, request, response):
    message = request if of_request else response
    if name == "@status" and not of_request:
        return str(response["status"])
    if name == "@method" and of_request:
        return request["method"]
    if name == "@path" and of_request:
        return request["target"].split("?")[0]
    return message["headers"][name].strip()


def check(question):
    """What is wrong with an answer; nothing where all holds."""
    request, response = question["request"], question["response"]
    headers = response["headers"]
    body = base64.b64decode(response["body"])
    member = MEMBER.fullmatch(headers["signature-input"])
    if member is None:
        return ["signature-input"]
    label, whole, components, parameters = member.groups()
    lines = []
    for name, of_request in COMPONENT.findall(components):
        lines.append(f'"{name}"{of_request}: {value_of(name, bool(of_request), request, response)}')
    lines.append(f'"@signature-params": {whole}')
    signature = BYTES.fullmatch(headers["signature"])
    wrong = []
    if signature is None or signature[1] != label:
        return ["signature"]
    key = bytes.fromhex(question["key"])
    if not ed25519_verify(key, "\n".join(lines).encode("ascii"), base64.b64decode(signature[2])):
        wrong.append("not signed")
    stated = {name: text.replace("\\", "") for name, _, text in PARAMETER.findall(parameters)}
    for name, value in question["parameters"].items():
        if stated.get(name) != value:
            wrong.append(name)
    digest = BYTES.fullmatch(headers["content-digest"])
    if digest is None or base64.b64decode(digest[2]) != hashlib.sha256(body).digest():
        wrong.append("content-digest")
    return wrong


json.dump([check(question) for question in json.load(sys.stdin)], sys.stdout)
