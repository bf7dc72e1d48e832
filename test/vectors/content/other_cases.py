"""The other kinds: (id, title, framings, status, content, uncovered), the content written by hand."""

import base64
import struct
from hashlib import sha256

from framings import (backwards, block, bodies, body, compact, embeddings, item, message, message_end,
                      message_start, output_text, response, response_events, stream,
                      streams, text_block, text_choice, text_completion, text_item_events,
                      tool_block, vector)


def other_cases():
    yield from text_cases()
    yield from message_cases()
    yield from response_cases()
    yield from embedding_cases()


def text_cases():
    def content(*choices):
        return {"kind": "text/v1", "choices": list(choices)}

    def choice(text, reason="stop", index=0):
        return {"finish_reason": reason, "index": index, "text": text}

    text = "na\u00efve \U0001f511\u2028end"
    pieces = [text_completion(text_choice(piece, None)) for piece in text]
    usage = text_completion(usage={"prompt_tokens": 1})
    yield ("text-plain", "a text", [
        *bodies(text_completion(text_choice(text))),
        *streams([*pieces, text_completion(text_choice("", "stop")), usage],
                 [text_completion(text_choice(text)), usage])],
        "covered", content(choice(text)), [])
    yield ("text-empty", "absent, null and empty are the same", [
        *bodies(text_completion(text_choice("")), text_completion(text_choice(None)),
                text_completion({"index": 0, "finish_reason": "stop"})),
        *streams([text_completion(text_choice(None, None)), text_completion(text_choice(""))])],
        "covered", content(choice(None)), [])
    yield ("text-choices", "choices out of order, whose pieces come in turn", [
        *bodies(text_completion(text_choice("two", "length", 1), text_choice("one"))),
        *streams([text_completion(text_choice("tw", None, 1), text_choice("one", None, 0)),
                  text_completion(text_choice("o", "length", 1)),
                  text_completion(text_choice("", "stop", 0))])],
        "covered", content(choice("one"), choice("two", "length", 1)), [])
    yield ("text-index-limit", "the highest index",
           [*bodies(text_completion(text_choice("a", index=1023)))],
           "covered", content(choice("a", index=1023)), [])
    yield ("text-index-over", "an index above it",
           [*bodies(text_completion(text_choice("a", index=1024))),
            *streams([text_completion(text_choice("a", index=1024))])], "none", None, [])
    yield ("text-choice-twice", "one choice twice in one event",
           [*bodies(text_completion(text_choice("a"), text_choice("b"))),
            *streams([text_completion(text_choice("a", None), text_choice("b"))])],
           "none", None, [])
    yield ("text-partial", "members that are not covered",
           [*bodies(text_completion(text_choice("a", stop_reason=7, token_ids=[1]), extra="")),
            *streams([text_completion(text_choice("a", stop_reason=7, token_ids=[1]), extra="")])],
           "partial", content(choice("a")), ["choices.stop_reason", "choices.token_ids", "extra"])
    yield ("text-ambiguous", "a finish reason that changes",
           [*streams([text_completion(text_choice("a")),
                      text_completion(text_choice("", "length"))])], "ambiguous", None, [])
    yield ("text-none", "a text that is a list; no choices",
           [*bodies(text_completion(text_choice(["a"])), text_completion(),
                    {"object": "text_completion"}),
            *streams([text_completion(text_choice(["a"]))], [usage])], "none", None, [])


TOOL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
INPUT_TEXT = ('{"city": "K\u00f6ln", "b": [1.0, 1e21, -0, 0.1, 1e-7, 9007199254740993], "\u20ac": null,'
              ' "\\ud83d\\ude00": {"z": true, "a": ""}}')
# By RFC 8785 3.2.2.3 and 3.2.3: doubles, and names by UTF-16 code units.
INPUT = {"city": "K\u00f6ln", "b": [1, 1e21, 0, 0.1, 1e-7, 9007199254740992.0], "\u20ac": None,
         "\U0001f600": {"z": True, "a": ""}}


def message_cases():
    def content(*blocks, reason="end_turn", sequence=None, role="assistant"):
        return {"kind": "messages/v1", "content": list(blocks), "role": role,
                "stop_reason": reason, "stop_sequence": sequence}

    def said(kind, **members):
        return {"data": None, "id": None, "input": None, "name": None, "signature": None,
                "text": None, "thinking": None, "type": kind, **members}

    def both(buffered, *lists):
        return [*bodies(*buffered), *streams(*lists, named=True)]

    text = "Hello, w\u00f6rld \U0001f511\u2028!"
    yield ("messages-text", "a text", both(
        [message({"type": "text", "text": text})],
        [message_start(), {"type": "ping"}, *text_block(0, text, 1), *message_end()],
        [message_start(), *text_block(0, text, 100), *message_end()]),
        "covered", content(said("text", text=text)), [])
    yield ("messages-empty", "no content, and a block without a text", both(
        [message()], [message_start(), *message_end()]), "covered", content(), [])
    yield ("messages-empty-block", "absent, null and empty are the same", both(
        [message({"type": "text"}), message({"type": "text", "text": None}),
         message({"type": "text", "text": "", "signature": "", "name": None})],
        [message_start(), *block(0, {"type": "text"}, {"type": "text_delta", "text": ""}),
         *message_end()]),
        "covered", content(said("text")), [])
    yield ("messages-blocks", "blocks whose pieces come in turn, the second one first", both(
        [message({"type": "text", "text": "one"}, {"type": "text", "text": "two"})],
        [message_start(), *text_block(1, "two", 2), *text_block(0, "one", 1), *message_end()]),
        "covered", content(said("text", text="one"), said("text", text="two")), [])
    yield ("messages-thinking", "thinking with its signature, and some that is redacted", both(
        [message({"type": "thinking", "thinking": "Hm. \u2026", "signature": "c2ln"},
                 {"type": "redacted_thinking", "data": "ZGF0YQ=="},
                 {"type": "text", "text": "Yes."})],
        [message_start(),
         *block(0, {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": "Hm. "},
                {"type": "thinking_delta", "thinking": "\u2026"},
                {"type": "signature_delta", "signature": "c2ln"}),
         *block(1, {"type": "redacted_thinking", "data": "ZGF0YQ=="}),
         *text_block(2, "Yes.", 2), *message_end()]),
        "covered", content(said("thinking", thinking="Hm. \u2026", signature="c2ln"),
                           said("redacted_thinking", data="ZGF0YQ=="),
                           said("text", text="Yes.")), [])
    yield ("messages-tool", "a tool's input as a value: numbers are doubles, names are sorted", [
        body(compact(message({**TOOL, "input": "@"}, stop_reason="tool_use"))
             .replace('"@"', INPUT_TEXT)),
        body(compact(backwards(message({**TOOL, "input": "@"}, stop_reason="tool_use")))
             .replace('"@"', INPUT_TEXT), "body, members in reverse order"),
        *streams([message_start(), *tool_block(0, TOOL, INPUT_TEXT, 1), *message_end("tool_use")],
                 [message_start(), *tool_block(0, TOOL, INPUT_TEXT, 1000),
                  *message_end("tool_use")], named=True)],
        "covered", content(said("tool_use", id="toolu_1", name="weather", input=INPUT),
                           reason="tool_use"), [])
    yield ("messages-tool-empty", "an input that is empty is an object", both(
        [message(TOOL, stop_reason="tool_use")],
        [message_start(), *tool_block(0, TOOL, "", 1), *message_end("tool_use")],
        [message_start(), *tool_block(0, TOOL, "{ }", 1), *message_end("tool_use")]),
        "covered", content(said("tool_use", id="toolu_1", name="weather", input={}),
                           reason="tool_use"), [])
    no_input = {"type": "tool_use", "id": "toolu_1", "name": "weather"}
    yield ("messages-tool-absent", "an input that is absent or null is none", both(
        [message(no_input, stop_reason="tool_use"),
         message({**no_input, "input": None}, stop_reason="tool_use")],
        [message_start(), *block(0, no_input), *message_end("tool_use")]),
        "covered", content(said("tool_use", id="toolu_1", name="weather"), reason="tool_use"), [])
    for own, text_of in (("cut", '{"a":'), ("list", "[1]"), ("twice", '{"a":1,"a":1}'),
                         ("number", '{"a":1e999}'), ("surrogate", '{"a":"\\ud800"}'),
                         ("bom", '\ufeff{"a":1}'), ("deep", '{"a":' * 65 + "1" + "}" * 65)):
        yield (f"messages-input-{own}", f"an input text that is not the text of one object: {own}",
               [*streams([message_start(), *tool_block(0, TOOL, text_of, 2),
                          *message_end("tool_use")], named=True)], "none", None, [])
    yield ("messages-input-both", "an input at the start of a block and in its deltas", [
        *streams([message_start(), *tool_block(0, {**TOOL, "input": {"a": 1}}, '{"a":1}', 3),
                  *message_end("tool_use")], named=True)], "ambiguous", None, [])
    yield ("messages-input-other", "an input that is a text, in a body and at the start of a block",
           both([message({**TOOL, "input": "{}"}), message({**TOOL, "input": [1]})],
                [message_start(), *block(0, {**TOOL, "input": "{}"}), *message_end("tool_use")]),
           "none", None, [])
    yield ("messages-input-unspeakable", "an input in a body of which there is no canonical JSON", [
        body(compact(message({**TOOL, "input": "@"})).replace('"@"', own), f"spelling {number}")
        for number, own in enumerate(['{"a":1e999}', '{"a":["\\ud800"]}', '{"\\udc00":1}'])],
        "none", None, [])
    yield ("messages-input-repeated", "of a name that stands twice in a body the last one counts", [
        body(compact(message({**TOOL, "input": "@"}, stop_reason="tool_use"))
             .replace('"@"', '{"a":1,"a":2}'))],
        "covered", content(said("tool_use", id="toolu_1", name="weather", input={"a": 2}),
                           reason="tool_use"), [])
    yield ("messages-after-stop", "what follows message_stop says nothing", [
        *streams([message_start(), *text_block(0, "a", 1), *message_end(),
                  *text_block(1, "b", 1)],
                 [message_start(), *text_block(0, "a", 1), *message_end(),
                  message_start()], named=True)],
        "covered", content(said("text", text="a")), [])
    yield ("messages-stop-sequence", "a stop sequence, and a role that is not the default", both(
        [message({"type": "text", "text": "a"}, role="user", stop_reason="stop_sequence",
                 stop_sequence="\n\n")],
        [message_start(role="user"), *text_block(0, "a", 1),
         *message_end("stop_sequence", "\n\n")]),
        "covered", content(said("text", text="a"), reason="stop_sequence", sequence="\n\n",
                           role="user"), [])
    yield ("messages-start-content", "content in message_start counts like any other", both(
        [message({"type": "text", "text": "ab"}, role=None)],
        [message_start(content=[{"type": "text", "text": "a"}], role=None),
         {"type": "content_block_delta", "index": 0,
          "delta": {"type": "text_delta", "text": "b"}}, *message_end()]),
        "covered", content(said("text", text="ab")), [])
    yield ("messages-partial", "members, deltas and events that are not covered", [
        *streams([{**message_start(container={"id": "c"}), "extra": 0},
                  *block(0, {"type": "text", "text": "a", "citations": []},
                         {"type": "citations_delta", "citation": {"url": "u"}},
                         {"type": "text_delta", "text": "b", "more": 1}),
                  {"type": "other_event", "anything": 1},
                  {"type": "message_delta", "delta": {"stop_reason": "end_turn", "new": ""},
                   "usage": {}, "extra": None}, {"type": "message_stop"}], named=True)],
        "partial", content(said("text", text="ab")),
        ["container", "content.citation", "content.citations", "content.more",
         "event.citations_delta", "event.extra", "event.other_event", "new"])
    yield ("messages-ambiguous", "a stop reason that changes",
           [*streams([message_start(stop_reason="max_tokens"), *text_block(0, "a", 1),
                      *message_end()], named=True)], "ambiguous", None, [])
    yield ("messages-none-content", "a content that is a text, a block that is one, and no message", [
        *bodies(message(content="a"), message("a"), message(type="error"), {"content": []})],
        "none", None, [])
    for own, events in (
            ("block-twice", [message_start(), *text_block(0, "a", 1), *text_block(0, "b", 1)]),
            ("no-block", [message_start(), {"type": "content_block_delta", "index": 0,
                                            "delta": {"type": "text_delta", "text": "a"}}]),
            ("second-start", [message_start(), message_start()]),
            ("index", [message_start(), *text_block(1024, "a", 1)]),
            ("text", [message_start(), *block(0, {"type": "text", "text": 1})])):
        yield (f"messages-none-{own}", f"a stream that says no message: {own}",
               [*streams([*events, *message_end()], named=True)], "none", None, [])


def response_cases():
    def content(*output, status="completed", reason=None):
        return {"kind": "responses/v1", "incomplete_reason": reason, "output": list(output),
                "status": status}

    def said(*parts, kind="message", **more):
        return {"arguments": None, "call_id": None, "content": list(parts), "name": None,
                "role": "assistant", "summary": [], "type": kind, **more}

    def part(kind, text=None, refusal=None):
        return {"refusal": refusal, "text": text, "type": kind}

    def both(buffered, *lists):
        return [*bodies(*buffered), *streams(*lists, named=True)]

    text = "Hello, w\u00f6rld \U0001f511\u2028!"
    whole = response(item(output_text(text)))
    yield ("responses-text", "a text", both(
        [whole, {**whole, "output_text": text, "usage": {"x": 1}, "metadata": {"a": "b"}}],
        response_events(whole, *text_item_events(0, text, 1)),
        response_events(whole, *text_item_events(0, text, 100))),
        "covered", content(said(part("output_text", text))), [])
    yield ("responses-empty-end", "a terminator that repeats no output", both(
        [whole], response_events({**whole, "output": []}, *text_item_events(0, text, 5)),
        response_events({**whole, "output": None}, *text_item_events(0, text, 5))),
        "covered", content(said(part("output_text", text))), [])
    yield ("responses-end-only", "output in the terminator alone, or in output_item.done alone", both(
        [whole], response_events(whole),
        response_events(whole, {"type": "response.output_item.done", "output_index": 0,
                                "item": item(output_text(text))})),
        "covered", content(said(part("output_text", text))), [])
    yield ("responses-empty", "no output at all", both(
        [response()], response_events(response())), "covered", content(), [])
    yield ("responses-empty-part", "absent, null and empty are the same", both(
        [response(item(output_text(""))), response(item({"type": "output_text"})),
         response({**item({"type": "output_text", "text": None, "annotations": None}),
                   "name": "", "summary": None, "arguments": None})],
        response_events(response(item(output_text(""))), *text_item_events(0, "", 1))),
        "covered", content(said(part("output_text"))), [])
    tool = {"id": "fc_1", "type": "function_call", "call_id": "call_a", "name": "weather",
            "arguments": '{ "city":"K\u00f6ln" }', "status": "completed"}
    at = {"output_index": 0, "item_id": "fc_1"}
    yield ("responses-tool", "a function call", both(
        [response(tool)],
        response_events(
            response(tool),
            {"type": "response.output_item.added", "output_index": 0,
             "item": {**tool, "arguments": "", "status": "in_progress"}},
            *({"type": "response.function_call_arguments.delta", **at, "delta": piece}
              for piece in tool["arguments"]),
            {"type": "response.function_call_arguments.done", **at,
             "arguments": tool["arguments"], "name": "weather"},
            {"type": "response.output_item.done", "output_index": 0, "item": tool})),
        "covered", content(said(kind="function_call", role=None, call_id="call_a",
                                name="weather", arguments='{ "city":"K\u00f6ln" }')), [])
    thought = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Sum."}],
               "content": [{"type": "reasoning_text", "text": "Hm."}]}
    bare = {"id": "rs_1", "type": "reasoning", "summary": []}
    r_at = {"output_index": 0, "item_id": "rs_1"}
    yield ("responses-reasoning", "reasoning, its summary, then a message: items in turn", both(
        [response(thought, item(output_text("Yes.")))],
        response_events(
            response(thought, item(output_text("Yes."))),
            {"type": "response.output_item.added", "output_index": 0, "item": bare},
            {"type": "response.reasoning_text.delta", **r_at, "content_index": 0, "delta": "H"},
            {"type": "response.reasoning_text.delta", **r_at, "content_index": 0, "delta": "m."},
            {"type": "response.reasoning_summary_part.added", **r_at, "summary_index": 0,
             "part": {"type": "summary_text", "text": ""}},
            {"type": "response.reasoning_summary_text.delta", **r_at, "summary_index": 0,
             "delta": "Sum."},
            {"type": "response.reasoning_summary_text.done", **r_at, "summary_index": 0,
             "text": "Sum."},
            {"type": "response.reasoning_text.done", **r_at, "content_index": 0, "text": "Hm."},
            {"type": "response.output_item.done", "output_index": 0, "item": thought},
            *text_item_events(1, "Yes.", 2))),
        "covered", content(
            {**said(part("reasoning_text", "Hm."), kind="reasoning", role=None),
             "summary": [part("summary_text", "Sum.")]},
            said(part("output_text", "Yes."))), [])
    refusal = item({"type": "refusal", "refusal": "I will not."})
    p_at = {"output_index": 0, "item_id": "msg_1", "content_index": 0}
    yield ("responses-refusal", "a refusal", both(
        [response(refusal)],
        response_events(
            response(refusal),
            {"type": "response.output_item.added", "output_index": 0, "item": item()},
            {"type": "response.refusal.delta", **p_at, "delta": "I will"},
            {"type": "response.refusal.delta", **p_at, "delta": " not."},
            {"type": "response.refusal.done", **p_at, "refusal": "I will not."},
            {"type": "response.output_item.done", "output_index": 0, "item": refusal})),
        "covered", content(said(part("refusal", None, "I will not."))), [])
    cut = response(item(output_text("Hel")), status="incomplete",
                   incomplete_details={"reason": "max_output_tokens"})
    yield ("responses-incomplete", "an answer that was cut by its limit", both(
        [cut], response_events(cut, *text_item_events(0, "Hel", 1))),
        "covered", content(said(part("output_text", "Hel")), status="incomplete",
                           reason="max_output_tokens"), [])
    two = response(item(output_text("one")), item(output_text("two")))
    yield ("responses-shuffled", "items that come in another order than their indexes", both(
        [two], response_events(two, *text_item_events(1, "two", 1), *text_item_events(0, "one", 1))),
        "covered", content(said(part("output_text", "one")), said(part("output_text", "two"))), [])
    cited = {"type": "output_text", "text": "a", "annotations": [{"type": "url"}], "logprobs": [1],
             "more": 1}
    odd = response({**item(cited), "phase": "x"}, extra=1, output_text="b")
    yield ("responses-partial", "members and events that are not covered", [
        *bodies(odd),
        *streams(response_events(odd), named=True)],
        "partial", content(said(part("output_text", "a"))),
        ["extra", "output.content.annotations", "output.content.more", "output.phase"])
    other = response_events(whole, {"type": "response.web_search_call.searching",
                                    "output_index": 0, "query": "x"}, *text_item_events(0, text, 9))
    yield ("responses-partial-event", "an event of another type, with a member of another name",
           [*streams(other, named=True)], "partial", content(said(part("output_text", text))),
           ["event.query", "event.response.web_search_call.searching"])
    yield ("responses-ambiguous-output", "a terminator whose output differs from what came", [
        *streams(response_events(response(item(output_text("other"))),
                                 *text_item_events(0, text, 5)), named=True)],
        "ambiguous", None, [])
    wrong = text_item_events(0, text, 5)
    wrong[-3] = {**wrong[-3], "text": text + "!"}
    yield ("responses-ambiguous-done", "a text that is stated again and differs",
           [*streams(response_events(whole, *wrong), named=True)], "ambiguous", None, [])
    for own, middle in (
            ("no-item", [{"type": "response.output_text.delta", **p_at, "delta": "a"}]),
            ("item-twice", [*text_item_events(0, "a", 1)[:1] * 2]),
            ("part-twice", [*text_item_events(0, "a", 1)[:2], text_item_events(0, "a", 1)[1]]),
            ("index", [{"type": "response.output_item.added", "output_index": 1024, "item": item()}]),
            ("delta", [text_item_events(0, "a", 1)[0],
                       {"type": "response.output_text.delta", **p_at, "delta": 1}])):
        yield (f"responses-none-{own}", f"a stream that says no response: {own}",
               [*streams(response_events(response(), *middle), named=True)], "none", None, [])
    yield ("responses-after-end", "what follows the terminator says nothing",
           [*streams(response_events(whole) + response_events(two)[-1:],
                     response_events(whole) + text_item_events(1, "b", 1), named=True)],
           "covered", content(said(part("output_text", text))), [])


def doubles(*numbers):
    data = struct.pack(f"<{len(numbers)}d", *numbers)
    return {"dimensions": len(numbers), "vector": "sha256:" + sha256(data).hexdigest()}


def singles(*numbers):
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode("ascii")


def embedding_cases():
    def content(*data):
        return {"kind": "embeddings/v1",
                "data": [{"index": index, **own} for index, own in enumerate(data)]}

    def spelled(*texts):
        return [body('{"object":"list","model":"demo","data":[{"object":"embedding","index":0,'
                     f'"embedding":{text}}}]}}', f"spelling {number}") for number, text in enumerate(texts)]

    exact = (0.5, -1.25, 3.0, 1e10)
    yield ("embeddings-floats", "numbers that a single holds, as numbers and as base64", [
        *bodies(embeddings(vector(list(exact))), embeddings(vector(singles(*exact)), id="x", created=1)),
        *spelled("[0.5,-1.25,3,10000000000]", "[5e-1, -125E-2, 3.0, 1e+10]")],
        "covered", content(doubles(*exact)), [])
    yield ("embeddings-zero", "-0 is 0, in every spelling", [
        *spelled("[0,0,0]", "[-0,0.0,-0.0]", "[-0e5,0E-9,-0.00]",
                 f'"{singles(0.0, -0.0, -0.0)}"')],
        "covered", content(doubles(0.0, 0.0, 0.0)), [])
    yield ("embeddings-exponents", "numbers of every size, as doubles", [
        *spelled("[1e-7,1E21,5e-324,1.7976931348623157e308,0.1]",
                 "[0.0000001,1000000000000000000000,4.9e-324,17976931348623157e292,1e-1]")],
        "covered", content(doubles(1e-7, 1e21, 5e-324, 1.7976931348623157e308, 0.1)), [])
    yield ("embeddings-integers", "integers beyond 2^53 are the nearest double", [
        *spelled("[9007199254740992,9007199254740992,-9007199254740992,9007199254740994]",
                 "[9007199254740992,9007199254740993,-9007199254740993,9007199254740994]")],
        "covered", content(doubles(2.0**53, 2.0**53, -2.0**53, 2.0**53 + 2)), [])
    yield ("embeddings-underflow", "what is too small for a double is 0", [
        *spelled("[1e-400,-1e-400,0]", "[0,0,0]")], "covered", content(doubles(0.0, 0.0, 0.0)), [])
    single = struct.unpack("<f", struct.pack("<f", 0.1))[0]
    yield ("embeddings-single", "0.1 as a single is another number than 0.1", [
        *bodies(embeddings(vector(singles(0.1))), embeddings(vector([single])))],
        "covered", content(doubles(single)), [])
    yield ("embeddings-double", "and this is 0.1 as a double", [*bodies(embeddings(vector([0.1])))],
           "covered", content(doubles(0.1)), [])
    yield ("embeddings-subnormal", "the smallest singles", [
        *bodies(embeddings(vector(singles(1.401298464324817e-45, -1.1754942106924411e-38))),
                embeddings(vector([1.401298464324817e-45, -1.1754942106924411e-38])))],
        "covered", content(doubles(1.401298464324817e-45, -1.1754942106924411e-38)), [])
    yield ("embeddings-order", "vectors out of order", [
        *bodies(embeddings(vector([2], 1), vector([1, 1], 0), vector("AACAPw==", 2)))],
        "covered", content(doubles(1.0, 1.0), doubles(2.0), doubles(1.0)), [])
    yield ("embeddings-empty", "a vector of nothing", [
        *bodies(embeddings(vector([])), embeddings(vector("")))], "covered", content(doubles()), [])
    yield ("embeddings-partial", "members that are not covered", [
        *bodies(embeddings({**vector([1]), "truncated": False, "none": None}, note=""))],
        "partial", content(doubles(1.0)), ["data.truncated", "note"])
    for own, texts in (
            ("unpadded", ['"AACAPw"', '"AACAPw="']), ("bits", ['"AACAPx=="']),
            ("length", ['"AACAPwA="', '"AAAA"']), ("alphabet", ['"AACA_w=="', '"AACAPw==\\n"']),
            ("nan", ['"AADAfw=="', '"AACAfw=="', '"AACA/w=="']),
            ("overflow", ["[1e999]", "[-1e999]"]), ("types", ['["1"]', "[true]", "[null]", "[[1]]",
                                                              "null", "{}", "1"])):
        yield (f"embeddings-none-{own}", f"an embedding that is none: {own}", spelled(*texts),
               "none", None, [])
    yield ("embeddings-none-index", "an index that is too high, missing, or there twice", [
        *bodies(embeddings(vector([1], 16384)), embeddings({"embedding": [1]}),
                embeddings(vector([1], -1)), embeddings(vector([1]), vector([2])))],
        "none", None, [])
    yield ("embeddings-none-data", "no vector", [
        *bodies(embeddings(), {"object": "list"}, {"data": {}})], "none", None, [])
    yield ("embeddings-none-stream", "events are no embeddings", [
        stream(["[1]"], done=False)], "none", None, [])
