"""Chat answers of vectors, read as docs/protocol.md 6.1 wants it of a reader whose bytes are not the enclave's; Python's standard library."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "stranger"))

import formats as f  # noqa: E402
from content import MAX_UNCOVERED, answer_chunks  # noqa: E402
from jcs import Malformed, read_json  # noqa: E402
from kinds import KIND_OF, content_of  # noqa: E402

#: What the default policy does without.
ALLOWED = ["choices.stop_reason"]


def content_in(record, body):
    """None where it cannot be read at all, which is another finding."""
    try:
        return content_of(KIND_OF[record["endpoint"]], *answer_chunks(body))
    except (Malformed, UnicodeDecodeError):
        return None


def content_holds(record, body, opening):
    """The answer says what the record has a digest of, and no member more."""
    found = content_in(record, body)
    if record["content_digest"] is None or found is None:
        return True
    added = set(found["uncovered"]) - set(record["content_uncovered"])
    return (found["content"] is not None and not added
            and f.content_digest(opening, found["content"]) == record["content_digest"])


def content_shown(record, body, policy):
    """A digest speaks for all that a reader may take for a part of the answer."""
    found = content_in(record, body)
    if record["content_digest"] is None or found is None:
        return False
    allowed = policy.get("allowUncovered", ALLOWED)
    inside = [name for name in found["uncovered"] if "." in name and name not in allowed]
    return not inside and len(found["uncovered"]) < MAX_UNCOVERED


def stream_holds(body):
    """One terminator, and at the end; an event a data line, each JSON; no field with a meaning of its own; lines end in LF or CRLF."""
    try:
        text = body.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return False
    open_event, values = False, []
    for line in text.split("\n"):
        if "\r" in line or not (line == "" or line.startswith((":", "data:", "id:", "retry:"))):
            return False
        if line == "":
            open_event = False
        elif line.startswith("data:"):
            if open_event:
                return False
            open_event = True
            values.append(line[5:].removeprefix(" "))
    try:
        for value in values[:-1]:
            read_json(value)
    except Malformed:
        return False
    return values[-1:] == ["[DONE]"]


class Calls:
    """Of one choice: a reader takes a call for finished when the next one begins, and the last name for its name."""

    def __init__(self):
        self.last, self.named = -1, False

    def plain(self, calls):
        for call in calls:
            if call["index"] < self.last:
                return False
            self.named = self.named and call["index"] == self.last
            self.last = call["index"]
            name = call.get("function", {}).get("name")
            if name and self.named:
                return False
            self.named = self.named or bool(name)
        return True


def is_plain(streamed, chunks):
    """Every reader takes the same from it: one id, model and object, choices once and in their place, none after its end."""
    names = {(chunk["object"], chunk["id"], chunk["model"]) for chunk in chunks}
    if {one for one, _, _ in names} != {"chat.completion" + ".chunk" * streamed} or len(names) != 1:
        return False
    ended, calls = set(), {}
    for chunk in chunks:
        places = [choice["index"] for choice in chunk["choices"]]
        if len(places) != len(set(places)) or ended & set(places):
            return False
        if not streamed and places != list(range(len(places))):
            return False
        for choice in chunk["choices"] if streamed else []:
            said = choice["delta"].get("tool_calls") or []
            if not calls.setdefault(choice["index"], Calls()).plain(said):
                return False
        ended |= {choice["index"] for choice in chunk["choices"] if choice.get("finish_reason")}
    return True


def check_answer(check, record, request, response):
    """What a reader of this answer would see, beyond the words that the content digest speaks for."""
    try:
        streamed, chunks = answer_chunks(response)
    except (Malformed, UnicodeDecodeError):
        streamed, chunks = True, []
    if request is not None:
        check("asked", bool(read_json(request).get("stream")) == streamed)
    check("stream", not streamed or stream_holds(response))
    try:
        check("model", chunks[0]["model"] == record["model_served"])
        check("plain", is_plain(streamed, chunks))
    except (KeyError, TypeError, IndexError, AttributeError):
        check("plain", False)
