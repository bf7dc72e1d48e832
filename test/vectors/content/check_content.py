#!/usr/bin/env python3
"""Checks vectors of content by an implementation made from docs/protocol.md alone.

    python3 test/vectors/content/check_content.py FOLDER [NAME…]

Prints {name: [what is wrong…]}; exit 0 where nothing is.
"""

import json
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "stranger"))

from formats import content_digest  # noqa: E402
from jcs import jcs  # noqa: E402
from wire import bytes_of, read_answer  # noqa: E402


def problems(vector):
    expected, opening = vector["expected"], bytes.fromhex(vector["opening"])
    for framing in vector["framings"]:
        found = read_answer(vector["kind"], framing["form"], bytes_of(framing))
        content = found["content"]
        read = {
            "status": found["status"], "uncovered": found["uncovered"],
            "text": None if content is None else jcs(content),
            "digest": None if content is None else content_digest(opening, content),
        }
        for name in expected:
            if read[name] != expected[name]:
                yield f"{framing['name']}: {name} is {read[name]!r}"


def main(argv):
    if not argv:
        print(__doc__, file=sys.stderr)
        return 2
    folder, *names = argv
    found = {}
    for name in names or sorted(name for name in os.listdir(folder) if name.endswith(".json")):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            found[name] = list(problems(json.load(file)))
    print(json.dumps(found))
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
