"""An answer as it arrived, to its content: protocol 1, 6.1 and 6.2.

Answers are read as a model server's clients read them, which is laxer than how our own documents are read: of a repeated name
the last one counts, and a text may hold half a surrogate pair, whose other half another event may bring. So texts are kept as
UTF-16 code units, one character each, until the answer is over.
"""

import base64
import json
import math
import re

from jcs import Malformed, units, whole
from kinds import content_of

NOTHING = {"content": None, "status": "none", "uncovered": [], "reasons": []}
ENDS = {"messages/v1": ("message_stop",),
        "responses/v1": ("response.completed", "response.incomplete", "response.failed")}


def read_answer(kind, form, data):
    """{"content", "status", "uncovered", "reasons"} of the bytes of one answer."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    if form == "body":
        events = [parse(text)]
    else:
        events = []
        for event in data_of_events(text):
            if event == "[DONE]" and kind not in ENDS:
                break
            events.append(parse(event))
            if isinstance(events[-1], dict) and events[-1].get("type") in ENDS.get(kind, ()):
                break
    found = content_of(kind, form == "stream", events)
    try:
        return {**found, "content": joined(found["content"])}
    except Malformed:
        return NOTHING


def bytes_of(framing):
    """Of a framing in a vector."""
    if "base64" in framing:
        return base64.b64decode(framing["base64"], validate=True)
    return framing["text"].encode("utf-8")


def data_of_events(text):
    """WHATWG HTML 9.2.6. An event that no blank line ended is dropped."""
    *lines, _unfinished = re.split(r"\r\n|\n|\r", text)
    data = []
    for line in lines:
        if line == "":
            if data:
                yield "\n".join(data)
            data = []
        field, colon, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" ") if colon else "")


def parse(text):
    """ECMA-262 JSON.parse; texts in UTF-16 code units, numbers as doubles."""
    return in_units(json.loads(text, parse_constant=_no_constant, parse_int=_number,
                            parse_float=_number))


def _no_constant(name):
    raise Malformed(f"{name} is not JSON")


def _number(text):
    value = float(text)
    safe = value.is_integer() and abs(value) < 2**53
    return int(value) if safe else value


def in_units(value):
    if isinstance(value, str):
        return units(value)
    if isinstance(value, list):
        return [in_units(item) for item in value]
    if isinstance(value, dict):
        return {units(name): in_units(item) for name, item in value.items()}
    return value


def joined(value):
    """A content as JCS can write it; Malformed where it cannot."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, list):
        return [joined(item) for item in value]
    if isinstance(value, dict):
        return {whole(name): joined(item) for name, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise Malformed("a number beyond a double")
    return value
