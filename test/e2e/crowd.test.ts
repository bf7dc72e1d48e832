import { randomBytes } from 'node:crypto'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import { createGpuCache } from '../../attestation/appraiser/gpu/gpu-cache.ts'
import { parsePolicy } from '../../attestation/appraiser/policy.ts'
import { createCollateralCache } from '../../attestation/appraiser/quote/collateral-cache.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

const CLIENTS = 1_000
/** What a quote takes on hardware, in milliseconds. */
const QUOTE_MS = 300
const MAX_QUOTES = 5

let at: TestService
const crowd = new Agent({ connections: CLIENTS, headersTimeout: 60_000, bodyTimeout: 60_000 })
beforeAll(async () => {
  at = await startTestService({ gpus: 1 })
})
afterAll(async () => {
  await crowd.close()
  await at.close()
})

test(`${String(CLIENTS)} clients with as many nonces at once are each answered for their own, from at most ${String(MAX_QUOTES)} quotes`, async () => {
  if (at.simulation === null) throw new Error('no simulation')
  at.agentFaults.delayMs = QUOTE_MS
  await sleep(10)
  const before = at.quotes.length
  const nonces: Hex32[] = Array.from({ length: CLIENTS }, () => toHex32(randomBytes(32)))
  const answers = await Promise.all(
    nonces.map(async (nonce) => {
      const { statusCode, body } = await request(`${at.url}/attestation?nonce=${nonce}`, {
        dispatcher: crowd,
      })
      return { statusCode, bytes: new Uint8Array(await body.arrayBuffer()) }
    }),
  )
  const used = at.quotes.length - before
  expect(used).toBeGreaterThan(0)
  expect(used).toBeLessThanOrEqual(MAX_QUOTES)
  const { roots } = at.simulation
  const read = parsePolicy({
    allowSimulated: true,
    sgxRoots: [roots.sgx],
    nvidiaRoots: [roots.nvidia],
  })
  if (!read.ok) throw new Error(read.detail)
  const caches = { cache: createCollateralCache(), gpuCache: createGpuCache() }
  const leaves = new Set<string>()
  for (const [i, { statusCode, bytes }] of answers.entries()) {
    expect(statusCode).toBe(200)
    const nonce = nonces[i] ?? null
    const { verdict } = appraiseDocument(bytes, {
      crypto: nodeCrypto,
      at: Math.floor(Date.now() / 1000),
      nonce,
      policy: { ...read.policy, maxAgeWithNonceS: 600, acceptUnchecked: ['quote.*', 'gpu.*.*'] },
      ...caches,
    })
    expect(verdict.sentence).toContain('Accepted')
    const leaf = verdict.checks.find(({ id }) => id === 'statement.nonce')
    expect(leaf?.status).toBe('pass')
    leaves.add(`${leaf?.detail ?? ''} ${String(nonce)}`)
  }
  expect(leaves.size).toBe(CLIENTS)
}, 240_000)
