#!/usr/bin/env python3
"""The checker against files made here: it accepts them, and each tampering fails its own check.

    python3 test/stranger/self_test.py
"""

import base64
import copy
import io
import json
import os
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "vectors")]

import check  # noqa: E402
import curves  # noqa: E402
import evidence  # noqa: E402
import formats as f  # noqa: E402
import generate as g  # noqa: E402
import jcs as j  # noqa: E402
from content import answer_chunks, chat_content  # noqa: E402

NONCES = g.nonces(5)
MINE = 2
CHALLENGE = "Y2hhbGxlbmdlLW9mLTIyLWJ5dGVz"
COMPOSE = '{"manifest_version": 2,\n "name": "d\u00e9mo"}'


def make_pki():
    """PEM root, PEM leaf and the leaf's private key, by openssl."""
    with tempfile.TemporaryDirectory() as folder:
        def path(name):
            return os.path.join(folder, name)

        def run(*arguments):
            result = curves.openssl(arguments)
            if result.returncode != 0:
                raise RuntimeError(result.stderr.decode())

        for name in ("root", "leaf"):
            run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-out", path(name + ".key"))
        run("req", "-x509", "-new", "-key", path("root.key"), "-subj", "/CN=Test Root", "-days",
            "30", "-addext", "keyUsage=critical,keyCertSign", "-out", path("root.pem"))
        run("req", "-new", "-key", path("leaf.key"), "-subj", "/CN=Test PCK", "-out", path("csr"))
        run("x509", "-req", "-in", path("csr"), "-CA", path("root.pem"), "-CAkey", path("root.key"),
            "-days", "30", "-out", path("leaf.pem"))
        return [check.read_file(path(name)) for name in ("root.pem", "leaf.pem", "leaf.key")]


def p256_sign(key, message):
    der = curves.openssl(["dgst", "-sha256", "-sign", "{key}", "{message}"],
                         key=key, message=message).stdout
    size = der[3]
    r, s = der[4 : 4 + size], der[6 + size :]
    return b"".join(part.lstrip(b"\x00").rjust(32, b"\x00") for part in (r, s))


ROOT, LEAF, LEAF_KEY = make_pki()


def little(number, size):
    return number.to_bytes(size, "little")


def make_quote(data, rtmr3):
    """Quote v4 in the layout of Intel's TDX DCAP; the PCK key doubles as attestation key."""
    header = bytes.fromhex("0400020081000000") + bytes(40)
    quote = header + bytes(472) + rtmr3 + data
    public = curves.openssl(["pkey", "-in", "{key}", "-pubout", "-outform", "DER"], key=LEAF_KEY)
    key, auth = public.stdout[-64:], b"auth data"
    report = bytes(320) + f.sha256(key + auth) + bytes(32)
    chain = LEAF + ROOT + b"\x00"
    certification = (report + p256_sign(LEAF_KEY, report) + little(len(auth), 2) + auth
                     + little(5, 2) + little(len(chain), 4) + chain)
    block = (p256_sign(LEAF_KEY, quote) + key + little(6, 2) + little(len(certification), 4)
             + certification)
    return quote + little(len(block), 4) + block + bytes(20)


def runtime_event(event, payload):
    return {"imr": 3, "event_type": evidence.RUNTIME_EVENT, "digest": "", "event": event,
            "event_payload": payload.hex()}


def make_document():
    root = f.tree_root(NONCES).hex()
    events = [
        runtime_event("system-preparing", b""),
        runtime_event("compose-hash", f.sha256(COMPOSE.encode())),
        runtime_event("system-ready", b""), runtime_event("compose-hash", b"the app's own"),
    ]
    boot_event = {"imr": 0, "event_type": 1, "digest": "00" * 48, "event": "", "event_payload": ""}
    document = {
        "api_version": "countersign/1", "boot_id": g.BOOT_ID, "round": g.ROUND,
        "issued_at": g.ISSUED_AT, "keyset": g.keyset(), "log": None,
        "config": {"gpu": {"required": 2}, "collateral": {"stapled": True}, "log": None},
        "nonce": {"value": NONCES[MINE].hex(), **g.proof(MINE, NONCES)},
        "evidence": {
            "tee_type": "tdx", "event_log": json.dumps([boot_event, *events]), "vm_config": "{}",
            "app_compose": COMPOSE, "collateral": [{"tcb_info": "…"}], "key_custody": None,
        },
        "warnings": [],
    }
    keys = f.jcs_digest(document["keyset"])
    text = f.gpu_nonce_text(g.BOOT_ID, keys, root, g.ROUND)
    report = b"\x11\xe0\x01\xff" + f.sha256(text.encode()) + bytes(1)
    inner = document["evidence"]
    inner["gpu"] = [
        {"arch": "HOPPER", "certificate": "", "evidence": base64.b64encode(report + tail).decode()}
        for tail in (b"first GPU", b"second GPU")
    ]
    own = f.statement({
        "boot_id": g.BOOT_ID, "round": g.ROUND, "issued_at": g.ISSUED_AT, "log": None,
        "keyset_digest": keys, "config_digest": f.jcs_digest(document["config"]),
        "gpu_evidence_digest": f.jcs_digest(inner["gpu"]),
        "collateral_digest": f.jcs_digest(inner["collateral"]),
    }, root)
    register = evidence.replay(evidence.read_event_log(inner["event_log"]))
    inner["quote"] = make_quote(f.report_data(own), register).hex()
    return document


def sse(*chunks):
    return b"".join(b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks) + (
        b"data: [DONE]\n\n")


STREAM = sse(
    {"id": "chatcmpl-1", "model": "demo-v2", "choices": [
        {"index": 0, "delta": {"role": "assistant", "content": "h\u00e9"}, "finish_reason": None}]},
    {"id": "chatcmpl-1", "model": "demo-v2", "choices": [
        {"index": 0, "delta": {"content": "y"}, "finish_reason": "stop"}]},
    {"id": "chatcmpl-1", "model": "demo-v2", "choices": [], "usage": {
        "prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 13}},
)


def make_record(document, response):
    record = g.demo_record()
    hashes = {**g.demo_hashes(), "returned": f.digest(response)}
    answer = chat_content(*answer_chunks(response))
    record.update(
        bodies=f.bodies_commitment(g.OPENING, **hashes), response_bytes=len(response),
        config_digest=f.jcs_digest(document["config"]), content_status=answer["status"],
        content_digest=f.content_digest(g.OPENING, answer["content"]),
    )
    return record, g.body_events(hashes)


def make_case(response=g.RESPONSE, view=False):
    """Everything a user would have saved, as bytes by option name, and the other options."""
    document = make_document()
    record, events = make_record(document, response)
    receipt = g.sign_receipt(f.receipt_of(record, [] if view else events, "receipt-1"))
    text = f.legacy_text(f.digest(g.REQUEST), f.digest(response))
    legacy = {"text": text, "receipt_id": record["receipt_id"], "outcome": "complete"}
    ed25519 = {
        **legacy, "signing_algo": "ed25519",
        "signing_address": curves.ed25519_public(g.LEGACY_SEED).hex(),
        "signature": curves.ed25519_sign(g.LEGACY_SEED, text.encode()).hex(),
    }
    eip191 = {
        **legacy, "signing_algo": "ecdsa", "signature": curves.eip191_sign(g.ADDRESS_SECRET, text),
        "signing_address": curves.address(curves.public_key(g.ADDRESS_SECRET)),
    }
    return {
        "document": json.dumps(document).encode(), "receipt": j.jcs_bytes(receipt),
        "request": g.REQUEST, "forwarded": g.FORWARDED, "response": response, "root": ROOT,
        "signature": [json.dumps(item).encode() for item in (eip191, ed25519)],
        "nonce": NONCES[MINE].hex(), "opening": g.OPENING.hex(), "challenge": CHALLENGE,
        "view": view,
    }


GOOD = make_case()


def judge(case):
    """(exit code, {check id: (status, why)}) of the command itself."""
    with tempfile.TemporaryDirectory() as folder:
        argv = ["--json"]
        for name, value in case.items():
            values = value if isinstance(value, list) else [value]
            for number, item in enumerate(values):
                if isinstance(item, bytes):
                    path = os.path.join(folder, f"{name}{number}")
                    with open(path, "wb") as file:
                        file.write(item)
                    argv += ["--" + name, path]
                elif item is True:
                    argv.append("--" + name)
                elif item not in (False, None):
                    argv += ["--" + name, str(item)]
        out = io.StringIO()
        with redirect_stdout(out):
            code = check.main(argv)
    checks = json.loads(out.getvalue())["checks"]
    return code, {item["id"]: (item["status"], item["why"]) for item in checks}


class Accepts(unittest.TestCase):
    def accepted(self, case, skipped=()):
        code, checks = judge(case)
        others = {name: result for name, result in checks.items() if result[0] != "ok"}
        self.assertEqual(sorted(others), sorted(skipped), others)
        self.assertEqual(code, 0)

    def test_all_checks_of_a_buffered_answer(self):
        self.accepted(GOOD)

    def test_all_checks_of_a_stream(self):
        self.accepted(make_case(STREAM))

    def test_a_view_without_its_body_hashes(self):
        self.accepted(make_case(view=True), [
            "bodies.commitment", "request.hash", "forwarded.hash", "response.hash",
            "response.bytes", "response.facts"])

    def test_a_document_carried_as_text(self):
        wrapped = json.dumps({"document": GOOD["document"].decode()}).encode()
        self.accepted({**GOOD, "document": wrapped})

    def test_content_that_an_intermediary_serialised_anew(self):
        again = json.dumps({"x": None, **json.loads(g.RESPONSE), "id": "rewritten"}).encode()
        case = {**make_case(view=True), "response": again}
        del case["signature"]
        code, checks = judge(case)
        self.assertEqual(checks["content.digest"], ("ok", ""))
        self.assertEqual(code, 0, checks)

    def test_a_member_that_the_user_lets_an_intermediary_add(self):
        shorter = g.REQUEST.replace(b',"temperature":0.7', b"")
        case = {**make_case(view=True), "request": shorter, "allow-added": ["temperature"]}
        del case["signature"]
        self.assertEqual(judge(case)[1]["members.digests"], ("ok", ""))
        case["allow-added"] = ["stream_options"]
        self.assertEqual(judge(case)[1]["members.digests"][0], "FAIL")

    def test_the_document_alone_and_says_what_it_skipped(self):
        code, checks = judge({"document": GOOD["document"], "nonce": GOOD["nonce"]})
        self.assertEqual(code, 0)
        self.assertEqual(checks["receipt.read"], ("skip", "no --receipt"))
        self.assertEqual(checks["quote.chain"], ("skip", "no --root given"))


class Refuses(unittest.TestCase):
    def refused(self, case, *expected):
        """Exit 1, and exactly the expected checks fail."""
        code, checks = judge(case)
        failed = sorted(name for name, result in checks.items() if result[0] == "FAIL")
        self.assertEqual(failed, sorted(expected), checks)
        self.assertEqual(code, 1)

    def with_document(self, edit):
        document = json.loads(GOOD["document"])
        edit(document)
        return {**GOOD, "document": json.dumps(document).encode()}

    def with_quote(self, at, value=None):
        def edit(document):
            quote = bytearray.fromhex(document["evidence"]["quote"])
            quote[at] = quote[at] ^ 1 if value is None else value
            document["evidence"]["quote"] = quote.hex()
        return self.with_document(edit)

    def with_receipt(self, edit, resign=True, sealed=True):
        """A receipt changed by whoever holds the key (`resign`), its record hash kept true."""
        receipt = json.loads(GOOD["receipt"])
        signature = receipt.pop("signature")
        edit(receipt)
        event = receipt["event_log"][-1]
        if sealed:
            event["record_hash"] = f.jcs_digest(f.record_of(receipt, event))
        receipt = g.sign_receipt(receipt) if resign else {**receipt, "signature": signature}
        return {**GOOD, "receipt": j.jcs_bytes(receipt)}

    def with_legacy(self, number, **changes):
        signatures = GOOD["signature"][:]
        signatures[number] = json.dumps({**json.loads(signatures[number]), **changes}).encode()
        return {**GOOD, "signature": signatures}

    # --- the document ---

    def test_another_boot_id_round_or_issue_time(self):
        for name, value, more in (
            ("boot_id", "00" * 32, ["gpu.nonce", "record.boot"]),
            ("round", "00" * 32, ["gpu.nonce"]), ("issued_at", g.ISSUED_AT + 1, []),
            ("log", {"origin": "o", "root": "00" * 32, "size": 1}, ["statement.log"]),
        ):
            with self.subTest(name):
                case = self.with_document(lambda doc, n=name, v=value: doc.update({n: v}))
                self.refused(case, "quote.report_data", *more)

    def test_a_swapped_keyset(self):
        def edit(document):
            document["keyset"]["receipt_signing_keys"][0]["public_key"] = "00" * 32
        self.refused(self.with_document(edit), "quote.report_data", "gpu.nonce", "receipt.keyset",
                     "receipt.signature")

    def test_one_key_under_two_roles(self):
        def edit(document):
            keys = document["keyset"]["receipt_signing_keys"]
            keys[1]["public_key"] = keys[0]["public_key"]
        self.refused(self.with_document(edit), "keyset.keys", "quote.report_data", "gpu.nonce",
                     "receipt.keyset")

    def test_an_address_in_the_key_id_that_is_not_the_keys(self):
        def edit(document):
            document["keyset"]["receipt_signing_keys"][2]["key_id"] = "address-0x" + "00" * 20
        self.refused(self.with_document(edit), "keyset.keys", "quote.report_data", "gpu.nonce",
                     "receipt.keyset")

    def test_an_expired_keyset(self):
        self.refused({**GOOD, "at": g.NOT_AFTER + 1, "root": None}, "keyset.not_after")

    def test_a_changed_configuration(self):
        self.refused(self.with_document(lambda doc: doc["config"].update(model="other")),
                     "quote.report_data", "record.boot")

    def test_simulation_that_was_not_asked_for(self):
        self.refused(self.with_document(lambda doc: doc["config"].update(simulation=True)),
                     "config.simulation", "quote.report_data", "record.boot")

    def test_gpu_evidence_left_out_or_one_report_twice(self):
        self.refused(self.with_document(lambda doc: doc["evidence"].update(gpu=None)), "gpu.digest")
        self.refused(self.with_document(lambda doc: doc["evidence"]["gpu"].pop()), "gpu.digest")

        def double(document):
            document["evidence"]["gpu"][1] = document["evidence"]["gpu"][0]
        self.refused(self.with_document(double), "quote.report_data", "gpu.nonce")

    def test_a_gpu_report_for_another_nonce(self):
        def edit(document):
            item = document["evidence"]["gpu"][1]
            report = bytearray(base64.b64decode(item["evidence"]))
            report[35] ^= 1
            item["evidence"] = base64.b64encode(report).decode()
        self.refused(self.with_document(edit), "quote.report_data", "gpu.nonce")

    def test_collateral_changed_or_left_out(self):
        self.refused(self.with_document(lambda doc: doc["evidence"].update(collateral=[])),
                     "quote.report_data")
        self.refused(self.with_document(lambda doc: doc["evidence"].update(collateral=None)),
                     "collateral.digest")

    def test_a_document_made_for_another_nonce(self):
        other = NONCES[0].hex()
        self.refused({**GOOD, "nonce": other}, "nonce.path")
        self.refused(
            {**self.with_document(lambda doc: doc["nonce"].update(value=other)), "nonce": other},
            "quote.report_data", "gpu.nonce")
        self.refused(self.with_document(lambda doc: doc.update(nonce=None)), "nonce.path")
        self.refused({**GOOD, "nonce": None}, "nonce.path")
        self.refused({**GOOD, "nonce": GOOD["nonce"].upper()}, "nonce.path")

    def test_a_nonce_path_too_short_too_long_or_out_of_range(self):
        for edit in (
            lambda proof: proof["path"].pop(), lambda proof: proof["path"].append("00" * 32),
            lambda proof: proof.update(index=5), lambda proof: proof.update(tree_size=4097),
            lambda proof: proof.update(index=True),
        ):
            self.refused(self.with_document(lambda doc, e=edit: e(doc["nonce"])), "nonce.path")

    def test_a_quote_with_other_report_data(self):
        self.refused(self.with_quote(600), "quote.report_data", "quote.signature")

    def test_a_quote_with_another_register(self):
        self.refused(self.with_quote(530), "eventlog.rtmr3", "quote.signature")

    def test_a_quote_with_a_broken_signature_key_or_qe_report(self):
        for at in (640, 702, 800, 1100):
            with self.subTest(at):
                self.refused(self.with_quote(at), "quote.signature")
        self.refused(self.with_quote(0, 3), "quote.read")

    def test_a_pck_chain_under_another_root(self):
        self.refused({**GOOD, "root": make_pki()[0]}, "quote.chain")

    def with_log(self, edit):
        def change(document):
            log = json.loads(document["evidence"]["event_log"])
            edit(log)
            document["evidence"]["event_log"] = json.dumps(log)
        return self.with_document(change)

    def test_an_event_log_with_a_swapped_payload_added_or_hidden_event(self):
        self.refused(self.with_log(lambda log: log[2].update(event_payload="00" * 32)),
                     "eventlog.rtmr3", "eventlog.compose")
        self.refused(self.with_log(lambda log: log.insert(3, log[2])), "eventlog.rtmr3",
                     "eventlog.compose")
        self.refused(self.with_log(lambda log: log[4].update(digest="00" * 48)), "eventlog.digests")
        self.refused(self.with_log(lambda log: log[4].update(event_type=0)), "eventlog.digests")
        self.refused(self.with_log(lambda log: log[4].update(imr=4)), "eventlog.digests")
        self.refused(self.with_log(lambda log: log[4].update(imr=2)), "eventlog.rtmr3")

    def test_another_compose_file(self):
        case = self.with_document(lambda doc: doc["evidence"].update(app_compose=COMPOSE + " "))
        self.refused(case, "eventlog.compose")

    def test_a_document_with_a_member_twice_or_no_json(self):
        for data in (GOOD["document"][:-1] + b',"boot_id":"x"}', b"\xff", b"[]", b"[" * 100000):
            self.refused({**GOOD, "document": data}, "document.read")

    # --- the receipt ---

    def test_a_receipt_whose_signature_does_not_cover_it(self):
        self.refused(self.with_receipt(lambda r: r.update(model="x"), resign=False),
                     "receipt.signature")

    def test_a_receipt_of_an_unknown_or_legacy_key(self):
        for key_id in ("unknown", "legacy-1"):
            self.refused(self.with_receipt(lambda r, k=key_id: r.update(key_id=k)),
                         "receipt.signature")

    def test_a_receipt_that_is_not_canonical_or_has_a_member_more(self):
        self.refused({**GOOD, "receipt": GOOD["receipt"] + b"\n"}, "receipt.read")
        self.refused(self.with_receipt(lambda r: r.update(extra=1)), "receipt.read")

    def test_a_receipt_of_another_keyset(self):
        self.refused(
            self.with_receipt(lambda r: r.update(workload_keyset_digest="sha256:" + "0" * 64)),
            "receipt.keyset")

    def test_a_receipt_served_after_the_keyset_expired(self):
        self.refused(self.with_receipt(lambda r: r.update(served_at=g.NOT_AFTER + 1)),
                     "receipt.not_after")

    def test_a_record_hash_of_another_record(self):
        self.refused(self.with_receipt(lambda r: r.update(endpoint="/v1/models"), sealed=False),
                     "record.hash")

    def test_events_out_of_order_missing_or_more(self):
        for edit in (lambda log: log.insert(0, log.pop(1)), lambda log: log.pop(0),
                     lambda log: log.insert(1, log[1])):
            self.refused(self.with_receipt(lambda r, e=edit: e(r["event_log"])), "receipt.events")
        self.refused({**GOOD, "view": True}, "receipt.events")

    def test_a_record_of_another_boot_or_configuration(self):
        for change in ({"boot_id": "00" * 32}, {"config_digest": f.digest(b"other")}):
            self.refused(self.with_receipt(lambda r, c=change: r["event_log"][-1].update(c)),
                         "record.boot")

    def test_an_outcome_that_the_rest_denies(self):
        for change in ({"outcome": "fine"}, {"status": 500}):
            self.refused(self.with_receipt(lambda r, c=change: r["event_log"][-1].update(c)),
                         "record.outcome", *(["legacy.receipt", "legacy2.receipt"]
                                             if "outcome" in change else []))
        self.refused(
            self.with_receipt(lambda r: r["event_log"][-1].update(finish_reasons=["abort"])),
            "record.outcome", "content.digest")

    def test_a_missing_challenge(self):
        self.refused(self.with_receipt(lambda r: r["event_log"][-1].update(challenge=None)),
                     "record.challenge")

    def test_another_opening(self):
        self.refused({**GOOD, "opening": "ff" * 32}, "bodies.commitment", "content.digest",
                     "members.digests")

    def test_a_body_hash_outside_the_commitment(self):
        def edit(receipt):
            receipt["event_log"][1]["body_hash"] = f.digest(b"other")
        self.refused(self.with_receipt(edit), "bodies.commitment", "forwarded.hash")

    def test_a_dropped_forwarding_event(self):
        self.refused(self.with_receipt(lambda r: r["event_log"].pop(1)), "bodies.commitment",
                     "forwarded.hash")

    # --- the bodies ---

    def test_a_changed_added_or_lost_request_member(self):
        for old, new, why in ((b"0.7", b"0.8", "changed"), (b"}]", b'}],"x":1', "lost"),
                              (b',"temperature":0.7', b"", "added")):
            case = {**GOOD, "request": g.REQUEST.replace(old, new)}
            self.refused(case, "request.hash", "members.digests", "legacy.text", "legacy2.text")
            self.assertIn(why, judge(case)[1]["members.digests"][1])

    def test_a_request_that_differs_in_spacing_only(self):
        self.refused({**GOOD, "request": g.REQUEST + b" "}, "request.hash", "legacy.text",
                     "legacy2.text")

    def test_another_answer(self):
        self.refused({**GOOD, "response": g.RESPONSE.replace(b'"hi"', b'"ho"')}, "response.hash",
                     "content.digest", "legacy.text", "legacy2.text")

    def test_a_stream_cut_before_its_end(self):
        case = make_case(STREAM)
        cut = STREAM[: STREAM.index(b"data: ", 10)]
        self.refused({**case, "response": cut}, "response.hash", "response.bytes",
                     "content.digest", "legacy.text", "legacy2.text")

    def test_another_answer_under_a_view(self):
        case = {**make_case(view=True), "response": g.RESPONSE.replace(b'"hi"', b'"ho"')}
        self.refused(case, "content.digest", "legacy.text", "legacy2.text")

    def test_facts_that_the_answer_denies(self):
        for edit in (
            lambda r: r.update(chat_id="chatcmpl-2"),
            lambda r: r["event_log"][-1].update(model_served="demo"),
            lambda r: r["event_log"][-1]["usage"].update(total_tokens=14),
        ):
            self.refused(self.with_receipt(edit), "response.facts")
        self.refused(self.with_receipt(lambda r: r["event_log"][-1].update(response_bytes=1)),
                     "response.bytes")

    def test_content_that_claims_to_be_uncovered(self):
        for change in ({"content_status": "none", "content_digest": None},
                       {"content_uncovered": ["x"]}, {"content_kind": "text/v1"}):
            self.refused(self.with_receipt(lambda r, c=change: r["event_log"][-1].update(c)),
                         "content.digest")

    def test_members_in_another_order(self):
        self.refused(
            self.with_receipt(lambda r: r["event_log"][-1]["members"].reverse()), "members.digests")

    # --- the legacy signature ---

    def test_a_legacy_text_of_other_bodies(self):
        text = f.legacy_text(f.digest(b"q"), f.digest(b"a"))
        signature = curves.eip191_sign(g.ADDRESS_SECRET, text)
        self.refused(self.with_legacy(0, text=text, signature=signature), "legacy.text")
        self.refused(self.with_legacy(1, text=text), "legacy2.text", "legacy2.signature")

    def test_a_legacy_text_of_another_form(self):
        self.refused(self.with_legacy(0, text="hello"), "legacy.read")

    def test_an_address_that_is_not_in_the_keyset(self):
        text = json.loads(GOOD["signature"][0])["text"]
        self.refused(self.with_legacy(0, signature=curves.eip191_sign(b"\x12" * 32, text)),
                     "legacy.signature")
        self.refused(self.with_legacy(0, signing_address="0x" + "00" * 20), "legacy.signature")

    def test_a_high_s_or_a_v_of_zero(self):
        signature = json.loads(GOOD["signature"][0])["signature"]
        s, v = int(signature[66:130], 16), int(signature[130:], 16)
        high = f"{signature[:66]}{curves.N - s:064x}{55 - v:02x}"
        for changed in (high, f"{signature[:130]}{v - 27:02x}", signature[2:]):
            self.refused(self.with_legacy(0, signature=changed), "legacy.signature")

    def test_the_receipt_key_in_place_of_the_legacy_key(self):
        text = json.loads(GOOD["signature"][1])["text"]
        self.refused(self.with_legacy(
            1, signing_address=curves.ed25519_public(g.RECEIPT_SEED).hex(),
            signature=curves.ed25519_sign(g.RECEIPT_SEED, text.encode()).hex()),
            "legacy2.signature")

    def test_a_legacy_signature_that_is_for_another_receipt(self):
        self.refused(self.with_legacy(0, receipt_id="other"), "legacy.receipt")


class Formats(unittest.TestCase):
    def test_numbers_are_written_as_ecmascript_writes_them(self):
        for text, expected in (
            ("1e21", "1e+21"), ("1E-7", "1e-7"), ("0.000001", "0.000001"), ("-0", "0"),
            ("-0.0", "0"), ("4.50", "4.5"), ("1.0", "1"),
            ("123456789012345680000", "123456789012345680000"),
            ("333333333.33333329", "333333333.3333333"), ("9007199254740993", "9007199254740992"),
            ("5e-324", "5e-324"), ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ):
            self.assertEqual(j.jcs(j.read_json(text)), expected)

    def test_hostile_json_is_refused(self):
        deep = "[" * 65 + "]" * 65
        for text in ('{"a":1,"a":1}', '{"a":1,"\\u0061":1}', '"\\ud800"', '{"\\udc00":1}', deep,
                     "NaN", "1e999", "[1,]", "\ufeff1", '"\n"', "01", ""):
            with self.subTest(text), self.assertRaises(j.Malformed):
                j.read_json(text)
        self.assertEqual(j.jcs(j.read_json("[" * 64 + "]" * 64)), "[" * 64 + "]" * 64)
        self.assertEqual(j.read_json('"\\ud83d\\ude00"'), "\U0001f600")

    def test_known_answers(self):
        self.assertEqual(curves.keccak256(b"").hex(),
                         "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")
        self.assertEqual(curves.address(curves.public_key(b"\x11" * 32)),
                         "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")
        # RFC 6979 over secp256k1, key 1: the answer that the Bitcoin libraries share.
        k = next(curves._nonces((1).to_bytes(32, "big"), f.sha256(b"Satoshi Nakamoto")))
        self.assertEqual(
            k, 0x8F8A276C19F4149656B280621E358CCE24F5F52542772691EE69063B74F15D15)
        self.assertEqual(f.tree_root([b""]).hex(),  # RFC 6962: the leaf of an empty entry
                         "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")

    def test_the_vectors_are_what_the_generator_writes(self):
        with redirect_stdout(io.StringIO()):
            self.assertEqual(g.main(["--check"]), 0)

    def test_a_changed_vector_file_is_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "protocol.json")
            with open(path, "w", encoding="ascii") as file:
                file.write(g.render().replace("a1", "a2", 1))
            with mock.patch.object(g, "TARGET", path), redirect_stderr(io.StringIO()):
                self.assertEqual(g.main(["--check"]), 1)

    def test_good_case_is_not_changed_by_the_tests(self):
        self.assertEqual(copy.deepcopy(GOOD)["receipt"], make_case()["receipt"])


if __name__ == "__main__":
    unittest.main()
