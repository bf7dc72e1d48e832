/**
 * Rounds of attestation: one at a time, shared by every client that waits.
 *
 * @module
 */
import { setImmediate } from 'node:timers/promises'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { MAX_NONCES_PER_ROUND } from '../../attestation/protocol/nonce-tree.ts'
import type { NamedKeyset } from '../keys/boot-keys.ts'
import { AttestationError } from './attestation-error.ts'
import type { DocumentParts } from './document-parts.ts'
import { createRoundMaker } from './make-round.ts'
import type { Evidence, Round, RoundParts } from './make-round.ts'
import { createSerialQueue } from './serial-queue.ts'
import { CACHED_ROUND_MS, createSingleQuotes } from './single-quotes.ts'
import type { SingleQuotes } from './single-quotes.ts'
import { within } from './within.ts'

/** Milliseconds that a client waits for its evidence. */
export const MAX_WAIT_MS = 60_000

/** Milliseconds for one collection; the sources have shorter limits of their own. */
export const MAX_COLLECT_MS = 120_000

/** Clients that are answered in one turn of the event loop. */
export const DELIVERED_AT_ONCE = 8

export interface DocumentOptions {
  /** `gate`: before everybody else. Who waits already is answered along. Default `round`. */
  readonly lane?: 'gate' | 'round'
  /** Asked before the evidence is collected: does nobody wait for it any more? */
  readonly abandoned?: () => boolean
}

/** What the service says about itself beside its evidence. */
export interface DocumentWarning {
  readonly code: string
  readonly detail: string
}

/** A document, and the keyset that it vouches for. */
export interface VouchedDocument extends DocumentParts {
  readonly keyset: NamedKeyset
}

export interface Attestor extends SingleQuotes {
  /** The canonical document's exact JSON text. */
  document(nonce: Hex32 | null, options?: DocumentOptions): Promise<string>
  /** The same with the keyset that was in force when its round began. */
  vouched(nonce: Hex32 | null, options?: DocumentOptions): Promise<VouchedDocument>
  /** A round of its own for a keyset that is not in force yet, before all others. */
  documentOf(keyset: NamedKeyset, nonce: Hex32): Promise<string>
  readonly appCompose: string
}

export interface AttestorOptions extends Omit<RoundParts, 'collateral'> {
  readonly collateral?: RoundParts['collateral']
  /** What is to be warned about now. Default: nothing. */
  readonly warnings?: () => readonly DocumentWarning[]
  /** Why no inference request is taken now. Not in what the gate asks for, which decides that. Default: they are taken. */
  readonly refusal?: () => DocumentWarning | null
  /** Told of each round, and of each quote of its own, when it is over. */
  readonly onRound?: (kind: 'nonces' | 'cached' | 'single', ok: boolean, seconds: number) => void
  /** Given the evidence of each round. Must not throw. */
  readonly onEvidence?: (evidence: Evidence) => void
  /** In place of {@link MAX_WAIT_MS} and {@link MAX_COLLECT_MS}. */
  readonly maxWaitMs?: number
  readonly maxCollectMs?: number
}

interface Waiter {
  readonly nonce: Hex32
  readonly resolve: (round: Round) => void
  readonly reject: (error: unknown) => void
  readonly abandoned: () => boolean
}

const NEVER = (): boolean => false

export function createAttestor(options: AttestorOptions): Attestor {
  const { keys, cpu, gpu, nowMs, maxWaitMs = MAX_WAIT_MS, maxCollectMs = MAX_COLLECT_MS } = options
  const collateral = options.collateral ?? null
  const makeRound = createRoundMaker({ ...options, collateral })
  const queue = createSerialQueue()
  let waiting: Waiter[] = []
  let scheduled = false
  let cached: Round | null = null
  let refreshing: Promise<Round> | null = null

  /** Times the work alone, not the wait for its turn. */
  async function timed<T>(
    kind: 'nonces' | 'cached' | 'single',
    work: () => Promise<T>,
  ): Promise<T> {
    const began = performance.now()
    let ok = false
    try {
      // A source that never answers must not keep everybody from ever being answered again.
      const late = () => new AttestationError('attestation_unavailable')
      const done = await within(work(), maxCollectMs, late)
      ok = true
      return done
    } finally {
      options.onRound?.(kind, ok, (performance.now() - began) / 1000)
    }
  }

  async function round(
    kind: 'nonces' | 'cached',
    nonces: readonly Hex32[],
    keyset?: NamedKeyset,
  ): Promise<Round> {
    const made = await timed(kind, () => makeRound(nonces, keyset))
    options.onEvidence?.(made.evidence)
    return made
  }

  /** Everything that waits when the round starts is answered by it; who comes later waits for the next. */
  async function nextRound(): Promise<void> {
    scheduled = false
    dropAbandoned()
    const batch = waiting.slice(0, MAX_NONCES_PER_ROUND)
    waiting = waiting.slice(MAX_NONCES_PER_ROUND)
    if (waiting.length > 0) schedule('round')
    if (batch.length === 0) return
    try {
      const made = await round(
        'nonces',
        batch.map((waiter) => waiter.nonce),
      )
      // Not awaited: the next round is made meanwhile.
      void deliver(batch, made)
    } catch (error) {
      for (const waiter of batch) waiter.reject(error)
    }
  }

  /** A few at a time: a thousand documents of a hundred kilobytes in one turn would hold up every stream. */
  async function deliver(batch: readonly Waiter[], made: Round): Promise<void> {
    for (const [index, waiter] of batch.entries()) {
      waiter.resolve(made)
      if (index % DELIVERED_AT_ONCE === DELIVERED_AT_ONCE - 1) await setImmediate()
    }
  }

  function dropAbandoned(): void {
    waiting = waiting.filter((waiter) => {
      const gone = waiter.abandoned()
      if (gone) waiter.reject(new AttestationError('attestation_busy'))
      return !gone
    })
  }

  function schedule(lane: 'gate' | 'round'): void {
    if (lane === 'gate') void queue.run('gate', nextRound)
    if (lane === 'gate' || scheduled) return
    scheduled = true
    void queue.run('round', nextRound)
  }

  async function joinRound(nonce: Hex32, given: DocumentOptions): Promise<Round> {
    const { lane = 'round', abandoned = NEVER } = given
    // Those who left make room, but only where room is needed: nobody pays for looking.
    if (waiting.length >= MAX_NONCES_PER_ROUND) dropAbandoned()
    // The gate has a place of its own: no number of clients may keep it from judging.
    if (waiting.length >= MAX_NONCES_PER_ROUND && lane !== 'gate') {
      throw new AttestationError('attestation_busy')
    }
    let gone = false
    const joined = new Promise<Round>((resolve, reject) => {
      const waiter = { nonce, resolve, reject, abandoned: () => gone || abandoned() }
      if (lane === 'gate') waiting.unshift(waiter)
      else waiting.push(waiter)
      schedule(lane)
    })
    return within(joined, maxWaitMs, () => {
      gone = true
      return new AttestationError('attestation_busy')
    })
  }

  function refresh(): Promise<Round> {
    refreshing ??= queue
      .run('round', () => round('cached', []))
      .then((made) => (cached = made))
      .finally(() => (refreshing = null))
    return refreshing
  }

  async function cachedRound(): Promise<Round> {
    // One of a keyset that has been renewed since vouches for what nobody is given any more.
    if (cached?.keyset !== keys.current) cached = null
    const age = cached === null ? Infinity : nowMs() - cached.madeAtMs
    // Without an age, the clock was set back: nobody knows how old it is.
    if (cached === null || !(age >= 0 && age < CACHED_ROUND_MS)) {
      return within(refresh(), maxWaitMs, () => new AttestationError('attestation_busy'))
    }
    // What is served lacks collateral that has come since, or is at half of its life: the next is made while nobody waits.
    const restapled = collateral !== null && collateral() !== cached.stapled
    if (restapled || age >= CACHED_ROUND_MS / 2) refresh().catch(() => {})
    return cached
  }

  function render(
    { head, keyset }: Round,
    nonce: object | null,
    lane: 'gate' | 'round',
  ): VouchedDocument {
    const refusal = lane === 'gate' ? null : (options.refusal?.() ?? null)
    const said = options.warnings?.() ?? []
    const warnings = JSON.stringify(refusal === null ? said : [refusal, ...said])
    return { ...head.with(`,"warnings":${warnings},"nonce":${JSON.stringify(nonce)}}`), keyset }
  }

  async function documentFrom(
    nonce: Hex32 | null,
    making: Promise<Round>,
    lane: 'gate' | 'round' = 'round',
  ): Promise<VouchedDocument> {
    let made: Round
    try {
      made = await making
    } catch (error) {
      if (error instanceof AttestationError) throw error
      throw new AttestationError('attestation_unavailable', error)
    }
    if (nonce === null) return render(made, null, lane)
    const proof = made.proofs.get(nonce)
    if (proof === undefined) throw new AttestationError('attestation_unavailable')
    return render(made, { value: nonce, ...proof }, lane)
  }

  const vouched = (nonce: Hex32 | null, given: DocumentOptions = {}): Promise<VouchedDocument> =>
    documentFrom(nonce, nonce === null ? cachedRound() : joinRound(nonce, given), given.lane)

  return {
    appCompose: cpu.facts.appCompose,
    vouched,

    document: async (nonce, given) => (await vouched(nonce, given)).text(),

    async documentOf(keyset, nonce) {
      const making = queue.run('gate', () => round('nonces', [nonce], keyset))
      const busy = () => new AttestationError('attestation_busy')
      return (await documentFrom(nonce, within(making, maxWaitMs, busy), 'gate')).text()
    },

    ...createSingleQuotes({ cpu, gpu, nowMs, maxWaitMs, queue, timed }),
  }
}
