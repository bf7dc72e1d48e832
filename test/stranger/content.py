"""Chat content of protocol 6.1 out of a JSON body or an SSE stream."""

import re

from jcs import Malformed, read_json, units, utf16, well_formed

MAX_UNCOVERED = 32
MAX_INDEX = 128
MAX_NAME = 128
TOP = {"choices", "id", "object", "created", "model", "usage", "logprobs"}
CHOICE = {"index", "finish_reason", "logprobs"}
MESSAGE = {"role", "content", "reasoning", "reasoning_content", "refusal", "tool_calls"}
CALL = {"index", "id", "type", "function"}
FUNCTION = {"name", "arguments"}


class NotChat(Exception):
    """The answer is not of this kind: status `none`."""


def sse_events(body):
    """Data of each event of a text/event-stream (WHATWG HTML 9.2.6).

    Lines end in CRLF, LF or CR; an event that no blank line ended is dropped.
    """
    text = body.decode("utf-8").removeprefix("\ufeff")
    *lines, _unfinished = re.split(r"\r\n|\n|\r", text)
    data, found = [], []
    for line in lines:
        if line == "":
            if data:
                found.append("\n".join(data))
            data = []
        elif line == "data" or line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
    return found


def answer_chunks(body):
    """(streamed?, chunks) of a response body in bytes. One chunk where it was not streamed."""
    try:
        return False, [read_json(body)]
    except Malformed:
        pass
    events = sse_events(body)
    if not events:
        raise Malformed("neither JSON nor an event stream")
    if "[DONE]" in events:
        events = events[: events.index("[DONE]")]
    return True, [read_json(event) for event in events]


class Choice:
    """What one choice said so far."""

    def __init__(self):
        self.texts, self.once, self.calls = {}, {}, {}


class Chat:
    """Collects chunks; a whole answer is one chunk with `message` instead of `delta`."""

    def __init__(self, streamed):
        self.holder = "delta" if streamed else "message"
        self.streamed = streamed
        self.choices, self.uncovered = {}, set()
        self.ambiguous = False

    def add(self, chunk):
        chunk = _object(chunk)
        self._rest("", chunk, TOP)
        if chunk.get("choices") is None:
            return
        stated = set()
        for raw in _array(chunk["choices"]):
            raw = _object(raw)
            if raw.get("delta") is not None and raw.get("message") is not None:
                raise NotChat("a delta beside a message")
            self._rest("choices.", raw, CHOICE | {self.holder})
            index = _below(raw.get("index"), MAX_INDEX)
            if index in stated or (index in self.choices and not self.streamed):
                raise NotChat("two choices share an index")
            stated.add(index)
            choice = self.choices.setdefault(index, Choice())
            self._state(choice.once, "finish_reason", raw.get("finish_reason"))
            message = raw.get(self.holder)
            self._message(choice, _object({} if message is None else message))

    def _message(self, choice, message):
        self._rest("message.", message, MESSAGE)
        self._state(choice.once, "role", message.get("role"))
        for name in ("content", "reasoning", "reasoning_content", "refusal"):
            _append(choice.texts, name, message.get(name))
        calls = message.get("tool_calls")
        for position, raw in enumerate(_array([] if calls is None else calls)):
            raw = _object(raw)
            self._rest("tool_calls.", raw, CALL)
            index = _below(raw.get("index") if self.streamed else position, MAX_INDEX)
            texts, once = choice.calls.setdefault(index, ({}, {}))
            self._state(once, "id", raw.get("id"))
            self._state(once, "type", raw.get("type"))
            function = raw.get("function")
            function = _object({} if function is None else function)
            self._rest("tool_calls.function.", function, FUNCTION)
            self._state(once, "name", function.get("name"))
            _append(texts, "arguments", function.get("arguments"))

    def _rest(self, prefix, members, known):
        self.uncovered.update(
            prefix + name for name, value in members.items()
            if name not in known and value is not None
        )

    def _state(self, once, name, value):
        value = _text(value)
        if value is None:
            return
        if once.setdefault(name, value) != value:
            self.ambiguous = True

    def content(self):
        choices = []
        for index in sorted(self.choices):
            choice = self.choices[index]
            plain, other = choice.texts.get("reasoning"), choice.texts.get("reasoning_content")
            if plain is not None and other is not None and plain != other:
                self.ambiguous = True
            choices.append({
                "content": choice.texts.get("content"),
                "finish_reason": choice.once.get("finish_reason"),
                "index": index,
                "reasoning": other if plain is None else plain,
                "refusal": choice.texts.get("refusal"),
                "role": choice.once.get("role", "assistant"),
                "tool_calls": [_call(*choice.calls[i]) for i in sorted(choice.calls)],
            })
        return {"choices": choices, "kind": "chat/v1"}


def chat_content(streamed, chunks):
    """{"content", "status", "uncovered"}; content is None unless covered or partial."""
    chat = Chat(streamed)
    try:
        for chunk in chunks:
            chat.add(chunk)
        if not chat.choices:
            raise NotChat("no choices")
    except NotChat:
        return {"content": None, "status": "none", "uncovered": []}
    content = chat.content()
    if chat.ambiguous:
        return {"content": None, "status": "ambiguous", "uncovered": []}
    uncovered = listed(chat.uncovered)
    return {
        "content": content, "status": "partial" if uncovered else "covered", "uncovered": uncovered,
    }


def listed(names):
    """As a record names them."""
    cut = {units(name)[:MAX_NAME] for name in names}
    return sorted((well_formed(name) for name in cut), key=utf16)[:MAX_UNCOVERED]


def _call(texts, once):
    return {
        "arguments": texts.get("arguments"), "id": once.get("id"), "name": once.get("name"),
        "type": once.get("type"),
    }


def _append(texts, name, value):
    value = _text(value)
    if value is not None:
        texts[name] = texts.get(name, "") + value


def _text(value):
    """Absent, null and the empty text are all null."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise NotChat("not a text")
    return value


def _object(value):
    if not isinstance(value, dict):
        raise NotChat("not an object")
    return value


def _array(value):
    if not isinstance(value, list):
        raise NotChat("not an array")
    return value


def _below(value, limit):
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < limit:
        raise NotChat("not an index")
    return value
