/** The byte-exact vectors of the ACI specification, through the code that the service and the verifier share. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { aciReportData } from '../../attestation/protocol/aci-statement.ts'
import { isHex32 } from '../../attestation/protocol/hex.ts'
import { canonicalize } from '../../attestation/protocol/jcs.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { keysetDigest, parseKeyset } from '../../attestation/protocol/keyset.ts'
import { createEd25519Signer } from '../../enclave/keys/ed25519-signer.ts'

const FILE = new URL('../../../shared/fixtures/aci/vectors.json', import.meta.url)
const there = existsSync(FILE)
if (!there) console.warn('SKIPPED: no shared/fixtures/aci/vectors.json beside the checkout')

function object(text: string): JsonObject {
  const parsed = parseJsonText(text)
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new Error('not an object')
  return parsed.value
}

const vectors = there ? object(readFileSync(FILE, 'utf8')) : {}
const text = (name: string): string => {
  const value = vectors[name]
  if (typeof value !== 'string') throw new Error(`no vector ${name}`)
  return value
}
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe.skipIf(!there).each([
  ['node', nodeCrypto],
  ['noble', nobleCrypto],
])('ACI vectors under %s crypto', (_, crypto) => {
  const keyset = () => {
    const parsed = parseKeyset(object(text('keyset_jcs')))
    if (!parsed.ok) throw new Error(parsed.detail)
    return parsed.keyset
  }

  test('keyset: canonical bytes and digest', () => {
    expect(canonicalize(keyset())).toBe(text('keyset_jcs'))
    expect(keysetDigest(keyset(), crypto)).toBe(text('workload_keyset_digest'))
  })

  test('statement and report data, with a nonce and without', () => {
    const nonce = text('nonce')
    if (!isHex32(nonce)) throw new Error('the nonce is no nonce')
    const digest = keysetDigest(keyset(), crypto)
    expect(hex(aciReportData(digest, nonce, crypto))).toBe(text('report_data_32'))
    expect(hex(aciReportData(digest, null, crypto))).toBe(text('report_data_32_null_nonce'))
    expect(text('report_data_64')).toBe(text('report_data_32') + '00'.repeat(32))
    expect(hex(crypto.sha256(Buffer.from(text('statement'))))).toBe(text('report_data_32'))
  })

  test('receipt: signing input, signature and document', () => {
    const document = object(text('receipt_document'))
    const { signature, ...unsigned } = document
    expect(canonicalize(unsigned)).toBe(text('receipt_signing_input'))
    expect(canonicalize(document)).toBe(text('receipt_document'))
    expect(signature).toBe(text('receipt_signature'))
    const { keys } = vectors
    const key = isJsonObject(keys) ? keys['receipt-1'] : null
    const { seed_hex: seed, public_key: point } = isJsonObject(key) ? key : {}
    if (typeof seed !== 'string' || typeof point !== 'string') throw new Error('no key')
    const signer = createEd25519Signer(Buffer.from(seed, 'hex'))
    expect(hex(signer.publicKey)).toBe(point)
    const input = Buffer.from(text('receipt_signing_input'))
    expect(hex(signer.sign(input))).toBe(text('receipt_signature'))
    const bytes = Buffer.from(text('receipt_signature'), 'hex')
    expect(crypto.verifyEd25519(Buffer.from(point, 'hex'), input, bytes)).toBe(true)
    bytes[0] = (bytes[0] ?? 0) ^ 1
    expect(crypto.verifyEd25519(Buffer.from(point, 'hex'), input, bytes)).toBe(false)
  })
})
