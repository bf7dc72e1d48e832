"""Ways to write one answer down, all of which say the same."""

import json

FINE, COARSE = 1, 7
CREATED = 1790000100


def body(value, name="body"):
    """A buffered answer as one text: an object, or the text itself where its spelling matters."""
    text = value if isinstance(value, str) else compact(value)
    return {"name": name, "form": "body", "text": text}


def bodies(*values):
    """Each object as it is, indented in ASCII, with its members in reverse order, and in pieces."""
    for number, value in enumerate(values):
        own = f"body {number}" if len(values) > 1 else "body"
        yield body(value, own)
        yield body(json.dumps(value, indent=2, ensure_ascii=True), own + ", indented, in ASCII")
        yield body(compact(backwards(value)), own + ", members in reverse order")
        yield in_pieces(body(value, own + ", in pieces of 5 bytes"), 5)


def stream(events, name="stream", style="plain", size=None, done=True, named=False):
    """Server-sent events. `events` are objects, or data as text where its spelling matters."""
    text = "".join(event_text(event, style, number, named) for number, event in enumerate(events))
    if done and not named:
        text += "data: [DONE]\n\n" if style != "crlf" else ": over\r\ndata:[DONE]\r\n\r\n"
    found = {"name": name, "form": "stream", "text": text}
    return found if size is None else in_pieces(found, size)


def streams(*lists, named=False):
    """Each list of events in several framings; `named` for APIs whose events have names and no [DONE]."""
    for number, events in enumerate(lists):
        own = f"stream {number}" if len(lists) > 1 else "stream"
        for style, size, how in (
                ("plain", None, ""), ("plain", 3, ", in pieces of 3 bytes"),
                ("backwards", None, ", members in reverse order"),
                ("crlf", None, ", CRLF, comments, ids, no space"),
                ("lines", 64, ", each event over several data lines")):
            yield stream(events, own + how, style, size, named=named)


def raw(text, name, form="stream"):
    return {"name": name, "form": form, "text": text}


def raw_bytes(data, name, form="stream"):
    import base64

    return {"name": name, "form": form, "base64": base64.b64encode(data).decode("ascii")}


def in_pieces(framing, size):
    """`cuts` are the offsets, in bytes, at which the second and each later piece began."""
    length = len(framing["text"].encode("utf-8"))
    return {**framing, "cuts": list(range(size, length, size))}


def event_text(event, style, number, named):
    data = event if isinstance(event, str) else compact(event)
    name = f"event: {event['type']}\n" if named else ""
    if style == "crlf":
        return f": comment {number}\n{name}id: {number}\ndata:{data}\n\n".replace("\n", "\r\n")
    if style == "backwards" and not isinstance(event, str):
        return f"{name}data: {compact(backwards(event))}\n\n"
    if style == "lines" and not isinstance(event, str):
        lines = json.dumps(event, indent=1, ensure_ascii=True).split("\n")
        return name + "".join(f"data: {line}\n" for line in lines) + "\n"
    return f"{name}data: {data}\n\n"


def compact(value):
    """As UTF-8, except that a surrogate that stands alone can only be written with an escape."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "".join(f"\\u{ord(c):04x}" if 0xD800 <= ord(c) <= 0xDFFF else c for c in text)


def backwards(value):
    if isinstance(value, list):
        return [backwards(item) for item in value]
    if isinstance(value, dict):
        return {name: backwards(value[name]) for name in reversed(list(value))}
    return value


def cut(text, size):
    return [text[at:at + size] for at in range(0, len(text), size)]


# Chat completions.

def completion(*choices, **more):
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": CREATED,
            "model": "demo", "choices": list(choices), **more}


def said(message, reason="stop", index=0, **more):
    return {"index": index, "message": {"role": "assistant", **message}, "finish_reason": reason,
            **more}


def chunk(*choices, **more):
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": CREATED,
            "model": "demo", "choices": list(choices), **more}


def delta(members, reason=None, index=0, **more):
    return {"index": index, "delta": members, "finish_reason": reason, **more}


def call(name, arguments, id="call_a"):  # pylint: disable=redefined-builtin
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def chat_events(choices, size):
    """The chunks by which a server would stream these buffered choices, texts cut to `size`."""
    for choice in choices:
        index, message = choice["index"], choice["message"]
        yield chunk(delta({"role": message.get("role", "assistant"), "content": ""}, index=index))
        for name in ("reasoning", "reasoning_content", "content", "refusal"):
            for piece in cut(message.get(name) or "", size):
                yield chunk(delta({name: piece}, index=index))
        for place, own in enumerate(message.get("tool_calls") or []):
            head = {**own, "index": place, "function": {**own["function"], "arguments": ""}}
            yield chunk(delta({"tool_calls": [head]}, index=index))
            for piece in cut(own["function"]["arguments"], size):
                yield chunk(delta({"tool_calls": [
                    {"index": place, "function": {"arguments": piece}}]}, index=index))
        yield chunk(delta({}, choice["finish_reason"], index))
    yield chunk(usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})


def chat(*choices, **more):
    """Buffered and streamed framings of the same choices."""
    yield from bodies(completion(*choices, **more))
    yield from streams(list(chat_events(choices, FINE)), list(chat_events(choices, COARSE)))


# Text completions.

def text_completion(*choices, **more):
    return {"id": "cmpl-1", "object": "text_completion", "created": CREATED, "model": "demo",
            "choices": list(choices), **more}


def text_choice(text, reason="stop", index=0, **more):
    return {"index": index, "text": text, "logprobs": None, "finish_reason": reason, **more}


# Messages.

def message(*content, **more):
    return {"id": "msg_1", "type": "message", "role": "assistant", "content": list(content),
            "model": "demo", "stop_reason": "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 3, "output_tokens": 2}, **more}


def message_start(**more):
    return {"type": "message_start", "message": message(**{"stop_reason": None, **more})}


def message_end(reason="end_turn", sequence=None):
    return [{"type": "message_delta",
             "delta": {"stop_reason": reason, "stop_sequence": sequence},
             "usage": {"output_tokens": 2}},
            {"type": "message_stop"}]


def block(index, start, *deltas):
    return [{"type": "content_block_start", "index": index, "content_block": start},
            *({"type": "content_block_delta", "index": index, "delta": each} for each in deltas),
            {"type": "content_block_stop", "index": index}]


def text_block(index, text, size):
    return block(index, {"type": "text", "text": ""},
                 *({"type": "text_delta", "text": piece} for piece in cut(text, size)))


def tool_block(index, start, json_text, size):
    return block(index, start, *({"type": "input_json_delta", "partial_json": piece}
                                 for piece in ["", *cut(json_text, size)]))


# Responses.

def response(*output, **more):
    return {"id": "resp_1", "object": "response", "created_at": CREATED, "model": "demo",
            "status": "completed", "output": list(output), "incomplete_details": None, **more}


def item(*parts, **more):
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
            "content": list(parts), **more}


def output_text(text, **more):
    return {"type": "output_text", "text": text, "annotations": [], **more}


def numbered(events):
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def response_events(end, *middle):
    """`end` is the response in the terminator."""
    begun = {**end, "status": "in_progress", "output": []}
    kind = {"completed": "response.completed", "incomplete": "response.incomplete",
            "failed": "response.failed"}[end["status"]]
    return numbered([{"type": "response.created", "response": begun},
                     {"type": "response.in_progress", "response": begun}, *middle,
                     {"type": kind, "response": end}])


def text_item_events(place, text, size, part_index=0):
    """A message of one part, from its announcement to its end."""
    at = {"output_index": place, "item_id": "msg_1"}
    part_at = {**at, "content_index": part_index}
    begun = {**item(), "status": "in_progress"}
    return [
        {"type": "response.output_item.added", "output_index": place, "item": begun},
        {"type": "response.content_part.added", **part_at, "part": output_text("")},
        *({"type": "response.output_text.delta", **part_at, "delta": piece}
          for piece in cut(text, size)),
        {"type": "response.output_text.done", **part_at, "text": text},
        {"type": "response.content_part.done", **part_at, "part": output_text(text)},
        {"type": "response.output_item.done", "output_index": place,
         "item": item(output_text(text))},
    ]


# Embeddings.

def embeddings(*data, **more):
    return {"object": "list", "model": "demo", "data": list(data),
            "usage": {"prompt_tokens": 3, "total_tokens": 3}, **more}


def vector(embedding, index=0, **more):
    return {"object": "embedding", "index": index, "embedding": embedding, **more}
