#!/usr/bin/env python3
"""Writes the vectors of content: one file for each answer.

    python3 test/vectors/content/generate.py            write them
    python3 test/vectors/content/generate.py --check    exit 1 where one would change

The content that an answer says stands in the cases, by hand. It is written only where test/stranger,
made from docs/protocol.md alone, reads the same out of every framing. No code under test takes part.
"""

import json
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "stranger"))

import formats  # noqa: E402
from chat_cases import chat_cases  # noqa: E402
from jcs import jcs  # noqa: E402
from other_cases import other_cases  # noqa: E402
from wire import bytes_of, read_answer  # noqa: E402


def vectors():
    for name, title, framings, status, content, uncovered in [*chat_cases(), *other_cases()]:
        # Of the name, so that a new case changes no other one's file.
        opening = formats.sha256(b"opening of " + name.encode("ascii"))
        kind = {"chat": "chat/v1", "text": "text/v1", "messages": "messages/v1",
                "responses": "responses/v1", "embeddings": "embeddings/v1"}[name.split("-")[0]]
        expected = {
            "status": status, "uncovered": uncovered,
            "text": None if content is None else jcs(content),
            "digest": None if content is None else formats.content_digest(opening, content),
        }
        names = [framing["name"] for framing in framings]
        if len(set(names)) != len(names):
            raise AssertionError(f"{name}: two framings share a name")
        for framing in framings:
            found = read_answer(kind, framing["form"], bytes_of(framing))
            text = None if found["content"] is None else jcs(found["content"])
            read = (found["status"], found["uncovered"], text)
            if read != (status, uncovered, expected["text"]):
                yield name, f"{framing['name']}: {read} is not {expected}"
                break
        else:
            yield name, {"title": title, "kind": kind, "opening": opening.hex(),
                         "framings": framings, "expected": expected}


def render(vector):
    """A framing a line, in ASCII, so that no editor normalises the texts."""
    framings = ",\n  ".join(json.dumps(framing, ensure_ascii=True)
                            for framing in vector["framings"])
    whole = json.dumps({**vector, "framings": ["@"]}, indent=1, ensure_ascii=True)
    return whole.replace('"@"', framings, 1) + "\n"


def main(argv):
    if argv not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    found = list(vectors())
    wrong = [f"{name}: {why}" for name, why in found if isinstance(why, str)]
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    texts = {f"{name}.json": render(vector) for name, vector in found}
    if len(texts) != len(found):
        raise AssertionError("two vectors share a name")
    present = {name for name in os.listdir(HERE) if name.endswith(".json")}
    changed = sorted(present - set(texts))
    for name, text in texts.items():
        path = os.path.join(HERE, name)
        old = None
        if name in present:
            with open(path, encoding="ascii") as file:
                old = file.read()
        if old == text:
            continue
        changed.append(name)
        if not argv:
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
    if argv and changed:
        print("not as generate.py writes them: " + ", ".join(changed), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
