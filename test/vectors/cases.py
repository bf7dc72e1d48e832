"""Inputs of the content and member vectors: (id, input, reading assumed or None)."""


def answer(*choices, **more):
    """A buffered chat answer."""
    return {"body": {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1790000100, "model": "demo-v2",
        "choices": list(choices), "usage": {"total_tokens": 3}, **more,
    }}


def choice(message, index=0, finish_reason="stop", **more):
    return {"index": index, "message": message, "finish_reason": finish_reason, **more}


def chunk(*choices, **more):
    return {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1790000100,
        "model": "demo-v2", "choices": list(choices), **more,
    }


def delta(members, index=0, finish_reason=None, **more):
    return {"index": index, "delta": members, "finish_reason": finish_reason, **more}


def call(index, call_id=None, name=None, arguments=None, **more):
    """A tool call delta as vLLM streams it: id, type and name first, then arguments."""
    function = {"name": name, "arguments": arguments}
    first = {"id": call_id, "type": "function"} if call_id else {}
    return {"index": index, **first, **more,
            "function": {key: value for key, value in function.items() if value is not None}}


WEATHER = {"id": "call_a", "type": "function",
           "function": {"name": "weather", "arguments": "{\"city\": \"K\u00f6ln\"}"}}
CLOCK = {"id": "call_b", "type": "function", "function": {"name": "clock", "arguments": "{}"}}


def content_cases():
    yield from plain_cases()
    yield from tool_cases()
    yield from reasoning_cases()
    yield from status_cases()
    yield from framing_cases()


def plain_cases():
    yield "content.text", answer(
        choice({"role": "assistant", "content": "hi"}, logprobs=None)), None
    yield "content.stream", {"chunks": [
        chunk(delta({"role": "assistant", "content": ""})),
        chunk(delta({"content": "h"}, logprobs={"content": []})),
        chunk(delta({"content": "i"})),
        chunk(delta({}, finish_reason="stop")),
        chunk(usage={"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}),
    ]}, None
    yield "content.empty", answer(choice(
        {"role": None, "content": "", "reasoning": "", "reasoning_content": None, "refusal": "",
         "tool_calls": None}, finish_reason=None)), None
    yield "content.refusal", answer(choice(
        {"role": "assistant", "content": None, "refusal": "I can't.", "tool_calls": []})), None
    yield "content.unfinished", {"chunks": [
        chunk(delta({"role": "assistant", "content": ""})),
        chunk(delta({"content": "half an ans"})),
    ]}, None
    yield "content.choices", answer(
        choice({"role": "assistant", "content": "two"}, index=1, finish_reason="length"),
        choice({"role": "assistant", "content": "one"}, index=0)), None
    yield "content.choices.stream", {"chunks": [
        chunk(delta({"role": "assistant", "content": ""}, index=1),
              delta({"role": "assistant", "content": ""}, index=0)),
        chunk(delta({"content": "t"}, index=1)), chunk(delta({"content": "one"}, index=0)),
        chunk(delta({"content": "wo"}, index=1, finish_reason="length")),
        chunk(delta({}, index=0, finish_reason="stop")),
    ]}, None
    # Composed and decomposed e-acute stay apart; U+2028 is not escaped, U+0007 and newline are.
    text = ("na\u00efve \u00e9 e\u0301 \u4f60\u597d \U0001f511\U0001f469\u200d\U0001f680 "
            "\u2028 \x07\n\t\"\\/\x7f")
    yield "content.unicode", answer(choice({"role": "assistant", "content": text})), None
    yield "content.unicode.stream", {"chunks": [
        chunk(delta({"role": "assistant", "content": text[:9]})),
        chunk(delta({"content": text[9:12]})),
        chunk(delta({"content": text[12:]}, finish_reason="stop")),
    ]}, None


def tool_cases():
    yield "content.tools", answer(choice(
        {"role": "assistant", "content": None, "tool_calls": [WEATHER, CLOCK]},
        finish_reason="tool_calls")), None
    yield "content.tools.stream", {"chunks": [
        chunk(delta({"role": "assistant"})),
        chunk(delta({"tool_calls": [call(0, "call_a", "weather", "")]})),
        chunk(delta({"tool_calls": [call(0, arguments="{\"city\": ")]})),
        chunk(delta({"tool_calls": [call(0, arguments="\"K\u00f6ln\"}")]})),
        chunk(delta({"tool_calls": [call(1, "call_b", "clock", "{}")]})),
        chunk(delta({}, finish_reason="tool_calls")),
    ]}, None
    yield "content.tools.out_of_order", {"chunks": [
        chunk(delta({"role": "assistant",
                     "tool_calls": [call(1, "call_b", "cl", "{"),
                                    call(0, "call_a", "weather", "")]})),
        chunk(delta({"tool_calls": [call(0, arguments="{\"city\": "), call(1, name="ock")]})),
        chunk(delta({"tool_calls": [call(1, arguments="}")]})),
        chunk(delta({"tool_calls": [call(0, arguments="\"K\u00f6ln\"}")]},
                    finish_reason="tool_calls")),
    ]}, None
    yield "content.tools.empty_arguments", answer(choice(
        {"role": "assistant", "content": "", "tool_calls": [
            {"id": "", "type": None, "function": {"name": "now", "arguments": ""}}]},
        finish_reason="tool_calls")), None
    yield "content.tools.sparse", {"chunks": [
        chunk(delta({"tool_calls": [call(3, "call_b", "clock", "{}")]})),
        chunk(delta({"tool_calls": [call(1, "call_a", "weather", "{}")]},
                    finish_reason="tool_calls")),
    ]}, "gaps between the indexes of tool calls close up"


def reasoning_cases():
    yield "content.reasoning", answer(choice(
        {"role": "assistant", "reasoning": "because", "content": "yes"})), None
    yield "content.reasoning_content", answer(choice(
        {"role": "assistant", "reasoning_content": "because", "content": "yes"})), None
    yield "content.reasoning.both", answer(choice(
        {"role": "assistant", "reasoning": "because", "reasoning_content": "because",
         "content": "yes"})), None
    yield "content.reasoning.empty_first", answer(choice(
        {"role": "assistant", "reasoning": "", "reasoning_content": "because",
         "content": "yes"})), None
    yield "content.reasoning.stream", {"chunks": [
        chunk(delta({"role": "assistant", "content": ""})),
        chunk(delta({"reasoning": "be", "reasoning_content": "be"})),
        chunk(delta({"reasoning": "cause", "reasoning_content": None})),
        chunk(delta({"reasoning_content": "cause"})),
        chunk(delta({"content": "yes"}, finish_reason="stop")),
    ]}, "the two reasonings are compared when the stream has ended, not chunk by chunk"
    yield "content.reasoning.ambiguous", answer(choice(
        {"role": "assistant", "reasoning": "because", "reasoning_content": "so", "content": "yes"}
    )), "content_uncovered is [] where the status is ambiguous"


def status_cases():
    yield "content.partial", answer(
        choice({"role": "assistant", "content": "hi", "annotations": [{"type": "x"}], "audio": None,
                "function_call": None}, stop_reason=128001, token_ids=None),
        system_fingerprint="fp_1", service_tier=None, prompt_logprobs=None), None
    yield "content.partial.nested", {"chunks": [
        chunk(delta({"role": "assistant", "tool_calls": [
            {**call(0, "call_a", "weather", "{}"), "extra": 0}]})),
        chunk(delta({"tool_calls": [
            {"index": 0, "function": {"arguments": "", "strict": False}}], "z\u00fc": ""},
            finish_reason="tool_calls")),
        chunk(error={"message": "late"}),
    ]}, "stream names carry the prefix `message.`; false, 0, empty texts and lists are not null"
    many = {f"extra_{number:02}": number for number in range(40)}
    yield "content.partial.many", answer(
        choice({"role": "assistant", "content": "hi"}), **many), "the first 32 after sorting"
    for name, first, second in (
        ("role", {"role": "assistant"}, {"role": "tool"}),
        ("call_id", {"tool_calls": [call(0, "call_a", "weather", "{}")]},
         {"tool_calls": [call(0, "call_b")]}),
    ):
        yield f"content.ambiguous.{name}", {"chunks": [
            chunk(delta(first)), chunk(delta(second, finish_reason="stop")),
        ]}, "content_uncovered is [] where the status is ambiguous"
    yield "content.ambiguous.finish_reason", {"chunks": [
        chunk(delta({"role": "assistant", "content": "hi"}, finish_reason="stop")),
        chunk(delta({}, finish_reason="length")),
    ]}, "content_uncovered is [] where the status is ambiguous"
    yield "content.stated_again", {"chunks": [
        chunk(delta({"role": "assistant", "tool_calls": [call(0, "call_a", "weather", "{")]})),
        chunk(delta({"role": "assistant", "tool_calls": [call(0, "call_a", arguments="}")]})),
        chunk(delta({"role": ""}, finish_reason="tool_calls")),
        chunk(delta({"role": None}, finish_reason="tool_calls")),
    ]}, "null and the empty text state nothing"
    yield "content.none", {"body": {
        "error": {"message": "no such model", "type": "not_found", "code": None, "param": None},
    }}, "content_uncovered is [] where the status is none"
    yield "content.none.stream", {"chunks": [{"error": {"message": "broken"}}]}, (
        "content_uncovered is [] where the status is none")
    yield "content.none.parts", answer(choice(
        {"role": "assistant", "content": [{"type": "text", "text": "hi"}]})), (
        "an answer whose text is no text is not a chat answer")


def framing_cases():
    """SSE: comments, CRLF, a field without a space, data over two lines, a cut event."""
    opened = '{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"h\u00e9"}}]}'
    closed = '{"choices":[{"index":0,"delta":{"content":"y"},\n"finish_reason":"stop"}]}'
    stream = (
        ": keep-alive\r\n\r\nevent: message\r\ndata: " + opened + "\r\n\r\n"
        + "id: 7\ndata:" + closed.replace("\n", "\ndata: ") + "\n\n"
    )
    yield "content.sse", {"stream": stream + "data: [DONE]\n\n"}, None
    cut = stream + 'data: {"choices":[{"index":0,"delta":{"content":"lost"}}]}\n'
    yield "content.sse.cut", {"stream": cut}, "an event that no blank line ended is not read"


def members_cases(plain):
    yield "members", plain, None
    yield "members.numbers", (
        '{"a":1.0,"b":-0,"c":1e21,"d":0.0000001,'
        '"e":9007199254740993,"f":[0.1,1e3,5e-324,123456789012345680000],"g":-1.50}'
    ), "values follow RFC 8785 3.2.2.3 for every number, not only integers below 2^53"
    yield "members.order", (
        '{"\ufb33":1,"\U0001f600":{"z":null,"a":[true,false,{"y":"\\u00e9\\/","\u00e9":""}]},'
        '"\\u20ac":3,"":4,"A":5,"a":6}'
    ), None
    yield "members.empty", "{}", None
    yield "members.not_object", "[1,2]", None
