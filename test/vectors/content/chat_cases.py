"""Chat completions: (id, title, framings, status, content, uncovered), the content written by hand."""

from framings import (bodies, body, call, chat, chat_events, chunk, completion, delta, raw,
                      raw_bytes, said, stream, streams)


def content(*choices):
    return {"kind": "chat/v1", "choices": list(choices)}


def choice(text=None, reason="stop", index=0, **more):
    return {"content": text, "finish_reason": reason, "index": index, "reasoning": None,
            "refusal": None, "role": "assistant", "tool_calls": [], **more}


def tool(name, arguments, id="call_a"):  # pylint: disable=redefined-builtin
    return {"arguments": arguments, "id": id, "name": name, "type": "function"}


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
SEPARATORS = "a\u2028b\u2029c\u0085d\u00a0e\ufefff"
CONTROLS = "nul\u0000 tab\t cr\r lf\n bell\u0007 del\u007f quote\" back\\slash /slash"
NASTY_NAME = "\uffff", "\U00010000"


def chat_cases():
    yield from texts()
    yield from tools()
    yield from reasoning()
    yield from choices()
    yield from statuses()
    yield from framed()


def covered(name, title, framings, *found):
    return name, title, list(framings), "covered", content(*found), []


def texts():
    yield covered("chat-text", "a short text", chat(said({"content": "Hello, w\u00f6rld!"})),
                  choice("Hello, w\u00f6rld!"))
    yield covered(
        "chat-empty", "absent, null and empty are the same, streamed and buffered",
        [*bodies(completion(said({})), completion(said({"content": None})),
                 completion(said({"content": "", "refusal": "", "reasoning": "",
                                  "reasoning_content": None, "tool_calls": None})),
                 completion(said({"content": None, "tool_calls": []}))),
         *streams([chunk(delta({"role": "assistant", "content": ""})),
                   chunk(delta({"content": None})), chunk(delta({"content": ""}, "stop"))],
                  [chunk(delta({}, "stop"))])],
        choice(None))
    yield covered("chat-astral", "characters beyond the first plane, joined by ZWJ",
                  chat(said({"content": f"{FAMILY} \U0001d11e \U0010ffff"})),
                  choice(f"{FAMILY} \U0001d11e \U0010ffff"))
    yield covered("chat-separators", "U+2028 and others that some writers escape and some do not",
                  chat(said({"content": SEPARATORS})), choice(SEPARATORS))
    yield covered("chat-controls", "characters that JSON must escape",
                  chat(said({"content": CONTROLS})), choice(CONTROLS))
    yield covered("chat-nfc", "a composed letter; no text is normalised",
                  chat(said({"content": "caf\u00e9"})), choice("caf\u00e9"))
    yield covered("chat-nfd", "the same letter decomposed: another text",
                  chat(said({"content": "cafe\u0301"})), choice("cafe\u0301"))
    yield covered("chat-blank", "white space alone is a text",
                  chat(said({"content": " \r\n\t "})), choice(" \r\n\t "))
    yield covered("chat-json-text", "a text that is JSON stays a text, to the space",
                  chat(said({"content": '{ "b" : 1.0, "a":[ ] }'})),
                  choice('{ "b" : 1.0, "a":[ ] }'))
    yield covered(
        "chat-split-pair", "a surrogate pair of which two deltas bring one half each",
        [body(completion(said({"content": "a\U0001f600b"}))),
         *streams([chunk(delta({"content": "a\ud83d"})), chunk(delta({"content": "\ude00b"})),
                   chunk(delta({}, "stop"))])],
        choice("a\U0001f600b"))
    yield ("chat-lone-surrogate", "a text that is not Unicode has no digest",
           [body(completion(said({"content": "a\ud800b"}))),
            *streams([chunk(delta({"content": "a\ud800"})), chunk(delta({"content": "b"}, "stop"))],
                     [chunk(delta({"content": "a\udc00\ud800b"}, "stop"))])],
           "none", None, [])
    yield covered("chat-unfinished", "no finish reason", [
        *bodies(completion(said({"content": "cut"}, None))),
        *streams([chunk(delta({"content": "cu"})), chunk(delta({"content": "t"}))])],
        choice("cut", None))
    yield covered("chat-refusal", "a refusal in place of a text",
                  chat(said({"content": None, "refusal": "I will not."})),
                  choice(None, refusal="I will not."))
    yield covered("chat-role", "a role that is not the default, stated in a later delta", [
        *bodies(completion(said({"role": "tool", "content": "x"}))),
        *streams([chunk(delta({"role": "", "content": "x"})),
                  chunk(delta({"role": None})), chunk(delta({"role": "tool"}, "stop"))])],
        choice("x", role="tool"))


def tools():
    two = said({"content": None, "tool_calls": [
        call("weather", '{"city":"K\u00f6ln"}'), call("time", "{}", "call_b")]}, "tool_calls")
    expected = choice(None, "tool_calls", tool_calls=[
        tool("weather", '{"city":"K\u00f6ln"}'), tool("time", "{}", "call_b")])
    yield covered("chat-tools", "two tool calls", chat(two), expected)
    yield covered(
        "chat-tools-interleaved", "calls whose pieces come in turn, the second one first",
        streams([
            chunk(delta({"tool_calls": [{"index": 1, **call("time", "{", "call_b")}]})),
            chunk(delta({"tool_calls": [{"index": 0, **call("weather", '{"city":')}]})),
            chunk(delta({"tool_calls": [{"index": 1, "function": {"arguments": "}"}},
                                        {"index": 0, "function": {"arguments": '"K\u00f6ln"}'}}]})),
            chunk(delta({}, "tool_calls"))]),
        expected)
    yield covered(
        "chat-tools-late-id", "id, type and name come after the arguments began",
        [body(completion(said({"tool_calls": [call("f", "[1]")]}, "tool_calls"))),
         *streams([chunk(delta({"tool_calls": [{"index": 0, "function": {"arguments": "[1"}}]})),
                   chunk(delta({"tool_calls": [{"index": 0, "id": "", "type": None}]})),
                   chunk(delta({"tool_calls": [{"index": 0, "id": "call_a",
                                                "function": {"name": "f"}}]})),
                   chunk(delta({"tool_calls": [{"index": 0, "type": "function",
                                                "function": {"arguments": "]"}}]}, "tool_calls"))])],
        choice(None, "tool_calls", tool_calls=[tool("f", "[1]")]))
    yield covered(
        "chat-tools-empty-arguments", "arguments that are empty, null or absent",
        [*bodies(*(completion(said({"tool_calls": [
            {"id": "call_a", "type": "function", "function": own}]}, "tool_calls"))
            for own in ({"name": "f", "arguments": ""}, {"name": "f", "arguments": None},
                        {"name": "f"}))),
         *streams([chunk(delta({"tool_calls": [
             {"index": 0, "id": "call_a", "type": "function", "function": {"name": "f"}}]})),
             chunk(delta({}, "tool_calls"))])],
        choice(None, "tool_calls", tool_calls=[tool("f", None)]))
    yield covered(
        "chat-tools-verbatim", "arguments are a text and not a value: white space, order and numbers stay",
        chat(said({"tool_calls": [call("f", '{ "b":1.0,\n"a":9007199254740993, "b":-0 }')]},
                  "tool_calls")),
        choice(None, "tool_calls", tool_calls=[
            tool("f", '{ "b":1.0,\n"a":9007199254740993, "b":-0 }')]))
    yield covered(
        "chat-tools-place", "in a buffered message a call's place counts, whatever index it states",
        [body(completion(said({"tool_calls": [
            {**call("a", "1"), "index": 7}, {**call("b", "2", "call_b"), "index": 7}]},
            "tool_calls")))],
        choice(None, "tool_calls", tool_calls=[tool("a", "1"), tool("b", "2", "call_b")]))
    yield covered(
        "chat-tools-bare", "a call of which only the index is stated", [
            *streams([chunk(delta({"tool_calls": [{"index": 3}]})),
                      chunk(delta({}, "tool_calls"))])],
        choice(None, "tool_calls", tool_calls=[
            {"arguments": None, "id": None, "name": None, "type": None}]))


def reasoning():
    yield covered("chat-reasoning", "reasoning before the text",
                  chat(said({"reasoning": "Hm. \u2026", "content": "Yes."})),
                  choice("Yes.", reasoning="Hm. \u2026"))
    yield covered("chat-reasoning-content", "the other name for it",
                  chat(said({"reasoning_content": "Hm. \u2026", "content": "Yes."})),
                  choice("Yes.", reasoning="Hm. \u2026"))
    yield covered(
        "chat-reasoning-both", "both names that agree in the end, though not on the way",
        [*bodies(completion(said({"reasoning": "Hm.", "reasoning_content": "Hm.",
                                  "content": "Yes."}))),
         *streams([chunk(delta({"reasoning": "Hm", "reasoning_content": ""})),
                   chunk(delta({"reasoning": ".", "reasoning_content": "Hm."})),
                   chunk(delta({"content": "Yes."}, "stop"))])],
        choice("Yes.", reasoning="Hm."))
    yield ("chat-reasoning-differs", "both names, and they differ",
           [*bodies(completion(said({"reasoning": "Hm.", "reasoning_content": "Hm!",
                                     "content": "Yes."}))),
            *streams([chunk(delta({"reasoning": "Hm."})),
                      chunk(delta({"reasoning_content": "Hm!"})),
                      chunk(delta({"content": "Yes."}, "stop"))])],
           "ambiguous", None, [])


def choices():
    three = [said({"content": "one"}), said({"content": "two"}, "length", 1),
             said({"content": None, "refusal": "three"}, "stop", 2)]
    found = [choice("one"), choice("two", "length", 1), choice(None, "stop", 2, refusal="three")]
    yield covered("chat-choices", "three choices", chat(*three), *found)
    yield covered(
        "chat-choices-shuffled", "choices out of order, in a body and in a stream",
        [*bodies(completion(three[2], three[0], three[1])),
         *streams([chunk(delta({"content": "tw"}, index=1), delta({"refusal": "three"}, index=2)),
                   chunk(delta({"content": "one"}, "stop", 0)),
                   chunk(delta({}, "stop", 2), delta({"content": "o"}, "length", 1))])],
        *found)
    yield covered("chat-choices-sparse", "indexes with gaps stay what they are", [
        *bodies(completion(said({"content": "a"}, index=5), said({"content": "b"}, index=127))),
        *streams([chunk(delta({"content": "b"}, "stop", 127)),
                  chunk(delta({"content": "a"}, "stop", 5))])],
        choice("a", index=5), choice("b", index=127))
    yield covered("chat-index-spellings", "an index is a number: 1.0, 1e0 and 10E-1 are 1, -0 is 0", [
        body('{"object":"chat.completion","choices":['
             '{"index":1.0,"message":{"content":"b"},"finish_reason":"stop"},'
             '{"index":-0,"message":{"content":"a"},"finish_reason":"stop"}]}'),
        stream(['{"choices":[{"index":1e0,"delta":{"content":"b"}}]}',
                '{"choices":[{"index":-0.0,"delta":{"content":"a"},"finish_reason":"stop"}]}',
                '{"choices":[{"index":10E-1,"delta":{},"finish_reason":"stop"}]}'])],
        choice("a"), choice("b", index=1))
    yield ("chat-index-over", "an index above 127, of a choice or of a call",
           [*bodies(completion(said({"content": "a"}, index=128))),
            *streams([chunk(delta({"content": "a"}, "stop", 128))],
                     [chunk(delta({"tool_calls": [{"index": 128, **call("f", "1")}]}, "stop"))])],
           "none", None, [])
    yield ("chat-choices-twice", "one choice twice in one body, or in one event",
           [body(completion(said({"content": "a"}), said({"content": "a"})), "body"),
            stream([chunk(delta({"content": "a"}), delta({"content": "b"}, "stop"))])],
           "none", None, [])
    for own, index in (("absent", None), ("negative", -1), ("fraction", 0.5), ("text", "0")):
        bad = said({"content": "a"})
        bad["index"] = index
        if index is None:
            del bad["index"]
        streamed = delta({"content": "a"}, "stop")
        streamed.update({"index": index}) if index is not None else streamed.pop("index")
        yield (f"chat-index-{own}", f"an index that is none: {own}",
               [*bodies(completion(bad)), *streams([chunk(streamed)])], "none", None, [])


def statuses():
    more = {"stop_reason": "###", "zero": 0, "no": False, "empty": "", "list": [], "object": {},
            "null": None}
    yield ("chat-partial", "members that are not covered are named where they are not null, at every level",
           [*bodies(completion(
               {**said({"content": "a", "audio": {"id": "x"}, "annotations": [], "extra": None,
                        "tool_calls": [{**call("f", "1"), "extra": 1, "none": None,
                                        "function": {"name": "f", "arguments": "1", "more": ""}}]},
                       "tool_calls"), **more},
               system_fingerprint="fp", service_tier=None, kv_transfer_params={"a": 1})),
            *streams([
                chunk(delta({"content": "a", "audio": {"id": "x"}}), system_fingerprint="fp"),
                chunk(delta({"annotations": [], "extra": None, "tool_calls": [
                    {"index": 0, **call("f", "1"), "extra": 1,
                     "function": {"name": "f", "arguments": "1", "more": ""}}]})),
                chunk({**delta({}, "tool_calls"), **more}, kv_transfer_params={"a": 1})])],
           "partial",
           content(choice("a", "tool_calls", tool_calls=[tool("f", "1")])),
           ["choices.empty", "choices.list", "choices.no", "choices.object", "choices.stop_reason",
            "choices.zero", "kv_transfer_params", "message.annotations", "message.audio",
            "system_fingerprint", "tool_calls.extra", "tool_calls.function.more"])
    many = {f"m{number:02}": 1 for number in range(40)}
    yield ("chat-partial-many", "of more than 32 names the first ones stand",
           [*bodies(completion(said({"content": "a"}), **many))],
           "partial", content(choice("a")), [f"m{number:02}" for number in range(32)])
    yield ("chat-partial-order", "names are sorted by UTF-16 code units: U+10000 before U+FFFF",
           [*bodies(completion(said({"content": "a"}),
                               **{NASTY_NAME[0]: 1, NASTY_NAME[1]: 1, "Z": 1, "a": 1}))],
           "partial", content(choice("a")), ["Z", "a", NASTY_NAME[1], NASTY_NAME[0]])
    yield ("chat-partial-proto", "names that mean something to a programming language are names",
           [body('{"object":"chat.completion","choices":[{"index":0,"message":{"content":"a",'
                 '"__proto__":{"content":"b"},"constructor":1},"finish_reason":"stop"}]}'),
            stream(['{"choices":[{"index":0,"delta":{"content":"a","__proto__":{"content":"b"},'
                    '"constructor":1},"finish_reason":"stop"}]}'])],
           "partial", content(choice("a")), ["message.__proto__", "message.constructor"])
    long = "n" * 126
    yield ("chat-partial-long", "a name is cut to 128 UTF-16 code units, and half a pair becomes U+FFFD",
           [*bodies(completion(said({"content": "a"}), **{
               long + "xyz": 1, long + "xyw": 1, long + "w\U0001f600": 1, "half\ud800": 1}))],
           "partial", content(choice("a")),
           ["half\ufffd", long + "w\ufffd", long + "xy"])
    yield ("chat-lone-surrogate-named", "of a content without a digest no members are named",
           [*bodies(completion(said({"content": "\udc00", "extra": 1}), more=1)),
            *streams([chunk(delta({"content": "\udc00", "extra": 1}, "stop"), more=1)])],
           "none", None, [])
    yield ("chat-ambiguous-reason", "a finish reason that is stated again and differs",
           [*streams([chunk(delta({"content": "a"}, "stop")), chunk(delta({}, "length"))])],
           "ambiguous", None, [])
    yield ("chat-ambiguous-role", "a role that changes",
           [*streams([chunk(delta({"role": "assistant", "content": "a"})),
                      chunk(delta({"role": "user"}, "stop"))])],
           "ambiguous", None, [])
    yield ("chat-ambiguous-call", "the name of a call stated again and differing",
           [*streams([chunk(delta({"tool_calls": [{"index": 0, **call("read", "")}]})),
                      chunk(delta({"tool_calls": [{"index": 0, **call("delete", "{}")}]},
                                  "tool_calls"))])],
           "ambiguous", None, [])
    yield covered("chat-stated-again", "what is stated again and agrees changes nothing",
                  [*streams([chunk(delta({"role": "assistant", "content": "a"}, "stop")),
                             chunk(delta({"role": "assistant", "content": ""}, "stop"))])],
                  choice("a"))
    for own, members in (
            ("parts", {"content": [{"type": "text", "text": "a"}]}), ("number", {"content": 1}),
            ("true", {"refusal": True}), ("calls", {"tool_calls": {"0": call("f", "1")}}),
            ("call", {"tool_calls": ["f"]}), ("function", {"tool_calls": [{"index": 0, "function": "f"}]}),
            ("arguments", {"tool_calls": [
                {"index": 0, "function": {"name": "f", "arguments": {"a": 1}}}]})):
        yield (f"chat-none-{own}", f"another type than a chat answer has: {own}",
               [*bodies(completion(said(members))), *streams([chunk(delta(members, "stop"))])],
               "none", None, [])
    bare = call("f", "1")
    for own, place in (("absent", {}), ("null", {"index": None}), ("text", {"index": "0"})):
        yield (f"chat-none-call-index-{own}", f"a streamed call whose index is none: {own}",
               [*streams([chunk(delta({"tool_calls": [{**bare, **place}]}, "tool_calls"))])],
               "none", None, [])
    yield ("chat-none-both", "a choice with a delta and a message",
           [*bodies(completion({**said({"content": "a"}), "delta": {"content": "b"}})),
            *streams([chunk({**delta({"content": "a"}, "stop"), "message": {"content": "b"}})])],
           "none", None, [])
    yield ("chat-none-choices", "no choices: absent, null, or none in the list",
           [*bodies(completion(), {"object": "chat.completion", "choices": None},
                    {"object": "error", "message": "no"}),
            *streams([chunk(usage={"prompt_tokens": 1})])],
           "none", None, [])
    yield covered("chat-message-absent", "a buffered choice without a message says its finish reason",
                  [*bodies(completion({"index": 0, "finish_reason": "stop"}),
                           completion({"index": 0, "message": None, "finish_reason": "stop"}))],
                  choice(None))
    yield covered("chat-delta-absent", "a streamed choice without a delta says its finish reason",
                  [*streams([chunk(delta({"content": "a"})),
                             chunk({"index": 0, "finish_reason": "stop"})],
                            [chunk(delta({"content": "a"})), chunk(delta(None, "stop"))])],
                  choice("a"))
    yield covered("chat-never-part", "id, model, usage, created, logprobs are never part of it",
                  [*bodies(completion(said({"content": "a"}, logprobs={"content": [{"token": "b"}]}),
                                      logprobs=1, usage={"x": 1}),
                           {"choices": [said({"content": "a"})], "id": "x", "object": 7,
                            "created": "never", "model": None})],
                  choice("a"))


def framed():
    events = list(chat_events([said({"content": "one\n\ntwo"})], 3))
    plain = stream(events)["text"]
    expected = choice("one\n\ntwo")
    yield covered(
        "chat-sse", "framings of WHATWG HTML 9.2.6: line ends, comments, fields, byte-order mark",
        [raw(plain, "LF"), raw(plain.replace("\n", "\r\n"), "CRLF"),
         raw(plain.replace("\n", "\r"), "CR"), raw("\ufeff" + plain, "a byte-order mark first"),
         raw(": hi\n\n" + plain.replace("data: ", "event: message\nid: 1\nretry: 10\ndata:"),
             "names, ids, retry, comments"),
         raw(plain.replace("data: ", "other: x\ndata\r\n").replace("data\r\n", "data: "),
             "a field that nobody knows"),
         raw(plain.replace("\n\n", "\n\n\n\n: keep-alive\n\n"), "blank lines and comments between")],
        expected)
    yield covered(
        "chat-after-done", "what follows [DONE] says nothing",
        [raw(plain + stream([chunk(delta({"content": "three"}))], done=False)["text"], "an event"),
         raw(plain + "data: {\n\n", "what is no JSON"), raw(plain + "data: [DONE]\n\n", "[DONE]")],
        expected)
    cut_off = plain.replace("data: [DONE]\n\n", "")
    yield covered(
        "chat-cut-event", "an event that no blank line ended says nothing",
        [raw(cut_off + 'data: {"choices":[{"index":0,"delta":{"content":"three"}}]}\n', "no blank line"),
         raw(cut_off + 'data: {"choices":[{"index":0,"delta":{"content":"thr', "in the middle")],
        expected)
    yield covered(
        "chat-repeated-names", "of a member that stands twice the last one counts",
        [body('{"object":"chat.completion","choices":[],"choices":[{"index":3,"index":0,'
              '"message":{"content":"a","content":"b"},"finish_reason":"stop"}]}'),
         stream(['{"choices":[{"index":0,"delta":{"content":"a","content":"b"},'
                 '"finish_reason":null,"finish_reason":"stop"}]}'])],
        choice("b"))
    yield covered(
        "chat-escapes", "however characters are escaped, the text is the same",
        [body('{"object":"chat.completion","choices":[{"index":0,"message":{"content":'
              '"\\u0041\\/\\u00E9\\ud83d\\ude00\\b\\u000a"},"finish_reason":"stop"}]}', "escaped"),
         body(completion(said({"content": "A/\u00e9\U0001f600\b\n"})), "as it is"),
         stream(['{"choices":[{"index":0,"delta":{"content":"\\u0041\\/\\u00E9\\uD83D\\uDE00'
                 '\\b\\u000a"},"finish_reason":"stop"}]}'])],
        choice("A/\u00e9\U0001f600\b\n"))
    broken = stream([chunk(delta({"content": "a@b"}, "stop"))])["text"].encode("ascii")
    yield covered(
        "chat-broken-utf8", "a byte of a stream that is no UTF-8 is read as U+FFFD, as readers of events do",
        [raw_bytes(broken.replace(b"@", b"\xff"), "a byte that never stands in UTF-8"),
         raw_bytes(broken.replace(b"@", b"\xe2\x82"), "a character that was cut"),
         body(completion(said({"content": "a\ufffdb"})), "the same, buffered")],
        choice("a\ufffdb"))
