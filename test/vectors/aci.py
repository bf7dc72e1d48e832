"""Reproduces the vectors that the ACI specification publishes (api_version aci/1)."""

import curves
import formats as f
import jcs as j


def self_test(path):
    """Our JCS, keyset, statement and receipt code against ACI's own vectors."""
    with open(path, "rb") as file:
        aci = j.read_json(file.read())
    keys = j.read_json(aci["keyset_jcs"])
    seed = bytes.fromhex(aci["keys"]["receipt-1"]["seed_hex"])
    receipt = j.read_json(aci["receipt_document"])
    signature = receipt.pop("signature")

    def aci_statement(nonce):
        return j.jcs({"keyset_digest": f.jcs_digest(keys), "nonce": nonce,
                      "purpose": "aci.report_data.v1"})

    session = j.jcs(j.read_json(aci["session_jcs"]))
    own = {
        "keyset_jcs": j.jcs(keys),
        "workload_keyset_digest": f.jcs_digest(keys),
        "statement": aci_statement(aci["nonce"]),
        "report_data_32": f.sha256(aci_statement(aci["nonce"]).encode()).hex(),
        "report_data_64": f.sha256(aci_statement(aci["nonce"]).encode()).hex() + "00" * 32,
        "statement_null_nonce": aci_statement(None),
        "report_data_32_null_nonce": f.sha256(aci_statement(None).encode()).hex(),
        "receipt_signing_input": j.jcs(receipt),
        "receipt_signature": curves.ed25519_sign(seed, j.jcs_bytes(receipt)).hex(),
        "receipt_document": j.jcs({**receipt, "signature": signature}),
        "session_jcs": session,
        "session_id": f.sha256(session.encode()).hex(),
    }
    wrong = [name for name, value in own.items() if value != aci[name]]
    public = aci["keys"]["receipt-1"]["public_key"]
    if curves.ed25519_public(seed).hex() != public:
        wrong.append("keys.receipt-1")
    if not curves.ed25519_verify(bytes.fromhex(public), j.jcs_bytes(receipt),
                                 bytes.fromhex(signature)):
        wrong.append("receipt_signature does not verify")
    for name in wrong:
        print(f"FAIL {name}")
    print(f"{len(own) + 2 - len(wrong)} reproduced, {len(wrong)} failed")
    return 1 if wrong else 0
