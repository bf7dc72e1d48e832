"""Inputs of the vectors of protocol 6.2: (id, kind, input)."""

import base64
import struct


def kind_cases():
    yield from text_cases()
    yield from messages_cases()
    yield from responses_cases()
    yield from embeddings_cases()


def completion(*choices, **more):
    return {"id": "cmpl-1", "object": "text_completion", "created": 1790000100,
            "model": "demo-v2", "choices": list(choices), **more}


def text_cases():
    kind = "text/v1"
    yield "text.body", kind, {"body": completion(
        {"index": 0, "text": " a time", "logprobs": None, "finish_reason": "length",
         "stop_reason": None, "prompt_logprobs": None},
        usage={"prompt_tokens": 3, "total_tokens": 5, "completion_tokens": 2})}
    yield "text.stream", kind, {"chunks": [
        completion({"index": 0, "text": " na\u00ef", "logprobs": {"tokens": ["x"]},
                    "finish_reason": None}),
        completion({"index": 0, "text": "ve \U0001f511", "finish_reason": None}),
        completion({"index": 0, "text": "", "finish_reason": "stop", "stop_reason": None}),
        completion(usage={"prompt_tokens": 3, "total_tokens": 5, "completion_tokens": 2}),
    ]}
    yield "text.choices", kind, {"chunks": [
        completion({"index": 1, "text": "tw"}, {"index": 0, "text": "one"}),
        completion({"index": 1, "text": "o", "finish_reason": "length"}),
        completion({"index": 0, "text": "", "finish_reason": "stop"}),
    ]}
    yield "text.partial", kind, {"body": completion(
        {"index": 0, "text": "hi", "finish_reason": "stop", "stop_reason": "###",
         "token_ids": [1, 2]}, system_fingerprint="fp_1", kv_transfer_params=None)}
    yield "text.ambiguous", kind, {"chunks": [
        completion({"index": 0, "text": "hi", "finish_reason": "stop"}),
        completion({"index": 0, "text": "", "finish_reason": "length"}),
    ]}
    yield "text.none", kind, {"body": completion(
        {"index": 0, "text": "hi"}, {"index": 0, "text": "ho"})}


def message(*content, **more):
    return {"id": "msg_1", "type": "message", "role": "assistant", "content": list(content),
            "model": "demo-v2", "stop_reason": "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 3, "output_tokens": 2}, **more}


def started(**more):
    return {"type": "message_start", "message": message(
        stop_reason=None, usage={"input_tokens": 3, "output_tokens": 0}, **more)}


def block(index, content_block, *deltas):
    yield {"type": "content_block_start", "index": index, "content_block": content_block}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def ended(reason):
    yield {"type": "message_delta", "delta": {"stop_reason": reason},
           "usage": {"input_tokens": 3, "output_tokens": 2}}
    yield {"type": "message_stop"}


def text_delta(text):
    return {"type": "text_delta", "text": text}


def json_delta(text):
    return {"type": "input_json_delta", "partial_json": text}


CALL = {"type": "tool_use", "id": "call_a", "name": "weather", "input": {}}


def messages_cases():
    kind = "messages/v1"
    yield "messages.body", kind, {"body": message({"type": "text", "text": "hi"})}
    yield "messages.stream", kind, {"chunks": [
        started(), {"type": "ping"},
        *block(0, {"type": "text", "text": ""}, text_delta("h"), text_delta("i")),
        *ended("end_turn"),
    ]}
    yield "messages.tools", kind, {"body": message(
        {"type": "text", "text": "Looking."},
        {"type": "tool_use", "id": "call_a", "name": "weather",
         "input": {"days": 2.0, "city": "K\u00f6ln"}},
        {"type": "tool_use", "id": "call_b", "name": "clock", "input": {}},
        stop_reason="tool_use")}
    yield "messages.tools.stream", kind, {"chunks": [
        started(),
        *block(0, {"type": "text", "text": ""}, text_delta("Looking.")),
        *block(1, CALL, json_delta(""), json_delta('{"city": "K\u00f6'),
               json_delta('ln", "days": 2}')),
        *block(2, {**CALL, "id": "call_b", "name": "clock"}),
        *ended("tool_use"),
    ]}
    yield "messages.thinking.stream", kind, {"chunks": [
        started(),
        *block(0, {"type": "thinking", "thinking": ""},
               {"type": "thinking_delta", "thinking": "be"},
               {"type": "thinking_delta", "thinking": "cause"},
               {"type": "signature_delta", "signature": "c2ln"}),
        *block(1, {"type": "redacted_thinking", "data": "Zm9v"}),
        *block(2, {"type": "text", "text": ""}, text_delta("yes")),
        *ended("max_tokens"),
    ]}
    yield "messages.input.cut", kind, {"chunks": [
        started(), *block(0, CALL, json_delta('{"city": "K')), *ended("max_tokens"),
    ]}
    yield "messages.partial", kind, {"chunks": [
        started(container={"id": "c"}),
        *block(0, {"type": "text", "text": "", "citations": []}, text_delta("hi"),
               {"type": "citations_delta", "citation": {"url": "u"}}),
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_details": {}},
         "usage": {}, "context_management": {}},
        {"type": "later"},
        {"type": "message_stop"},
    ]}
    yield "messages.ambiguous", kind, {"chunks": [
        started(), *block(0, {**CALL, "input": {"city": "Bonn"}}, json_delta('{"city": "Ulm"}')),
        *ended("tool_use"),
    ]}
    yield "messages.none", kind, {"chunks": [
        started(), {"type": "content_block_delta", "index": 0, "delta": text_delta("hi")},
    ]}


def response(*output, **more):
    return {"id": "resp_1", "object": "response", "created_at": 1790000100, "model": "demo-v2",
            "incomplete_details": None, "instructions": "Be brief.", "metadata": None,
            "output": list(output), "parallel_tool_calls": True, "temperature": 1.0, "tools": [],
            "tool_choice": "auto", "top_p": 1.0, "background": False, "max_output_tokens": 64,
            "status": "completed", "text": None, "truncation": "disabled",
            "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}, **more}


def said(text, **more):
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": [],
                         "logprobs": None}], **more}


CALLED = {"id": "fc_1", "type": "function_call", "call_id": "call_a", "name": "weather",
          "arguments": "{\"city\": \"K\u00f6ln\"}", "status": "completed"}
THOUGHT = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": None,
           "status": None, "content": [{"type": "reasoning_text", "text": "because"}]}


def event(name, /, **members):
    return {"type": "response." + name, "sequence_number": 7, **members}


def opened(index, item):
    return event("output_item.added", output_index=index, item=item)


def closed(index, item):
    return event("output_item.done", output_index=index, item=item)


def text_item(index, *pieces, final=None):
    whole = "".join(pieces)
    at = {"output_index": index, "content_index": 0, "item_id": "msg_1"}
    empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    yield opened(index, {**said(""), "content": [], "status": "in_progress"})
    yield event("content_part.added", part=empty, **at)
    for piece in pieces:
        yield event("output_text.delta", delta=piece, logprobs=[], **at)
    yield event("output_text.done", text=whole if final is None else final, logprobs=[], **at)
    yield event("content_part.done", part={**empty, "text": whole, "logprobs": None}, **at)
    yield closed(index, said(whole))


def responses_cases():
    kind = "responses/v1"
    start = [event("created", response=response(status="in_progress")),
             event("in_progress", response=response(status="in_progress"))]
    yield "responses.body", kind, {"body": response(said("hi"))}
    yield "responses.stream", kind, {"chunks": [
        *start, *text_item(0, "h", "i"), event("completed", response=response(said("hi")))]}
    yield "responses.tools.stream", kind, {"chunks": [
        *start,
        opened(0, {**CALLED, "arguments": "", "status": "in_progress"}),
        event("function_call_arguments.delta", output_index=0, item_id="fc_1",
              delta="{\"city\": "),
        event("function_call_arguments.delta", output_index=0, item_id="fc_1",
              delta="\"K\u00f6ln\"}"),
        event("function_call_arguments.done", output_index=0, item_id="fc_1", name="weather",
              arguments=CALLED["arguments"]),
        closed(0, CALLED),
        event("completed", response=response(CALLED)),
    ]}
    at = {"output_index": 0, "content_index": 0, "item_id": "rs_1"}
    summary = {"output_index": 0, "summary_index": 0, "item_id": "rs_1"}
    whole = {**THOUGHT, "summary": [{"type": "summary_text", "text": "short"}]}
    yield "responses.reasoning", kind, {"chunks": [
        *start, opened(0, {**THOUGHT, "content": None}),
        event("reasoning_part.added", part={"type": "reasoning_text", "text": ""}, **at),
        event("reasoning_text.delta", delta="because", **at),
        event("reasoning_text.done", text="because", **at),
        event("reasoning_part.done", part=THOUGHT["content"][0], **at),
        event("reasoning_summary_text.delta", delta="short", **summary),
        event("reasoning_summary_part.done", part=whole["summary"][0], **summary),
        closed(0, whole), *text_item(1, "yes"),
        event("completed", response=response(whole, said("yes"))),
    ]}
    yield "responses.incomplete", kind, {"chunks": [
        *start, *text_item(0, "half an ans"),
        event("incomplete", response=response(
            said("half an ans", status="incomplete"), status="incomplete",
            incomplete_details={"reason": "max_output_tokens"})),
    ]}
    yield "responses.empty_output", kind, {"chunks": [
        *text_item(0, "hi"), event("completed", response=response())]}
    yield "responses.done_only", kind, {"chunks": [
        closed(0, said("hi")), event("completed", response=response(said("hi")))]}
    noted = said("hi")
    noted["content"] = [{**noted["content"][0], "annotations": [{"type": "url_citation"}]}]
    yield "responses.partial", kind, {"body": response(
        {**noted, "phase": "final"}, {**THOUGHT, "encrypted_content": "x"},
        input_messages=[], kv_transfer_params={})}
    yield "responses.ambiguous.output", kind, {"chunks": [
        *text_item(0, "hi"), event("completed", response=response(said("ho")))]}
    yield "responses.ambiguous.done", kind, {"chunks": [
        *text_item(0, "hi", final="ho"), event("completed", response=response(said("hi")))]}
    yield "responses.none", kind, {"chunks": [
        event("output_text.delta", delta="hi", output_index=0, content_index=0)]}


def embeddings(*vectors, **more):
    return {"id": "embd-1", "object": "list", "created": 1790000100, "model": "demo-v2",
            "data": [{"index": index, "object": "embedding", "embedding": vector}
                     for index, vector in vectors],
            "usage": {"prompt_tokens": 3, "total_tokens": 3}, **more}


def embeddings_cases():
    kind = "embeddings/v1"
    singles = struct.pack("<4f", 0.1, -0.25, 3.0, 1e-20)
    doubles = list(struct.unpack("<4f", singles))
    yield "embeddings.floats", kind, {"body": embeddings((1, [0.5]), (0, doubles))}
    yield "embeddings.base64", kind, {"body": embeddings(
        (0, base64.b64encode(singles).decode("ascii")),
        (1, base64.b64encode(struct.pack("<f", 0.5)).decode("ascii")))}
    yield "embeddings.doubles", kind, {"body": embeddings((0, [0.1, 1, 5e-324, -1.5e300]))}
    yield "embeddings.zero", kind, {"body": embeddings(
        (0, base64.b64encode(struct.pack("<2f", -0.0, 0.0)).decode("ascii")))}
    partial = embeddings((0, [1.5]), truncated=True)
    partial["data"][0]["sparse"] = {}
    yield "embeddings.partial", kind, {"body": partial}
    yield "embeddings.none", kind, {"body": embeddings(
        (0, base64.b64encode(struct.pack("<f", float("nan"))).decode("ascii")))}
