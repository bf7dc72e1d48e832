/** COSE receipts against readers of other people: a stock COSE library, and Python's standard library with openssl. */
import { spawnSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { Sign1 } from '@auth0/cose'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCoseReceipt } from '../../attestation/appraiser/receipt/parse-cose-receipt.ts'
import { COSE_EXTERNAL_AAD } from '../../attestation/protocol/cose-receipt.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toSha256Digest } from '../../attestation/protocol/hex.ts'
import { RECORD_PURPOSE, recordHash } from '../../attestation/protocol/record.ts'
import type { ReceiptRecord } from '../../attestation/protocol/record.ts'
import { createEd25519Signer } from '../../enclave/keys/ed25519-signer.ts'
import { coseReceipt } from '../../enclave/receipts/cose-receipt.ts'
import { issue } from '../appraiser/receipt.helpers.ts'
import { makeWorld } from '../appraiser/document.helpers.ts'

const SPKI = Buffer.from('302a300506032b6570032100', 'hex')
const AAD = Buffer.from(COSE_EXTERNAL_AAD)

const publicKeyOf = (raw: Uint8Array) =>
  createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' })

describe('a stock COSE library (@auth0/cose)', () => {
  const own = makeWorld()
  const issued = issue(own)

  test.each(['cose', 'coseView'] as const)(
    'verifies %s for who names its purpose',
    async (form) => {
      const message = Sign1.decode(issued[form])
      const key = publicKeyOf(own.keys.cose.publicKey)
      await expect(message.verify(key, { externalAAD: AAD })).resolves.toBeUndefined()
      await expect(message.verify(key)).rejects.toThrow()
      const other = publicKeyOf(own.keys.receipt.publicKey)
      await expect(message.verify(other, { externalAAD: AAD })).rejects.toThrow()
    },
  )
})

const digest = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => toSha256Digest(Uint8Array.from(bytes)))
const text = fc.string({ unit: 'grapheme', maxLength: 300 })
const count = fc.oneof(
  fc.nat(300),
  fc.nat(70_000),
  fc.maxSafeNat(),
  fc.constantFrom(23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
)

/** Any texts and numbers in the places of a record: the form, not the sense. */
const record: fc.Arbitrary<ReceiptRecord> = fc.record({
  backend: fc.option(text),
  bodies: digest,
  boot_id: fc.constant('b0'.repeat(32) as ReceiptRecord['boot_id']),
  challenge: fc.option(text),
  chat_id: fc.option(text),
  config_digest: digest,
  content_digest: digest,
  content_kind: fc.constant('chat/v1' as const),
  content_status: fc.constant('covered' as const),
  content_uncovered: fc.array(fc.string({ maxLength: 64 }), { maxLength: 32 }),
  endpoint: text,
  finish_reasons: fc.array(fc.option(text), { maxLength: 128 }),
  keyset_digest: digest,
  members: fc.option(
    fc
      .uniqueArray(fc.string({ maxLength: 64 }), { maxLength: 200 })
      .map((names) =>
        names
          .sort()
          .map((name) => ({ digest: toSha256Digest(nodeCrypto.sha256(Buffer.from(name))), name })),
      ),
  ),
  method: text,
  model_requested: fc.option(text),
  model_served: fc.option(text),
  outcome: fc.constant('complete' as const),
  purpose: fc.constant(RECORD_PURPOSE),
  receipt_id: fc.stringMatching(/^[a-z0-9_-]{1,64}$/),
  response_bytes: count,
  sequence: count,
  served_at: count,
  status: count,
  usage: fc.option(
    fc.record({ completion_tokens: count, prompt_tokens: count, total_tokens: count }),
  ),
})

describe('any record', () => {
  const signer = createEd25519Signer(Buffer.alloc(32, 6))
  const samples = fc.sample(record, { numRuns: 60, seed: 7 }).map((one) => {
    const hash = recordHash(one, nodeCrypto)
    const message = coseReceipt({ record: one, recordHash: hash, bodies: null, keyId: 'k' }, signer)
    return { record: one, hash, message }
  })

  test('is encoded and signed as Python and openssl do it, byte for byte', () => {
    const script = `
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import cbor
public = bytes.fromhex(sys.argv[2])
for line in sys.stdin:
    given = json.loads(line)
    payload, key_id = cbor.open_cose(bytes.fromhex(given["message"]), public)
    assert key_id == "k"
    assert payload == {"bodies": None, "record": given["record"], "record_hash": given["hash"]}
print("held")
`
    const stranger = fileURLToPath(new URL('../stranger', import.meta.url))
    const key = Buffer.from(signer.publicKey).toString('hex')
    const input = samples
      .map((one) => JSON.stringify({ ...one, message: Buffer.from(one.message).toString('hex') }))
      .join('\n')
    const run = spawnSync('python3', ['-c', script, stranger, key], { input, timeout: 60_000 })
    if (run.error !== undefined) {
      console.warn('SKIPPED: no python3 here, COSE receipts are not checked by a stranger')
      return
    }
    expect(run.stderr.toString()).toBe('')
    expect(run.stdout.toString()).toBe('held\n')
  })

  test('is read back as it was where it keeps the bounds of a record, and else refused', () => {
    let read = 0
    for (const { record: one, message } of samples) {
      const parsed = parseCoseReceipt(message)
      if (!parsed.ok) continue
      read++
      expect(parsed.receipt.record).toEqual(one)
      expect(
        nodeCrypto.verifyEd25519(signer.publicKey, parsed.receipt.signed, parsed.receipt.signature),
      ).toBe(true)
    }
    expect(read).toBeGreaterThan(samples.length / 2)
  })
})

test('no record with a number that is not whole is ever signed', () => {
  const signer = createEd25519Signer(Buffer.alloc(32, 6))
  const [one] = fc.sample(record, 1)
  if (one === undefined) throw new Error('no sample')
  for (const status of [0.5, 2 ** 53, Number.NaN, -0.1]) {
    const odd = { record: { ...one, status }, recordHash: one.bodies, bodies: null, keyId: 'k' }
    expect(() => coseReceipt(odd, signer)).toThrow(TypeError)
  }
})
