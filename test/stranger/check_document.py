"""Checks of the attestation document (docs/protocol.md 2 to 5)."""

import base64

from curves import address
from evidence import Quote, check_chain, read_event_log, replay, spdm_nonce, system_event
from formats import (
    gpu_nonce_text, jcs_digest, report_data, root_from_path, sha256, statement, unhex,
)
from runner import Skipped, need, same, unwrap

RECEIPT_ALGO = "ed25519"
LEGACY_ED25519 = "countersign-legacy-ed25519"
LEGACY_EIP191 = "countersign-eip191-secp256k1"
KEY_SIZES = {RECEIPT_ALGO: 32, LEGACY_ED25519: 32, LEGACY_EIP191: 33}


def check_document(checker, args, files):
    run = checker.run
    run("document.read", lambda: read_document(files))
    run("keyset.keys", keyset_keys, "document.read")
    run("keyset.digest", lambda doc: jcs_digest(doc["keyset"]), "document.read")
    run("keyset.not_after", lambda doc: not_expired(doc, args), "document.read")
    run("config.digest", lambda doc: jcs_digest(doc["config"]), "document.read")
    run("config.simulation", lambda doc: simulation(doc, args), "document.read")
    run("gpu.digest", gpu_digest, "document.read")
    run("collateral.digest", collateral_digest, "document.read")
    run("statement.log", log_head, "document.read")
    run("nonce.path", lambda doc: nonce_root(doc, args), "document.read")
    run("statement", build_statement, "document.read", "keyset.digest", "config.digest",
        "gpu.digest", "collateral.digest", "nonce.path")
    run("quote.read", lambda doc: Quote(unhex(doc["evidence"]["quote"])), "document.read")
    run("quote.report_data", lambda quote, text: same(
        quote.report_data.hex(), report_data(text).hex(), "report data"), "quote.read", "statement")
    run("quote.signature", lambda quote: quote.check_signature(), "quote.read")
    run("quote.chain", lambda chain: judge_chain(chain, args, files), "quote.signature")
    run("gpu.nonce", gpu_nonces, "document.read", "keyset.digest", "nonce.path")
    run("eventlog.digests", lambda doc: read_event_log(doc["evidence"]["event_log"]),
        "document.read")
    run("eventlog.rtmr3", lambda log, quote: same(
        quote.rtmr3.hex(), replay(log).hex(), "RTMR3"), "eventlog.digests", "quote.read")
    run("eventlog.compose", lambda doc, log: same(
        system_event(log, "compose-hash").hex(),
        sha256(doc["evidence"]["app_compose"].encode("utf-8")).hex(), "compose hash"),
        "document.read", "eventlog.digests")


def read_document(files):
    _, document = unwrap(files["document"])
    same(document["api_version"], "countersign/1", "api_version")
    same(document["evidence"]["tee_type"], "tdx", "tee_type")
    unhex(document["boot_id"], 32)
    unhex(document["round"], 32)
    return document


def keyset_keys(document):
    """Keys by id. An algorithm that is unknown here is passed over, a repeated key is not."""
    keys, seen = {}, set()
    keyset = document["keyset"]
    for entry in keyset["receipt_signing_keys"] + keyset["e2ee_public_keys"]:
        need(entry["key_id"] not in keys, f"key id {entry['key_id']} occurs twice")
        need(entry["public_key"] not in seen, f"the key of {entry['key_id']} occurs twice")
        keys[entry["key_id"]] = entry
        seen.add(entry["public_key"])
    for entry in keyset["receipt_signing_keys"]:
        if entry["algo"] not in KEY_SIZES:
            continue
        key = unhex(entry["public_key"], KEY_SIZES[entry["algo"]])
        if entry["algo"] == LEGACY_EIP191:
            need(entry["key_id"].endswith(address(key).lower().removeprefix("0x")),
                 "the key id does not end in the key's address")
    signing = [e["key_id"] for e in keyset["receipt_signing_keys"]]
    return {key_id: keys[key_id] for key_id in signing}


def not_expired(document, args):
    need(document["issued_at"] <= document["keyset"]["not_after"], "issued after not_after")
    if args.at is not None:
        need(args.at <= document["keyset"]["not_after"], "expired at the time given")


def simulation(document, args):
    if document["config"].get("simulation") not in (None, False):
        need(args.allow_simulated, "simulated evidence, and --allow-simulated was not given")
        raise Skipped("simulated: nothing here was made by hardware")


def gpu_digest(document):
    gpu, required = document["evidence"]["gpu"], document["config"]["gpu"]["required"]
    need(isinstance(required, int) and not isinstance(required, bool), "gpu.required is no number")
    if gpu is None:
        need(required == 0, "no GPU evidence where the configuration requires it")
        return None
    need(len(gpu) >= required, f"{len(gpu)} GPUs where {required} are required")
    return jcs_digest(gpu)


def collateral_digest(document):
    collateral = document["evidence"]["collateral"]
    if collateral is None:
        need(document["config"]["collateral"]["stapled"] is False,
             "no collateral where the configuration staples it")
        return None
    return jcs_digest(collateral)


def log_head(document):
    """Null only where the configuration says that there is no log; else of the log it names, of this boot."""
    log, promised = document["log"], document["config"]["log"]
    if promised is None:
        need(log is None, "a head of a log that the configuration does not name")
        return None
    need(log is not None, "no head of the log that the configuration names")
    need(set(log) == {"origin", "root", "size"}, "other members in the head")
    same(log["origin"], promised["name"] + "/" + document["boot_id"], "origin of the log")
    unhex(log["root"], 32)
    need(type(log["size"]) is int and log["size"] > 0, "size of the log")
    return log


def nonce_root(document, args):
    """Root from the verifier's own nonce; the value the document repeats proves nothing."""
    proof = document["nonce"]
    if args.nonce is None:
        need(proof is None, "the document answers a nonce; give your own with --nonce")
        return None
    need(proof is not None, "the document answers no nonce")
    same(proof["value"], args.nonce, "nonce")
    path = [unhex(item, 32) for item in proof["path"]]
    nonce = unhex(args.nonce, 32)
    return root_from_path(nonce, proof["index"], proof["tree_size"], path).hex()


def build_statement(document, keyset, config, gpu, collateral, root):
    return statement({
        "boot_id": document["boot_id"], "collateral_digest": collateral, "config_digest": config,
        "gpu_evidence_digest": gpu, "issued_at": document["issued_at"], "keyset_digest": keyset,
        "log": document["log"], "round": document["round"],
    }, root)


def judge_chain(chain, args, files):
    if "root" not in files:
        raise Skipped("no --root given")
    check_chain(chain, files["root"], args.at, args.allow_simulated)


def gpu_nonces(document, keyset, root):
    gpu = document["evidence"]["gpu"]
    if gpu is None:
        raise Skipped("no GPU evidence")
    text = gpu_nonce_text(document["boot_id"], keyset, root, document["round"])
    reports = [base64.b64decode(item["evidence"], validate=True) for item in gpu]
    need(len(set(reports)) == len(reports), "one report counted twice")
    for number, report in enumerate(reports):
        same(spdm_nonce(report).hex(), sha256(text.encode()).hex(), f"nonce of GPU {number}")
