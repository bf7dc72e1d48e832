/**
 * Quotes for a single client: those of the doors whose formats fixed the report data.
 *
 * @module
 */
import type {
  CpuEvidenceSource,
  GpuEvidenceSource,
} from '../../attestation/attester/evidence-source.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { AttestationError } from './attestation-error.ts'
import type { Evidence } from './make-round.ts'
import { NotRun } from './serial-queue.ts'
import type { Lane, SerialQueue } from './serial-queue.ts'
import { within } from './within.ts'

/** Age in milliseconds beyond which evidence without a nonce is not served; a round is made anew at half of it. */
export const CACHED_ROUND_MS = 300_000

/** Requests that may wait for a quote of their own in each lane. Where all places are taken, who has fewer takes one of who has more. */
export const MAX_WAITING_QUOTES = 16

/** Where a call for a single client waits. */
export type SingleLane = Extract<Lane, 'aci' | 'legacy'>

/** For whom a quote is made. */
export interface Caller {
  /** Takes turns with others. */
  readonly client: string
  /** Asked before the evidence is collected: does nobody wait for it any more? */
  readonly hasLeft: () => boolean
}

export interface SingleQuotes {
  /** A quote over bytes that another door's format fixed, with GPU evidence under a nonce of its choice. */
  evidenceFor(
    reportData: Uint8Array,
    gpuNonce: Uint8Array | null,
    caller: Caller,
    lane?: SingleLane,
  ): Promise<Evidence>
  /**
   * The same without a nonce of anybody's: made once, and anew when it is as old as a cached round may get. It serves everybody,
   * so it waits among the rounds, where nobody's calls can take its place.
   */
  cachedEvidenceFor(reportData: Uint8Array): Promise<Evidence>
}

export interface SingleQuotesOptions {
  readonly cpu: CpuEvidenceSource
  readonly gpu: GpuEvidenceSource | null
  readonly nowMs: () => number
  readonly maxWaitMs: number
  readonly queue: SerialQueue
  /** Bounds and times the work. */
  readonly timed: (kind: 'single', work: () => Promise<Evidence>) => Promise<Evidence>
}

interface Kept {
  readonly evidence: Promise<Evidence>
  readonly madeAtMs: number
}

export function createSingleQuotes(options: SingleQuotesOptions): SingleQuotes {
  const { cpu, gpu, nowMs, maxWaitMs, queue, timed } = options
  /** By report data; the doors ask for two values for each keyset. */
  const kept = new Map<string, Kept>()

  async function single(
    data: Uint8Array,
    nonce: Uint8Array | null,
    lane: Lane,
    caller?: Caller,
  ): Promise<Evidence> {
    const collect = () =>
      timed('single', async () => ({
        gpu: gpu === null || nonce === null ? null : await gpu.collect(nonce),
        cpu: await cpu.quote(data),
      }))
    let gone = false
    const collected = queue.run(lane, collect, {
      abandoned: () => gone || caller?.hasLeft() === true,
      ...(caller === undefined ? {} : { client: caller.client, places: MAX_WAITING_QUOTES }),
    })
    try {
      return await within(collected, maxWaitMs, () => {
        gone = true
        return new AttestationError('attestation_busy')
      })
    } catch (error) {
      if (error instanceof AttestationError) throw error
      if (error instanceof NotRun) throw new AttestationError('attestation_busy')
      throw new AttestationError('attestation_unavailable', error)
    }
  }

  return {
    evidenceFor: (data, nonce, caller, lane = 'legacy') => single(data, nonce, lane, caller),

    async cachedEvidenceFor(data) {
      const key = toHex(data)
      // Made later than now is old too: a clock that was set back would keep it for as long.
      const isOld = ({ madeAtMs }: Kept) => {
        const age = nowMs() - madeAtMs
        return !(age >= 0 && age < CACHED_ROUND_MS)
      }
      const known = kept.get(key)
      if (known !== undefined && !isOld(known)) return known.evidence
      // Values of keysets that were renewed are never asked for again.
      for (const [other, evidence] of kept) if (isOld(evidence)) kept.delete(other)
      const evidence = single(data, null, 'round')
      kept.set(key, { evidence, madeAtMs: nowMs() })
      evidence.catch(() => kept.delete(key))
      return evidence
    },
  }
}
