"""Chat answers of vectors, read as docs/protocol.md 6.1 wants it of a reader whose bytes are not the enclave's; Python's standard library."""

import os
import sys
import unicodedata

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "stranger"))

import formats as f  # noqa: E402
from content import MAX_UNCOVERED, answer_chunks  # noqa: E402
from jcs import Malformed, read_json  # noqa: E402
from kinds import KIND_OF, content_of  # noqa: E402

#: What the default policy does without.
ALLOWED = ["choices.stop_reason"]


#: Where some readers end a line and JSON has no need to escape.
BREAKS = {"\u0085", "\u2028", "\u2029"}
SPOKEN = {name: "said" for name in ("content", "reasoning", "reasoning_content", "refusal")}
CALL_TEXTS = {"function": {"arguments": "said"}}
#: The texts of a chunk that its digest speaks for.
CHAT_TEXTS = {"choices": {"delta": {**SPOKEN, "tool_calls": CALL_TEXTS}}}


def _of(names, **inner):
    return {**dict.fromkeys(names.split()), **inner}


_CALLED = _of("name arguments")
_MESSAGE = _of("role content reasoning reasoning_content refusal audio annotations name tool_call_id",
               function_call=_CALLED, tool_calls=_of("id index type", function=_CALLED))
#: The names of the members of a chat answer.
CHAT_NAMES = _of("id object created model usage system_fingerprint service_tier error",
                 choices=_of("index finish_reason stop_reason logprobs", delta=_MESSAGE, message=_MESSAGE))


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


def line_holds(line):
    """A line that every reader takes alike, whatever else than LF and CR ends a line for it."""
    if line.startswith("data:"):
        return True
    if any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in line):
        return False
    field, _, value = line.partition(":")
    value = value.removeprefix(" ")
    if field == "id":
        return len(value) <= 128
    if field == "retry":
        return 1 <= len(value) <= 10 and value.isascii() and value.isdigit()
    return field == ""


def events_of(body):
    """(how its lines are written, data) of each event, and what follows the last; None where a line is not to be read."""
    events, writing, data = [], [], []
    for ended in body.decode("utf-8").split("\n"):
        line = ended.removesuffix("\r")
        if "\r" in line or not line_holds(line):
            return None
        if line.startswith("data:"):
            value = line[5:].removeprefix(" ")
            data.append(value)
            writing.append((len(line) - len(value), ended == line))
        elif line == "" and data:
            events.append(((*writing, ended == ""), "\n".join(data)))
            writing, data = [], []
    return events if not data else [*events, ((*writing, None), "\n".join(data))]


def stream_holds(body):
    """One terminator, and at the end; each event JSON; no field with a meaning of its own; lines end in LF or CRLF."""
    try:
        events = events_of(body)
        for _, data in (events or [])[:-1]:
            read_json(data)
    except (UnicodeDecodeError, Malformed):
        return False
    return bool(events) and events[-1][1] == "[DONE]"


def writing_holds(body):
    """All events before the terminator are written as the first is, in one data line each."""
    writings = {writing for writing, data in events_of(body) or [] if data != "[DONE]"}
    return len(writings) <= 1 and all(len(writing) == 2 for writing in writings)


def breaks_hold(body, chunks):
    """No line separator in a member that the digest does not speak for, in an event that has one unescaped."""
    events = events_of(body) or []
    return all(not BREAKS & set(data) or no_break(chunk, CHAT_TEXTS)
               for (_, data), chunk in zip(events, chunks))


def no_break(value, said):
    if isinstance(value, list):
        return all(no_break(entry, said) for entry in value)
    if isinstance(value, dict):
        return not any(BREAKS & set(name) for name in value) and all(
            said.get(name) == "said" or no_break(member, said.get(name, {}))
            for name, member in value.items())
    return not (isinstance(value, str) and BREAKS & set(value))


def fold(name):
    return name.replace("_", "").replace("-", "").upper().lower()


def names_hold(value, names):
    """No two names of one object are one without their case, and none is one of the API's but for its case."""
    if isinstance(value, list):
        return all(names_hold(entry, names) for entry in value)
    if not isinstance(value, dict) or not names:
        return True
    known = {fold(name): name for name in names}
    folded = [fold(name) for name in value]
    return (len(folded) == len(set(folded))
            and all(known.get(fold(name), name) == name for name in value)
            and all(names_hold(member, names.get(name)) for name, member in value.items()))


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
        plain = is_plain(streamed, chunks) and names_hold(chunks, CHAT_NAMES)
        check("plain", plain and (not streamed or writing_holds(response) and breaks_hold(response, chunks)))
    except (KeyError, TypeError, IndexError, AttributeError):
        check("plain", False)
