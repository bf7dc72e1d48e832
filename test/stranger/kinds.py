"""Content of protocol 6.2: texts, messages, responses and embeddings."""

import base64
import binascii
import math
import struct
from hashlib import sha256

from content import NotChat, _array, _below, _object, _text, chat_content, listed
from jcs import Malformed, read_json, whole

KIND_OF = {
    "/v1/chat/completions": "chat/v1", "/v1/completions": "text/v1",
    "/v1/messages": "messages/v1", "/v1/responses": "responses/v1",
    "/v1/embeddings": "embeddings/v1",
}
LIMIT = 1024
VECTORS, DIMENSIONS = 16384, 65536


class Kind:
    """What all kinds have in common; a subclass reads events and tells the content."""

    def __init__(self):
        self.uncovered, self.ambiguous = set(), False

    def rest(self, prefix, members, known):
        self.uncovered.update(
            prefix + name for name, value in members.items()
            if name not in known and value is not None)

    def state(self, where, name, value):
        """`where[name]`, said once; said again it must agree."""
        value = _text(value)
        if value is None:
            return
        if where.get(name) is None:
            where[name] = value
        elif where[name] != value:
            self.ambiguous = True

    def reasons(self):
        return []


def content_of(kind, streamed, events):
    """{"content", "status", "uncovered", "reasons"} of one answer of an endpoint's kind."""
    if kind == "chat/v1":
        found = chat_content(streamed, events)
        choices = found["content"]["choices"] if found["content"] else []
        return {**found, "reasons": [choice["finish_reason"] for choice in choices]}
    answer = {"text/v1": Texts, "messages/v1": Messages, "responses/v1": Responses,
              "embeddings/v1": Embeddings}[kind]()
    none = {"content": None, "status": "none", "uncovered": [], "reasons": []}
    try:
        for event in events:
            answer.add(_object(event))
        content = answer.content()
    except NotChat:
        return none
    if content is None:
        return none
    if answer.ambiguous:
        return {**none, "status": "ambiguous"}
    uncovered = listed(answer.uncovered)
    return {"content": content, "status": "partial" if uncovered else "covered",
            "uncovered": uncovered, "reasons": answer.reasons()}


class Texts(Kind):
    def __init__(self):
        super().__init__()
        self.choices = {}

    def add(self, event):
        self.rest("", event, {"id", "object", "created", "model", "usage", "choices"})
        stated = set()
        for raw in _entries(event.get("choices")):
            raw = _object(raw)
            index = _below(raw.get("index"), LIMIT)
            if index in stated:
                raise NotChat("two choices share an index")
            stated.add(index)
            self.rest("choices.", raw, {"index", "text", "finish_reason", "logprobs"})
            choice = self.choices.setdefault(index, {"text": "", "finish_reason": None})
            choice["text"] += _text(raw.get("text")) or ""
            self.state(choice, "finish_reason", raw.get("finish_reason"))

    def reasons(self):
        return [self.choices[index]["finish_reason"] for index in sorted(self.choices)]

    def content(self):
        if not self.choices:
            return None
        return {"kind": "text/v1", "choices": [
            {"index": index, "text": self.choices[index]["text"] or None,
             "finish_reason": self.choices[index]["finish_reason"]}
            for index in sorted(self.choices)]}


class Messages(Kind):
    BLOCK = ("data", "id", "name", "signature", "type")
    DELTAS = {"text_delta": "text", "thinking_delta": "thinking",
              "signature_delta": "signature", "input_json_delta": "partial_json"}
    EVENTS = {
        "message_start": {"message"}, "content_block_start": {"index", "content_block"},
        "content_block_delta": {"index", "delta"}, "content_block_stop": {"index"},
        "message_delta": {"delta", "usage"}, "message_stop": set(), "ping": set(),
    }

    def __init__(self):
        super().__init__()
        self.blocks, self.message = {}, None

    def add(self, event):
        kind = event.get("type")
        if not isinstance(kind, str):
            raise NotChat("no type")
        if kind == "message":
            self.start(event)
            return
        if kind not in self.EVENTS:
            self.uncovered.add("event." + kind)
            return
        self.rest("event.", event, self.EVENTS[kind] | {"type"})
        if kind == "message_start":
            self.start(_object(event.get("message")))
        elif kind == "content_block_start":
            self.block(event.get("index"), _object(event.get("content_block")))
        elif kind == "content_block_delta":
            self.delta(event.get("index"), _object(event.get("delta")))
        elif kind == "message_delta":
            delta = _object(event.get("delta"))
            if self.message is None:
                raise NotChat("no message was started")
            self.rest("", delta, {"type", "stop_reason", "stop_sequence"})
            self.ends(delta)

    def start(self, message):
        if self.message is not None:
            raise NotChat("a second message")
        self.message = {}
        self.rest("", message, {"id", "type", "role", "content", "model", "stop_reason",
                                "stop_sequence", "usage"})
        self.state(self.message, "role", message.get("role"))
        self.ends(message)
        for index, block in enumerate(_entries(message.get("content"))):
            self.block(index, _object(block))

    def ends(self, members):
        self.state(self.message, "stop_reason", members.get("stop_reason"))
        self.state(self.message, "stop_sequence", members.get("stop_sequence"))

    def block(self, index, raw):
        index = _below(index, LIMIT)
        if index in self.blocks:
            raise NotChat("a block was started twice")
        self.rest("content.", raw, {*self.BLOCK, "input", "text", "thinking"})
        given = raw.get("input")
        block = {name: _text(raw.get(name)) for name in self.BLOCK}
        block.update(input=None if given is None else _object(given), json="",
                     text=_text(raw.get("text")) or "", thinking=_text(raw.get("thinking")) or "")
        self.blocks[index] = block

    def delta(self, index, delta):
        block = self.blocks.get(index) if isinstance(index, int) else None
        kind = delta.get("type")
        if block is None or not isinstance(kind, str):
            raise NotChat("a delta of no block or no type")
        name = self.DELTAS.get(kind)
        self.rest("content.", delta, {"type", name})
        if name is None:
            self.uncovered.add("event." + kind)
        elif name == "signature":
            self.state(block, name, delta.get(name))
        else:
            block["json" if name == "partial_json" else name] += _text(delta.get(name)) or ""

    def reasons(self):
        return [] if self.message is None else [self.message.get("stop_reason")]

    def content(self):
        if self.message is None:
            return None
        blocks = []
        for index in sorted(self.blocks):
            block = self.blocks[index]
            if block["json"]:
                if block["input"]:
                    self.ambiguous = True
                try:
                    block["input"] = _object(read_json(whole(block["json"])))
                except Malformed as error:
                    raise NotChat("a tool's input is not JSON") from error
            blocks.append({**{name: block[name] for name in self.BLOCK}, "input": block["input"],
                           "text": block["text"] or None, "thinking": block["thinking"] or None})
        return {"kind": "messages/v1", "content": blocks,
                "role": self.message.get("role") or "assistant",
                "stop_reason": self.message.get("stop_reason"),
                "stop_sequence": self.message.get("stop_sequence")}


class Responses(Kind):
    ECHOES = set("""
        id object created_at completed_at model usage error output_text instructions metadata
        parallel_tool_calls temperature tool_choice tools top_p top_k background max_output_tokens
        max_tool_calls previous_response_id conversation prompt prompt_cache_key
        prompt_cache_retention reasoning store safety_identifier service_tier text top_logprobs
        truncation user presence_penalty frequency_penalty output status incomplete_details
        """.split())
    ITEM = {"arguments", "call_id", "content", "id", "name", "role", "status", "summary", "type"}
    PART = {"annotations", "logprobs", "refusal", "text", "type"}
    EVENT = set("""
        type sequence_number output_index item_id content_index summary_index item part delta text
        refusal arguments name response logprobs obfuscation
        """.split())
    SILENT = {"response.created", "response.queued", "response.in_progress"}
    ENDS = {"response.completed", "response.incomplete", "response.failed"}
    TEXTS = {
        "response.output_text": ("content", "output_text", "text"),
        "response.refusal": ("content", "refusal", "refusal"),
        "response.reasoning_text": ("content", "reasoning_text", "text"),
        "response.reasoning_summary_text": ("summary", "summary_text", "text"),
    }
    PARTS = {"response.content_part": "content", "response.reasoning_part": "content",
             "response.reasoning_summary_part": "summary"}

    def __init__(self):
        super().__init__()
        self.items, self.end = {}, None

    def add(self, event):
        if "type" not in event and event.get("object") == "response":
            self.finish(event)
            return
        kind = event.get("type")
        if not isinstance(kind, str):
            raise NotChat("no type")
        self.rest("event.", event, self.EVENT)
        subject, _, phase = kind.rpartition(".")
        if kind in self.SILENT:
            return
        if kind in self.ENDS:
            self.finish(_object(event.get("response")))
        elif kind == "response.output_item.added":
            self.put(event.get("output_index"), self.item(event.get("item")))
        elif kind == "response.output_item.done":
            stated, index = self.item(event.get("item")), event.get("output_index")
            if index in self.items:
                self.agree(_plain(stated), _plain(self.items[index]))
            else:
                self.put(index, stated)
        elif kind == "response.function_call_arguments.delta":
            self.of(event)["arguments"] += _text(event.get("delta")) or ""
        elif kind == "response.function_call_arguments.done":
            item = self.of(event)
            self.state(item, "name", event.get("name"))
            self.agree(_text(event.get("arguments")) or "", item["arguments"])
        elif subject in self.TEXTS and phase in ("delta", "done"):
            where, its_type, member = self.TEXTS[subject]
            part = self.part_of(where, event)
            self.state(part, "type", its_type)
            if phase == "delta":
                part[member] += _text(event.get("delta")) or ""
            else:
                self.agree(_text(event.get(member)) or "", part[member])
        elif subject in self.PARTS and phase in ("added", "done"):
            where = self.PARTS[subject]
            stated, part = self.part(where, event.get("part")), self.part_of(where, event)
            if phase == "done":
                self.agree(stated, part)
            elif part["type"] is not None:
                raise NotChat("a part was announced twice")
            else:
                part.update(stated)
        else:
            self.uncovered.add("event." + kind)

    def agree(self, one, other):
        if one != other:
            self.ambiguous = True

    def finish(self, response):
        if self.end is not None:
            raise NotChat("a second response")
        self.rest("", response, self.ECHOES)
        details = response.get("incomplete_details")
        reason = None if details is None else _text(_object(details).get("reason"))
        self.end = {"status": _text(response.get("status")), "reason": reason}
        items = [self.item(item) for item in _entries(response.get("output"))]
        if not self.items:
            for index, item in enumerate(items):
                self.put(index, item)
        elif items:
            known = [self.items[index] for index in sorted(self.items)]
            self.agree([_plain(item) for item in items], [_plain(item) for item in known])

    def put(self, index, item):
        index = _below(index, LIMIT)
        if index in self.items:
            raise NotChat("an item was announced twice")
        self.items[index] = item

    def of(self, event):
        item = self.items.get(_below(event.get("output_index"), LIMIT))
        if item is None:
            raise NotChat("an event of no item")
        return item

    def part_of(self, where, event):
        name = "content_index" if where == "content" else "summary_index"
        parts = self.of(event)[where]
        return parts.setdefault(_below(event.get(name), LIMIT),
                                {"type": None, "text": "", "refusal": ""})

    def item(self, raw):
        raw = _object(raw)
        self.rest("output.", raw, self.ITEM)
        item = {name: _text(raw.get(name)) for name in ("type", "role", "name", "call_id")}
        item["arguments"] = _text(raw.get("arguments")) or ""
        for where in ("content", "summary"):
            parts = _entries(raw.get(where))
            _below(len(parts), LIMIT + 1)
            item[where] = {i: self.part(where, part) for i, part in enumerate(parts)}
        return item

    def part(self, where, raw):
        raw = _object(raw)
        self.rest(f"output.{where}.", raw, self.PART)
        if _entries(raw.get("annotations")):
            self.uncovered.add(f"output.{where}.annotations")
        return {"type": _text(raw.get("type")), "text": _text(raw.get("text")) or "",
                "refusal": _text(raw.get("refusal")) or ""}

    def reasons(self):
        status = None if self.end is None else self.end["status"]
        return [status] if self.end is not None or self.items else []

    def content(self):
        if self.end is None and not self.items:
            return None
        end = self.end or {"status": None, "reason": None}
        return {"kind": "responses/v1", "status": end["status"],
                "incomplete_reason": end["reason"],
                "output": [_plain(self.items[index]) for index in sorted(self.items)]}


def _plain(item):
    def parts(where):
        return [{"type": part["type"], "text": part["text"] or None,
                 "refusal": part["refusal"] or None}
                for _, part in sorted(item[where].items())]
    return {**{name: item[name] for name in ("type", "role", "name", "call_id")},
            "arguments": item["arguments"] or None,
            "content": parts("content"), "summary": parts("summary")}


class Embeddings(Kind):
    def __init__(self):
        super().__init__()
        self.vectors = {}

    def add(self, event):
        self.rest("", event, {"id", "object", "created", "model", "usage", "data"})
        for raw in _entries(event.get("data")):
            raw = _object(raw)
            index = _below(raw.get("index"), VECTORS)
            if index in self.vectors:
                raise NotChat("two vectors share an index")
            self.rest("data.", raw, {"embedding", "index", "object"})
            self.vectors[index] = _numbers(raw.get("embedding"))

    def content(self):
        if not self.vectors:
            return None
        return {"kind": "embeddings/v1", "data": [
            {"index": index, "dimensions": len(self.vectors[index]),
             "vector": "sha256:" + sha256(_doubles(self.vectors[index])).hexdigest()}
            for index in sorted(self.vectors)]}


def _numbers(value):
    if isinstance(value, str):
        try:
            data = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise NotChat("not base64") from error
        if len(data) % 4 or base64.b64encode(data).decode("ascii") != value:
            raise NotChat("not base64 of singles")
        numbers = struct.unpack(f"<{len(data) // 4}f", data)
    else:
        numbers = _array(value)
        if any(isinstance(n, bool) or not isinstance(n, (int, float)) for n in numbers):
            raise NotChat("not a number")
    if len(numbers) > DIMENSIONS or not all(math.isfinite(n) for n in numbers):
        raise NotChat("too many numbers, or one that is not finite")
    return numbers


def _doubles(numbers):
    return struct.pack(f"<{len(numbers)}d", *(float(n) + 0.0 for n in numbers))


def _entries(value):
    return [] if value is None else _array(value)
