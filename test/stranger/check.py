#!/usr/bin/env python3
"""A stranger's checker: recomputes what docs/protocol.md promises from saved files.

    python3 check.py --document attestation.json --nonce HEX --receipt receipt.json --opening HEX \
        --request request.bin --response response.bin [--forwarded F] [--signature S]… [--view]

Python's standard library and the openssl command only. One line a check: `ok ID`, `FAIL ID why`
or `skip ID why`. Exit 0 when nothing failed, else 1. A skip is never a pass: what must hold has to
be asked for with its file. Not judged here: revocation and TCB of the platform, the GPU's
signature and firmware, the signature chain of key custody.
"""

import argparse
import json
import sys

sys.dont_write_bytecode = True

from check_document import check_document  # noqa: E402
from check_legacy import check_legacy  # noqa: E402
from check_receipt import check_receipt  # noqa: E402
from runner import Checker  # noqa: E402


def read_arguments(argv):
    parser = argparse.ArgumentParser(description="Check saved Countersign files.")
    for name in ("document", "receipt", "request", "forwarded", "response", "root"):
        parser.add_argument("--" + name, metavar="FILE", required=name == "document")
    parser.add_argument("--signature", metavar="FILE", action="append", default=[])
    for name in ("nonce", "opening", "challenge"):
        parser.add_argument("--" + name)
    parser.add_argument("--allow-added", metavar="NAME", action="append", default=[],
                        help="request member that an intermediary may add, as stream_options")
    parser.add_argument("--at", type=int, help="unix seconds at which to judge dates")
    parser.add_argument("--view", action="store_true", help="the receipt is a view")
    parser.add_argument("--allow-simulated", action="store_true")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def check_all(args):
    checker, files = Checker(), {}
    for name in ("document", "receipt", "request", "forwarded", "response", "root"):
        path = getattr(args, name)
        if path is not None:
            files[name] = read_file(path)
    check_document(checker, args, files)
    check_receipt(checker, args, files)
    for number, path in enumerate(args.signature):
        check_legacy(checker, read_file(path), number, files)
    return checker.checks


def main(argv):
    args = read_arguments(argv)
    checks = check_all(args)
    if args.json:
        print(json.dumps({"checks": checks}))
    else:
        for check in checks:
            print(" ".join(filter(None, (check["status"], check["id"], check["why"]))))
    return 1 if any(check["status"] == "FAIL" for check in checks) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
