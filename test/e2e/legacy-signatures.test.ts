/** The legacy text and its two signatures, by ethers and node:crypto. */
import { createHash, createPublicKey, verify } from 'node:crypto'
import { computeAddress, verifyMessage } from 'ethers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { WEATHER_TOOLS } from '../demo/model-raw-request.ts'
import { chat, chatBody, get, header, jsonObject } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')
/** RFC 8410: SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes. */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex')

let at: TestService
let attested: string
let legacyKey: string
beforeAll(async () => {
  at = await startTestService({ gpus: 1 })
  const { keyset } = jsonObject((await get(at, '/attestation')).body)
  const keys = isJsonObject(keyset) ? keyset['receipt_signing_keys'] : null
  const points = (Array.isArray(keys) ? keys : []).map((key) => {
    if (!isJsonObject(key)) throw new Error('not a key')
    return [String(key['algo']), String(key['public_key'])] as const
  })
  attested = computeAddress(`0x${new Map(points).get('countersign-eip191-secp256k1') ?? ''}`)
  legacyKey = new Map(points).get('countersign-legacy-ed25519') ?? ''
})
afterAll(() => at.close())

function verifyEd25519(text: string, signature: string, key: string): boolean {
  const der = Buffer.concat([ED25519_SPKI, Buffer.from(key, 'hex')])
  const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' })
  return verify(null, Buffer.from(text), publicKey, Buffer.from(signature, 'hex'))
}

const ASKS = [
  ['buffered', chatBody('hello')],
  ['streamed', chatBody('hello', { stream: true })],
  ['with tools', chatBody('[[tools]]', { tools: WEATHER_TOOLS, stream: true })],
  ['with two choices', chatBody('hello', { n: 2 })],
  [
    'spelled with spaces',
    `\n{ "seed" : 7, "messages": [ {"role":"user","content":"\\u0048i"} ],
    "model": "demo/words" }  `,
  ],
] as const

describe.each(ASKS)('the signature of an answer %s', (_, body) => {
  test('by EIP-191 verifies for ethers under the attested address, over the exact bytes', async () => {
    const reply = await chat(at, body)
    const id = header(reply, 'zg-res-key')
    for (const path of ['/v1/signature/', '/signature/', '/v1/proxy/signature/']) {
      const found = jsonObject((await get(at, path + id, { who: 'alice' })).body)
      const text = `${sha256(body)}:${sha256(reply.body)}`
      expect(found).toMatchObject({ text, signing_algo: 'ecdsa', signing_address: attested })
      expect(verifyMessage(text, String(found['signature']))).toBe(attested)
      expect(at.service.keys.address.address).toBe(attested)
    }
  })

  test('by Ed25519 verifies under the attested legacy key', async () => {
    const reply = await chat(at, body)
    const path = `/v1/signature/${header(reply, 'x-receipt-id')}?signing_algo=ed25519`
    const found = jsonObject((await get(at, path, { who: 'alice' })).body)
    const text = `${sha256(body)}:${sha256(reply.body)}`
    expect(found).toMatchObject({ text, signing_algo: 'ed25519', signing_address: legacyKey })
    expect(verifyEd25519(text, String(found['signature']), legacyKey)).toBe(true)
    expect(verifyEd25519(`${text} `, String(found['signature']), legacyKey)).toBe(false)
  })
})

test('twenty answers at once: every signature is of its own answer', async () => {
  const bodies = Array.from({ length: 20 }, (_, i) => chatBody(`question ${String(i)}`))
  const replies = await Promise.all(bodies.map((body) => chat(at, body)))
  const texts = await Promise.all(
    replies.map(async (reply, i) => {
      const path = `/v1/signature/${header(reply, 'x-receipt-id')}`
      const { text, signature } = jsonObject((await get(at, path, { who: 'alice' })).body)
      expect(text).toBe(`${sha256(bodies[i] ?? '')}:${sha256(reply.body)}`)
      expect(verifyMessage(String(text), String(signature))).toBe(attested)
      return text
    }),
  )
  expect(new Set(texts).size).toBe(20)
})

test('an unknown signing_algo is 400, and a closed door shows no text', async () => {
  const id = header(await chat(at, chatBody('x')), 'x-receipt-id')
  const bad = await get(at, `/v1/signature/${id}?signing_algo=rsa`, { who: 'alice' })
  expect([bad.status, bad.text.includes('invalid_signing_algo')]).toEqual([400, true])
  const closed = await startTestService({ doors: ['aci'] })
  const other = header(await chat(closed, chatBody('x')), 'x-receipt-id')
  const found = jsonObject((await get(closed, `/v1/signature/${other}`, { who: 'alice' })).body)
  expect(found).toMatchObject({ outcome: 'complete', receipt_id: other })
  expect(found['text']).toBeUndefined()
  await closed.close()
})
