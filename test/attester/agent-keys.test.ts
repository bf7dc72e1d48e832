import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { callGuestAgent } from '../../attestation/attester/dstack/call-guest-agent.ts'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import type { AgentKeyRequest } from '../../attestation/attester/dstack/guest-agent.ts'
import { GuestAgentError } from '../../attestation/attester/dstack/guest-agent-error.ts'
import { openGuest } from '../../attestation/attester/dstack/open-guest.ts'
import { fromHex } from '../../attestation/protocol/hex.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { AGENT_RELEASES } from '../../attestation/simulator/dstack/agent-releases.ts'
import { createAppKeys } from '../../attestation/simulator/dstack/app-keys.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import type { KeyProviderName } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { startGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import type { RunningGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import { deriveAddressKey, openAddressKey } from '../../src/service/open-address-key.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-keys-'))
const behind = join(folder, 'behind.sock')
const between = join(folder, 'dstack.sock')
const guest = createSimulatedGuest({ composeText: '{}', now: new Date() })
/** What changes an answer of GetKey on its way. */
let change: (answer: JsonObject, request: JsonObject) => JsonObject = (answer) => answer
let agent: RunningGuestAgent
let proxy: Server

async function bodyOf(request: AsyncIterable<Buffer>): Promise<JsonObject> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const parsed = parseJson(Buffer.concat(chunks))
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value : {}
}

beforeAll(async () => {
  agent = await startGuestAgent(guest, { socketPath: behind })
  proxy = createServer((request, response) => {
    void (async () => {
      const method = (request.url ?? '').slice(1)
      const asked = await bodyOf(request)
      const { value } = await callGuestAgent(behind, method, asked)
      response.end(JSON.stringify(method === 'GetKey' ? change(value, asked) : value))
    })()
  })
  await new Promise<void>((resolve) => proxy.listen(between, resolve))
})
afterEach(() => {
  change = (answer) => answer
})
afterAll(async () => {
  await new Promise((resolve) => proxy.close(resolve))
  await agent.close()
  rmSync(folder, { recursive: true })
})

const REQUEST: AgentKeyRequest = { path: 'p', purpose: 'q', algorithm: 'secp256k1' }
const connected = connectGuestAgent(between)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

async function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'given',
    (error: unknown) => {
      if (!(error instanceof GuestAgentError)) throw error
      return `${error.code} ${error.message}`
    },
  )
}

describe('a key whose chain is not its own', () => {
  const stranger = createAppKeys(guest.appId, true)
  const from = (keys: typeof stranger, asked: JsonObject) => {
    const request = { ...REQUEST, path: String(asked['path']), purpose: String(asked['purpose']) }
    const { key, signatureChain } = keys.derive(request)
    return { key: hex(key), signature_chain: signatureChain.map(hex) }
  }
  const isProbe = (asked: JsonObject) => String(asked['path']).includes('probe')

  test.each<readonly [string, typeof change, string]>([
    [
      'one with the true chain beside it',
      (answer) => ({ ...answer, key: `${'00'.repeat(31)}01` }),
      'agent_wrong_key GetKey: the signature chain is not that of the key',
    ],
    [
      'zero',
      (answer) => ({ ...answer, key: '00'.repeat(32) }),
      'agent_malformed GetKey.key is no secp256k1 private key',
    ],
    [
      'the order of the group',
      (answer) => ({ ...answer, key: secp256k1.Point.Fn.ORDER.toString(16) }),
      'agent_malformed GetKey.key is no secp256k1 private key',
    ],
    [
      'a key under another app key',
      (answer, asked) => (isProbe(asked) ? answer : from(stranger, asked)),
      'agent_wrong_key GetKey: the signature chain is not that of the key',
    ],
    [
      'the chain of another purpose',
      (answer, asked) =>
        isProbe(asked) ? answer : { ...answer, ...from(guest.keys, { ...asked, purpose: 'x' }) },
      'agent_wrong_key GetKey: the signature chain is not that of the key',
    ],
    [
      'a first signature of zeros',
      (answer) => ({ ...answer, signature_chain: ['00'.repeat(65), '01'.repeat(65)] }),
      'agent_wrong_key GetKey: the first signature of the chain belongs to no key',
    ],
  ])('is refused: %s', async (_, given, said) => {
    change = given
    expect(await outcome(connected.getKey(REQUEST))).toBe(said)
  })

  test('is refused where it is another key at each call, each with a chain of its own', async () => {
    let calls = 0
    change = (_answer, asked) => from(guest.keys, { ...asked, path: `p${String(calls++)}` })
    expect(await outcome(connected.getKey(REQUEST))).toBe(
      'agent_wrong_key GetKey: the key is another at the second call',
    )
  })

  test.each(['', '00'.repeat(65)])(
    'is refused as an address under a measured KMS that did not sign it (%s)',
    async (link) => {
      change = (answer) => {
        const chain = answer['signature_chain']
        return { ...answer, signature_chain: [Array.isArray(chain) ? chain[0] : '', link] }
      }
      const { system } = await openGuest(connected)
      expect(await outcome(deriveAddressKey(connected, system))).toBe(
        'agent_wrong_key GetKey: a KMS is measured, and the chain leads to none',
      )
      expect(await outcome(openAddressKey(connected, system, 'derived', folder))).toMatch(
        /^agent_wrong_key /,
      )
    },
  )
})

const PROVIDERS: readonly KeyProviderName[] = ['kms', 'local-sgx', 'tpm']

describe.each(AGENT_RELEASES.filter((name) => name !== '0.3.6'))('release %s', (release) => {
  test.each(PROVIDERS)('gives its address under %s, the chain checked', async (keyProvider) => {
    const own = createSimulatedGuest({ composeText: '{}', now: new Date(), release, keyProvider })
    const socketPath = join(mkdtempSync(join(folder, 'r-')), 'dstack.sock')
    const running = await startGuestAgent(own, { socketPath })
    const client = connectGuestAgent(socketPath)
    const { system } = await openGuest(client)
    const address = await deriveAddressKey(client, system)
    await running.close()
    expect(address.custody?.signature_chain[1]?.length).toBe(keyProvider === 'kms' ? 130 : 0)
    expect(fromHex(address.custody?.public_key ?? '')).toEqual(address.publicKey)
  })
})
