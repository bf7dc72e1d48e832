/**
 * The signature of an answer, asked for the moment it ended: both algorithms, over the exact bytes, by keys of the attested
 * keyset (reference of the vllm-proxy family; 0G's users' SDK 0.9.0 asks once and does not ask again).
 *
 * @module
 */
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { TrustedKeyset } from '../../attestation/appraiser/appraise-document.ts'
import { fromHex, toHex, toSha256Digest } from '../../attestation/protocol/hex.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import type { JsonValue } from '../../attestation/protocol/json.ts'
import { keyOfRole, LEGACY_ED25519_ALGO } from '../../attestation/protocol/keyset.ts'
import { legacyText, recoverEip191 } from '../../attestation/protocol/legacy-text.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import { callNode } from './call-node.ts'
import type { NodeAnswer, SmokeNode } from './call-node.ts'
import { found, passed } from './smoke-codes.ts'
import type { SmokeRow } from './smoke-codes.ts'

/** What 0G's SDKs and contracts take for an id; brokers fold its case. */
const RESPONSE_KEY = /^[a-z0-9_-]{1,64}$/
/** Members that 0G's broker removes from every answer on its way. */
const STRIPPED: readonly string[] = [
  ...['provider', 'is_byok', 'cost', 'cost_details', 'native_finish_reason', 'reasoning_details'],
]
/** SDKs put the model's name into the query as it is. */
const ODD_MODEL = 'org/mo%20del+x'

export type SigningAlgo = 'ecdsa' | 'ed25519'

interface Signed {
  readonly text: string
  readonly signature: string
  readonly address: string
}

function namesOf(value: JsonValue): readonly string[] {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).flatMap(namesOf)
  if (!isJsonObject(value)) return []
  return Object.entries(value).flatMap(([name, inner]) => [name, ...namesOf(inner ?? null)])
}

function readSigned({ json }: NodeAnswer, algo: SigningAlgo): Signed | string {
  if (json === null) return 'no JSON object'
  const { text, signature, signing_address: address, signing_algo: named } = json
  if (typeof text !== 'string' || typeof signature !== 'string' || typeof address !== 'string') {
    return 'text, signature and signing_address'
  }
  if (named !== algo) return `signing_algo is not ${algo}`
  const stripped = namesOf(json).filter((name) => STRIPPED.includes(name))
  return stripped.length > 0 ? `members ${stripped.join(', ')}` : { text, signature, address }
}

function signedBy(
  { text, signature, address }: Signed,
  algo: SigningAlgo,
  trusted: TrustedKeyset,
): 'ok' | 'signature_wrong' | 'signer_not_attested' {
  if (algo === 'ecdsa') {
    const signer = recoverEip191(text, signature, nodeCrypto)
    if (signer === null || signer !== address.toLowerCase()) return 'signature_wrong'
    return signer === trusted.address ? 'ok' : 'signer_not_attested'
  }
  const key = keyOfRole(trusted.keyset, LEGACY_ED25519_ALGO)
  const publicKey = fromHex(key?.public_key ?? '')
  const bytes = fromHex(signature.replace(/^0x/, ''))
  if (publicKey === null || address.replace(/^0x/, '').toLowerCase() !== toHex(publicKey)) {
    return 'signer_not_attested'
  }
  return bytes !== null && nodeCrypto.verifyEd25519(publicKey, toUtf8(text), bytes)
    ? 'ok'
    : 'signature_wrong'
}

/** @param trusted null where the service was not accepted: its signatures then prove nothing */
export async function probeSignature(
  node: SmokeNode,
  probe: string,
  algo: SigningAlgo,
  exchanged: NodeAnswer,
  trusted: TrustedKeyset | null,
): Promise<SmokeRow> {
  if (exchanged.status !== 200) return found(probe, 'not_tried', 'there is no answer')
  const id = exchanged.headers.get('zg-res-key')
  if (id === null || !RESPONSE_KEY.test(id)) {
    return found(probe, 'id_missing', id === null ? 'no ZG-Res-Key' : 'not of 0G’s form')
  }
  const path = `/signature/${id}?model=${ODD_MODEL}&signing_algo=${algo}`
  const answer = await callNode(node, { path })
  if (answer.status !== 200) return found(probe, 'signature_unavailable', `HTTP ${answer.status}`)
  const signed = readSigned(answer, algo)
  if (typeof signed === 'string') return found(probe, 'signature_fields', signed)
  const digest = (bytes: Uint8Array) => toSha256Digest(nodeCrypto.sha256(bytes))
  if (signed.text !== legacyText(digest(exchanged.sent), digest(exchanged.received))) {
    return found(probe, 'signature_other_bytes', 'the hashes differ')
  }
  if (trusted === null) return found(probe, 'not_tried', 'there is no accepted keyset')
  const result = signedBy(signed, algo, trusted)
  return result === 'ok' ? passed(probe, signed.address) : found(probe, result, signed.address)
}

/** Without a signature there must be none. */
export async function probeNoSignature(node: SmokeNode): Promise<SmokeRow> {
  const probe = 'signature.unknown'
  const { status, received } = await callNode(node, {
    path: '/signature/smoke-nobody-was-given-this',
  })
  if (status === 200) return found(probe, 'signature_of_nothing', 'HTTP 200')
  if (status !== 404) return found(probe, 'status_unexpected', `HTTP ${status} where 404 is right`)
  return parseJsonText(Buffer.from(received).toString('utf8')).ok
    ? passed(probe, 'HTTP 404')
    : found(probe, 'error_shape', 'no JSON')
}
