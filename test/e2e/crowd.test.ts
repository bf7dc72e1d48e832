import { randomBytes } from 'node:crypto'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import { createGpuCache } from '../../attestation/appraiser/gpu/gpu-cache.ts'
import { parsePolicy } from '../../attestation/appraiser/policy.ts'
import { createCollateralCache } from '../../attestation/appraiser/quote/collateral-cache.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { MAX_NONCES_PER_ROUND } from '../../attestation/protocol/nonce-tree.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

const CLIENTS = 1_000
/** What a quote takes on hardware, in milliseconds. */
const QUOTE_MS = 300
/** The first one here: as long as it takes a busy machine that is client and service to let the crowd in. */
const FIRST_QUOTE_MS = 8_000
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
  at.agentFaults.delayMs = FIRST_QUOTE_MS
  await sleep(10)
  const before = at.quotes.length
  at.agentFaults.onQuote = (begins) => {
    if (!begins) at.agentFaults.delayMs = QUOTE_MS
  }
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

test(`${String(MAX_NONCES_PER_ROUND)} may wait for a round; the next is told to come back, and those who waited are answered`, async () => {
  let release = (): void => undefined
  let held: Promise<void> | null = null
  const quote = async () => {
    await held
    return { quote: new Uint8Array(4), eventLog: '[]', vmConfig: '{}' }
  }
  const many = await startTestService({ quote, limits: { attestationBurst: 10_000 } })
  const places = new Agent({ connections: MAX_NONCES_PER_ROUND + 2, headersTimeout: 120_000 })
  const ask = async () => {
    const url = `${many.url}/attestation?nonce=${toHex32(randomBytes(32))}`
    const { statusCode, headers, body } = await request(url, { dispatcher: places })
    const text = await body.text()
    return { statusCode, retryAfter: Number(headers['retry-after'] ?? 0), text }
  }
  try {
    held = new Promise((resolve) => (release = resolve))
    const before = many.quotes.length
    const first = ask()
    while (many.quotes.length === before) await sleep(5)
    const refused: { readonly retryAfter: number; readonly text: string }[] = []
    const all = Array.from({ length: MAX_NONCES_PER_ROUND + 1 }, async () => {
      const answer = await ask()
      // Whoever finds no place is told at once; nobody else is answered while the machine holds back.
      if (answer.statusCode === 429) refused.push(answer)
      return answer.statusCode
    })
    while (refused.length === 0) await sleep(20)
    expect(refused[0]?.text).toContain('attestation_busy')
    expect(refused[0]?.retryAfter).toBeGreaterThan(0)
    release()
    const statuses = await Promise.all(all)
    expect((await first).statusCode).toBe(200)
    expect(statuses.filter((status) => status === 200)).toHaveLength(MAX_NONCES_PER_ROUND)
    expect(refused).toHaveLength(1)
    expect(many.quotes.length - before).toBe(2)
  } finally {
    release()
    await places.close()
    await many.close()
  }
}, 240_000)
