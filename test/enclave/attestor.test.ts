import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CpuEvidence, GpuEvidence } from '../../attestation/attester/evidence-source.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex, toHex32, toSha256Digest } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { canonicalBytes } from '../../attestation/protocol/jcs.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { MAX_NONCES_PER_ROUND, nonceRoot } from '../../attestation/protocol/nonce-tree.ts'
import { gpuNonce, reportData } from '../../attestation/protocol/statement.ts'
import { createAttestor } from '../../enclave/attestation/attestor.ts'
import type { DocumentWarning } from '../../enclave/attestation/attestor.ts'
import { CACHED_ROUND_MS, MAX_WAITING_QUOTES } from '../../enclave/attestation/single-quotes.ts'
import { createEphemeralAddressKey } from '../../enclave/keys/address-key.ts'
import { createBootKeys } from '../../enclave/keys/boot-keys.ts'

/** An attestor over a machine whose every answer waits for `step()`. */
function setup(
  options: {
    readonly gpu?: boolean
    readonly stapled?: () => readonly object[]
    readonly maxWaitMs?: number
    readonly maxCollectMs?: number
    readonly refusal?: () => DocumentWarning | null
  } = {},
) {
  let now = 1_790_000_000_000
  const keys = createBootKeys({
    now: now / 1000,
    subject: null,
    simulated: false,
    address: createEphemeralAddressKey(nodeCrypto),
    crypto: nodeCrypto,
  })
  const config = { name: 'test' }
  const configDigest = toSha256Digest(nodeCrypto.sha256(canonicalBytes(config)))
  const quotes: { data: Uint8Array; answer: () => void; fail: (error: Error) => void }[] = []
  const gpuNonces: Uint8Array[] = []
  let arrived: (() => void)[] = []
  const attestor = createAttestor({
    keys,
    config,
    configDigest,
    cpu: {
      facts: {
        platform: 'dstack',
        appId: '',
        instanceId: '',
        appCompose: 'compose',
        keyProvider: null,
        tcbInfo: '',
        info: '',
      },
      quote: (data) =>
        new Promise<CpuEvidence>((resolve, reject) => {
          quotes.push({
            data,
            answer: () => resolve({ quote: data, eventLog: '[]', vmConfig: '{}' }),
            fail: reject,
          })
          for (const wake of arrived) wake()
          arrived = []
        }),
    },
    gpu:
      options.gpu === true
        ? {
            collect: (nonce) => {
              gpuNonces.push(nonce)
              const one: GpuEvidence = { arch: 'HOPPER', certificate: 'c', evidence: toHex(nonce) }
              return Promise.resolve([one])
            },
          }
        : null,
    ...(options.stapled === undefined ? {} : { collateral: options.stapled }),
    ...(options.maxWaitMs === undefined ? {} : { maxWaitMs: options.maxWaitMs }),
    ...(options.maxCollectMs === undefined ? {} : { maxCollectMs: options.maxCollectMs }),
    ...(options.refusal === undefined ? {} : { refusal: options.refusal }),
    nowMs: () => now,
  })
  return {
    attestor,
    keys,
    configDigest,
    quotes,
    gpuNonces,
    advance: (ms: number) => (now += ms),
    async quoteNumber(count: number) {
      while (quotes.length < count) await new Promise<void>((resolve) => arrived.push(resolve))
      const quote = quotes[count - 1]
      if (quote === undefined) throw new Error('no quote')
      return quote
    },
  }
}

const STAYS = { client: 'a', hasLeft: () => false }
const nonce = (): Hex32 => toHex32(randomBytes(32))

function object(text: string): JsonObject {
  const parsed = parseJsonText(text)
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new Error('not an object')
  return parsed.value
}

/** The statement as a verifier rebuilds it from the document and its own nonce. */
function statementOf(text: string, own: Hex32 | null, parts: ReturnType<typeof setup>) {
  const document = object(text)
  const { boot_id, round, issued_at, nonce: proof, evidence } = document
  let root: Hex32 | null = null
  if (own !== null) {
    if (!isJsonObject(proof)) throw new Error('no proof')
    const { index, tree_size, path } = proof
    expect(proof['value']).toBe(own)
    root = nonceRoot(
      own,
      {
        index: Number(index),
        tree_size: Number(tree_size),
        path: (path as readonly Hex32[]).map((step) => step),
      },
      nodeCrypto,
    )
    expect(root).not.toBeNull()
  } else {
    expect(proof).toBeNull()
  }
  const gpu = isJsonObject(evidence) ? (evidence['gpu'] ?? null) : null
  return {
    boot_id: boot_id as Hex32,
    collateral_digest: null,
    config_digest: parts.configDigest,
    gpu_evidence_digest:
      gpu === null ? null : toSha256Digest(nodeCrypto.sha256(canonicalBytes(gpu))),
    issued_at: Number(issued_at),
    keyset_digest: parts.keys.keysetDigest,
    log: null,
    nonce_root: root,
    round: round as Hex32,
  }
}

function quoteOf(text: string): string {
  const { evidence } = object(text)
  const quote = isJsonObject(evidence) ? evidence['quote'] : null
  if (typeof quote !== 'string') throw new Error('no quote')
  return quote
}

describe('rounds', () => {
  test('all who wait share one quote, each with a proof of its own nonce', async () => {
    const parts = setup({ gpu: true })
    const first = nonce()
    const early = parts.attestor.document(first)
    const one = await parts.quoteNumber(1)
    // These come while the first round is under way: they share the second.
    const nonces = Array.from({ length: 100 }, nonce)
    const late = nonces.map((own) => parts.attestor.document(own))
    one.answer()
    const two = await parts.quoteNumber(2)
    two.answer()
    const texts = await Promise.all(late)
    expect(parts.quotes).toHaveLength(2)
    for (const [i, text] of texts.entries()) {
      const statement = statementOf(text, nonces[i] ?? null, parts)
      expect(quoteOf(text)).toBe(toHex(reportData(statement, nodeCrypto)))
      expect(toHex(gpuNonce(statement, nodeCrypto))).toBe(toHex(parts.gpuNonces[1] ?? Buffer.of()))
    }
    const statement = statementOf(await early, first, parts)
    expect(quoteOf(await early)).toBe(toHex(reportData(statement, nodeCrypto)))
    expect(new Set([...texts, await early].map((text) => object(text)['round'])).size).toBe(2)
  })

  test('a proof is worth nothing for a nonce that was not in the round', async () => {
    const parts = setup()
    const pending = parts.attestor.document(nonce())
    ;(await parts.quoteNumber(1)).answer()
    const text = await pending
    const { nonce: proof } = object(text)
    if (!isJsonObject(proof)) throw new Error('no proof')
    const forged = text.replace(String(proof['value']), nonce())
    const { value } = object(forged)['nonce'] as { readonly value: Hex32 }
    const statement = statementOf(forged, value, parts)
    expect(quoteOf(text)).not.toBe(toHex(reportData(statement, nodeCrypto)))
  })

  test('say why nothing is served, but for what the gate judges, and may be kept, when that is over', async () => {
    let refusal: DocumentWarning | null = { code: 'gpu_count_mismatch', detail: 'x' }
    const parts = setup({ refusal: () => refusal })
    const pending = [
      parts.attestor.document(nonce(), { lane: 'gate' }),
      parts.attestor.document(nonce()),
    ]
    ;(await parts.quoteNumber(1)).answer()
    const [gate, client] = await Promise.all(pending)
    expect(object(gate ?? '')['warnings']).toEqual([])
    expect(object(client ?? '')['warnings']).toEqual([refusal])
    const next = parts.attestor.documentOf(parts.keys.current, nonce())
    ;(await parts.quoteNumber(2)).answer()
    expect(object(await next)['warnings']).toEqual([])
    refusal = null
    const cached = parts.attestor.document(null)
    ;(await parts.quoteNumber(3)).answer()
    expect(object(await cached)['warnings']).toEqual([])
  })

  test('one nonce sent twice is one leaf', async () => {
    const parts = setup()
    const own = nonce()
    const both = [parts.attestor.document(own), parts.attestor.document(own)]
    ;(await parts.quoteNumber(1)).answer()
    const [a, b] = await Promise.all(both)
    expect(a).toBe(b)
    expect(object(a ?? '')['nonce']).toMatchObject({ index: 0, tree_size: 1, path: [] })
  })

  test(`${String(MAX_NONCES_PER_ROUND)} may wait, the next is told to come back`, async () => {
    const parts = setup()
    const running = parts.attestor.document(nonce())
    const one = await parts.quoteNumber(1)
    const nonces = Array.from({ length: MAX_NONCES_PER_ROUND }, nonce)
    const waiting = nonces.map((own) => parts.attestor.document(own))
    await expect(parts.attestor.document(nonce())).rejects.toMatchObject({
      code: 'attestation_busy',
    })
    one.answer()
    ;(await parts.quoteNumber(2)).answer()
    const texts = await Promise.all([running, ...waiting])
    const last = texts.at(-1) ?? ''
    expect(object(last)['nonce']).toMatchObject({ index: 4095, tree_size: 4096 })
    const statement = statementOf(last, nonces.at(-1) ?? null, parts)
    expect(quoteOf(last)).toBe(toHex(reportData(statement, nodeCrypto)))
    expect(parts.quotes).toHaveLength(2)
  })

  test('a machine that fails fails those who wait, and nobody later', async () => {
    const parts = setup()
    const failing = [parts.attestor.document(nonce()), parts.attestor.document(nonce())]
    const results = Promise.allSettled(failing)
    ;(await parts.quoteNumber(1)).fail(new Error('no quote today'))
    for (const result of await results) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { code: 'attestation_unavailable' },
      })
    }
    const own = nonce()
    const next = parts.attestor.document(own)
    ;(await parts.quoteNumber(2)).answer()
    expect(object(await next)['nonce']).toMatchObject({ value: own })
  })

  test('without a nonce the round is kept for five minutes, and a failure is not', async () => {
    const parts = setup()
    const failed = parts.attestor.document(null)
    ;(await parts.quoteNumber(1)).fail(new Error('down'))
    await expect(failed).rejects.toMatchObject({ code: 'attestation_unavailable' })
    const together = [parts.attestor.document(null), parts.attestor.document(null)]
    ;(await parts.quoteNumber(2)).answer()
    const [a, b] = await Promise.all(together)
    expect(a).toBe(b)
    const statement = statementOf(a ?? '', null, parts)
    expect(quoteOf(a ?? '')).toBe(toHex(reportData(statement, nodeCrypto)))
    parts.advance(CACHED_ROUND_MS - 1)
    expect(await parts.attestor.document(null)).toBe(a)
    parts.advance(1)
    const fresh = parts.attestor.document(null)
    ;(await parts.quoteNumber(3)).answer()
    expect(object(await fresh)['round']).not.toBe(object(a ?? '')['round'])
  })

  test('quotes of other doors queue up to a bound, one at a time', async () => {
    const parts = setup()
    const slot = new Uint8Array(64)
    const all = Array.from({ length: MAX_WAITING_QUOTES }, () =>
      parts.attestor.evidenceFor(slot, null, STAYS),
    )
    await expect(parts.attestor.evidenceFor(slot, null, STAYS)).rejects.toMatchObject({
      code: 'attestation_busy',
    })
    for (let i = 1; i <= MAX_WAITING_QUOTES; i++) {
      const quote = await parts.quoteNumber(i)
      expect(parts.quotes).toHaveLength(i)
      quote.answer()
    }
    await Promise.all(all)
  })

  test('a flood at other doors keeps a round waiting for one quote at most, and costs none for those who left', async () => {
    const parts = setup()
    const slot = new Uint8Array(64)
    let gone = false
    const flood = Array.from({ length: MAX_WAITING_QUOTES }, (_, i) =>
      parts.attestor.evidenceFor(
        slot.map(() => i),
        null,
        { client: 'a', hasLeft: () => gone },
      ),
    )
    const settled = Promise.allSettled(flood)
    const first = await parts.quoteNumber(1)
    const [nonce] = [toHex32(new Uint8Array(32).fill(9))]
    const round = parts.attestor.document(nonce)
    gone = true
    first.answer()
    ;(await parts.quoteNumber(2)).answer()
    expect(object(await round)['nonce']).toMatchObject({ value: nonce })
    await settled
    expect(parts.quotes).toHaveLength(2)
  })

  test('a quote without anybody’s nonce is made once for all who ask', async () => {
    const parts = setup()
    const slot = new Uint8Array(64).fill(3)
    const asked = Array.from({ length: 100 }, () => parts.attestor.cachedEvidenceFor(slot))
    ;(await parts.quoteNumber(1)).answer()
    await Promise.all(asked)
    await parts.attestor.cachedEvidenceFor(slot)
    expect(parts.quotes).toHaveLength(1)
    parts.advance(CACHED_ROUND_MS)
    const fresh = parts.attestor.cachedEvidenceFor(slot)
    ;(await parts.quoteNumber(2)).fail(new Error('down'))
    await expect(fresh).rejects.toMatchObject({ code: 'attestation_unavailable' })
    const again = parts.attestor.cachedEvidenceFor(slot)
    ;(await parts.quoteNumber(3)).answer()
    await again
  })

  test('a quote without anybody’s nonce is made anew after the clock was set back', async () => {
    const parts = setup()
    const slot = new Uint8Array(64).fill(3)
    const asked = parts.attestor.cachedEvidenceFor(slot)
    ;(await parts.quoteNumber(1)).answer()
    await asked
    parts.advance(-30 * 86_400_000)
    const fresh = parts.attestor.cachedEvidenceFor(slot)
    ;(await parts.quoteNumber(2)).answer()
    await fresh
    expect(parts.quotes).toHaveLength(2)
  })

  test('the gate goes first, then the round, then one call of a door, ACI and older ones in turn', async () => {
    const parts = setup()
    const slot = (byte: number) => new Uint8Array(64).fill(byte)
    const running = parts.attestor.evidenceFor(slot(1), null, STAYS, 'legacy')
    const first = await parts.quoteNumber(1)
    const waiting = [
      parts.attestor.evidenceFor(slot(2), null, STAYS, 'legacy'),
      parts.attestor.evidenceFor(slot(3), null, STAYS, 'aci'),
      parts.attestor.evidenceFor(slot(4), null, STAYS, 'aci'),
    ]
    const early = nonce()
    const client = parts.attestor.document(early)
    const own = nonce()
    const gate = parts.attestor.document(own, { lane: 'gate' })
    first.answer()
    // One round for the gate and for the client that waited already.
    ;(await parts.quoteNumber(2)).answer()
    const [gated, early1] = await Promise.all([gate, client])
    expect(object(gated)['nonce']).toMatchObject({ value: own, index: 0, tree_size: 2 })
    expect(object(early1)['round']).toBe(object(gated)['round'])
    const order: number[] = []
    for (let i = 3; i <= 5; i++) {
      const quote = await parts.quoteNumber(i)
      order.push(quote.data[0] ?? -1)
      quote.answer()
    }
    expect(order).toEqual([3, 2, 4])
    await Promise.all([running, ...waiting])
  })

  /** Answers so many quotes, of whose report data the first byte tells the call. */
  async function answered(parts: ReturnType<typeof setup>, from: number, count: number) {
    const order: number[] = []
    for (let i = from; i < from + count; i++) {
      const quote = await parts.quoteNumber(i)
      order.push(quote.data[0] ?? -1)
      quote.answer()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return order
  }
  const call = (
    parts: ReturnType<typeof setup>,
    byte: number,
    client: string,
    lane: 'aci' | 'legacy',
  ) =>
    parts.attestor.evidenceFor(
      new Uint8Array(64).fill(byte),
      null,
      { client, hasLeft: () => false },
      lane,
    )

  test('calls of the ACI door without end let one of an older door go after each', async () => {
    const parts = setup()
    const first = call(parts, 9, 'a', 'aci')
    const running = await parts.quoteNumber(1)
    const calls = [call(parts, 2, 'b', 'legacy'), call(parts, 2, 'b', 'legacy')]
    for (let i = 0; i < 6; i++) calls.push(call(parts, 1, 'a', 'aci'))
    running.answer()
    expect(await answered(parts, 2, 8)).toEqual([2, 1, 2, 1, 1, 1, 1, 1])
    await Promise.all([first, ...calls])
  })

  test('one client that takes every place of a door loses the last to each who comes, and its turn', async () => {
    const parts = setup()
    const first = call(parts, 1, 'flood', 'legacy')
    const running = await parts.quoteNumber(1)
    const flood = Array.from({ length: MAX_WAITING_QUOTES }, () =>
      call(parts, 1, 'flood', 'legacy'),
    )
    const settled = Promise.allSettled(flood)
    const others = [2, 3].map((byte) => call(parts, byte, `client ${byte}`, 'legacy'))
    // Nothing is gained by asking on.
    await expect(call(parts, 1, 'flood', 'legacy')).rejects.toMatchObject({
      code: 'attestation_busy',
    })
    running.answer()
    expect((await answered(parts, 2, MAX_WAITING_QUOTES)).slice(0, 4)).toEqual([1, 2, 3, 1])
    await Promise.all([first, ...others])
    const lost = (await settled).filter(({ status }) => status === 'rejected')
    expect(lost).toHaveLength(2)
    for (const one of lost) expect(one).toMatchObject({ reason: { code: 'attestation_busy' } })
  })

  test('the places of a door are shared evenly by those who want more, however they ask', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 100, maxLength: 150 }),
        async (asking) => {
          const parts = setup()
          const first = call(parts, 0, 'first', 'legacy')
          const running = await parts.quoteNumber(1)
          const made = { a: 0, b: 0, c: 0 }
          const calls = Promise.allSettled(
            asking.map((client) => call(parts, 1, client, 'legacy').then(() => made[client]++)),
          )
          running.answer()
          await answered(parts, 2, MAX_WAITING_QUOTES)
          await Promise.all([first, calls])
          expect(made.a + made.b + made.c).toBe(MAX_WAITING_QUOTES)
          const asked = (client: string) => asking.filter((one) => one === client).length
          for (const client of ['a', 'b', 'c'] as const) {
            expect(made[client]).toBeGreaterThanOrEqual(
              Math.min(asked(client), Math.floor(MAX_WAITING_QUOTES / 3)),
            )
          }
        },
      ),
      { numRuns: 20 },
    )
  })

  test('calls that were left take no place from who stays', async () => {
    const parts = setup()
    const first = call(parts, 0, 'a', 'legacy')
    const running = await parts.quoteNumber(1)
    let gone = false
    const left = Promise.allSettled(
      Array.from({ length: MAX_WAITING_QUOTES }, () =>
        parts.attestor.evidenceFor(new Uint8Array(64), null, { client: 'a', hasLeft: () => gone }),
      ),
    )
    gone = true
    const stays = call(parts, 5, 'a', 'legacy')
    running.answer()
    expect(await answered(parts, 2, 1)).toEqual([5])
    await Promise.all([first, stays, left])
  })

  test('a quote without anybody’s nonce has a place where calls took all others, and goes before them', async () => {
    const parts = setup()
    const first = call(parts, 0, 'a', 'aci')
    const running = await parts.quoteNumber(1)
    const flood = (['aci', 'legacy'] as const).flatMap((lane) =>
      Array.from({ length: MAX_WAITING_QUOTES }, () => call(parts, 1, 'a', lane)),
    )
    const settled = Promise.allSettled(flood)
    const shared = parts.attestor.cachedEvidenceFor(new Uint8Array(64).fill(7))
    running.answer()
    expect(await answered(parts, 2, 2 * MAX_WAITING_QUOTES + 1)).toContain(7)
    expect(parts.quotes.findIndex(({ data }) => data[0] === 7)).toBeLessThanOrEqual(2)
    await Promise.all([first, shared, settled])
  })

  test('between two rounds there is one call of a door, and never two', async () => {
    const parts = setup()
    const running = parts.attestor.document(nonce())
    const first = await parts.quoteNumber(1)
    const slot = (byte: number) => new Uint8Array(64).fill(byte)
    const calls = [7, 7, 7].map((byte) =>
      parts.attestor.evidenceFor(slot(byte), null, STAYS, 'legacy'),
    )
    const rounds: Promise<string>[] = [parts.attestor.document(nonce())]
    first.answer()
    const kinds: string[] = []
    for (let i = 2; i <= 6; i++) {
      const quote = await parts.quoteNumber(i)
      const isCall = quote.data.every((byte) => byte === 7)
      kinds.push(isCall ? 'call' : 'round')
      if (rounds.length < 3 && isCall) rounds.push(parts.attestor.document(nonce()))
      quote.answer()
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(kinds).toEqual(['call', 'round', 'call', 'round', 'call'])
    await Promise.all([running, ...calls, ...rounds])
  })

  test('who leaves before the round costs none, and disturbs nobody who stays', async () => {
    const parts = setup()
    const running = parts.attestor.document(nonce())
    const one = await parts.quoteNumber(1)
    let gone = false
    const left = Array.from({ length: 50 }, () =>
      parts.attestor.document(nonce(), { abandoned: () => gone }),
    )
    const settled = Promise.allSettled(left)
    const own = nonce()
    const stays = parts.attestor.document(own)
    gone = true
    one.answer()
    ;(await parts.quoteNumber(2)).answer()
    expect(object(await stays)['nonce']).toMatchObject({ value: own, tree_size: 1 })
    for (const result of await settled) expect(result.status).toBe('rejected')
    await running
    // With nobody left there is no round at all.
    const alone = parts.attestor.document(nonce(), { abandoned: () => true })
    await expect(alone).rejects.toMatchObject({ code: 'attestation_busy' })
    expect(parts.quotes).toHaveLength(2)
  })

  test('who left makes room for who comes when all places are taken', async () => {
    const parts = setup()
    const running = parts.attestor.document(nonce())
    const one = await parts.quoteNumber(1)
    let gone = false
    const left = Promise.allSettled(
      Array.from({ length: MAX_NONCES_PER_ROUND }, () =>
        parts.attestor.document(nonce(), { abandoned: () => gone }),
      ),
    )
    gone = true
    const own = nonce()
    const stays = parts.attestor.document(own)
    one.answer()
    ;(await parts.quoteNumber(2)).answer()
    expect(object(await stays)['nonce']).toMatchObject({ value: own, tree_size: 1 })
    await Promise.all([running, left])
  })

  test('the gate has a place where every other is taken', async () => {
    const parts = setup()
    const running = parts.attestor.document(nonce())
    const one = await parts.quoteNumber(1)
    const crowd = Array.from({ length: MAX_NONCES_PER_ROUND }, () =>
      parts.attestor.document(nonce()),
    )
    const own = nonce()
    const gate = parts.attestor.document(own, { lane: 'gate' })
    one.answer()
    ;(await parts.quoteNumber(2)).answer()
    expect(object(await gate)['nonce']).toMatchObject({ value: own, index: 0, tree_size: 4096 })
    // The one for whom there was no place any more is answered by the next.
    ;(await parts.quoteNumber(3)).answer()
    await Promise.all([running, ...crowd])
    expect(parts.quotes).toHaveLength(3)
  })

  test('every wait ends: for a place, for the machine, and a machine that never answers blocks nobody after it', async () => {
    const waits = setup({ maxWaitMs: 20 })
    const hanging = waits.attestor.document(nonce())
    const call = waits.attestor.evidenceFor(new Uint8Array(64), null, STAYS)
    const cached = waits.attestor.document(null)
    for (const wait of [hanging, call, cached]) {
      await expect(wait).rejects.toMatchObject({ code: 'attestation_busy' })
    }
    const hangs = setup({ maxCollectMs: 20 })
    await expect(hangs.attestor.document(nonce())).rejects.toMatchObject({
      code: 'attestation_unavailable',
    })
    const next = hangs.attestor.document(nonce())
    ;(await hangs.quoteNumber(2)).answer()
    await next
  })

  test('the cached round is made anew at half of its life, while it is served', async () => {
    const parts = setup()
    const first = parts.attestor.document(null)
    ;(await parts.quoteNumber(1)).answer()
    const a = await first
    parts.advance(CACHED_ROUND_MS / 2)
    expect(await parts.attestor.document(null)).toBe(a)
    expect(await parts.attestor.document(null)).toBe(a)
    const quote = await parts.quoteNumber(2)
    quote.answer()
    await expect.poll(() => parts.attestor.document(null)).not.toBe(a)
    expect(parts.quotes).toHaveLength(2)
    // A failure in the background fails nobody.
    parts.advance(CACHED_ROUND_MS / 2)
    const b = await parts.attestor.document(null)
    ;(await parts.quoteNumber(3)).fail(new Error('down'))
    expect(await parts.attestor.document(null)).toBe(b)
  })

  test('a cached round without the collateral that has come since is made anew; a clock set back trusts none', async () => {
    let stapled: readonly object[] = []
    const parts = setup({ stapled: () => stapled })
    const first = parts.attestor.document(null)
    ;(await parts.quoteNumber(1)).answer()
    const a = await first
    expect(object(a)['evidence']).toMatchObject({ collateral: [] })
    stapled = [{ type: 'dcap', value: {} }]
    expect(await parts.attestor.document(null)).toBe(a)
    ;(await parts.quoteNumber(2)).answer()
    await expect
      .poll(async () => object(await parts.attestor.document(null))['evidence'])
      .toMatchObject({ collateral: stapled })
    parts.advance(-1_000)
    const after = parts.attestor.document(null)
    ;(await parts.quoteNumber(3)).answer()
    expect(object(await after)['issued_at']).toBe(1_790_000_000 - 1)
  })
})
