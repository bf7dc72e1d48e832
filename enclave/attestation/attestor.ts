/**
 * Rounds of attestation: one at a time, shared by every client that waits.
 *
 * Order within a round: GPU evidence under a nonce that commits to the keys, then the quote over a statement that holds
 * the digest of that evidence. A client's nonce is a leaf of the tree whose root the statement holds.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type {
  CpuEvidence,
  CpuEvidenceSource,
  GpuEvidence,
  GpuEvidenceSource,
} from '../../attestation/attester/evidence-source.ts'
import { toHex, toHex32, toSha256Digest } from '../../attestation/protocol/hex.ts'
import type { Hex32, Sha256Digest } from '../../attestation/protocol/hex.ts'
import { canonicalBytes } from '../../attestation/protocol/jcs.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { MAX_NONCES_PER_ROUND, buildNonceTree } from '../../attestation/protocol/nonce-tree.ts'
import type { NonceProof } from '../../attestation/protocol/nonce-tree.ts'
import { gpuNonce, reportData } from '../../attestation/protocol/statement.ts'
import type { BootKeys } from '../keys/boot-keys.ts'
import { createSerialQueue } from './serial-queue.ts'

export const DOCUMENT_VERSION = 'countersign/1'

/** Age in milliseconds at which the round without nonces is made anew. */
export const CACHED_ROUND_MS = 300_000

/** Requests of the other doors that may wait for a quote of their own. */
export const MAX_WAITING_QUOTES = 16

export type AttestationFault = 'attestation_busy' | 'attestation_unavailable'

/** The evidence could not be had; what to do is to come back later. */
export class AttestationError extends Error {
  override readonly name = 'AttestationError'
  readonly code: AttestationFault
  constructor(code: AttestationFault, cause?: unknown) {
    super(
      code === 'attestation_busy'
        ? 'too many clients wait for attestation'
        : 'the machine did not give its evidence',
      { cause },
    )
    this.code = code
  }
}

export interface Evidence {
  readonly cpu: CpuEvidence
  readonly gpu: readonly GpuEvidence[] | null
}

export interface Attestor {
  /** The canonical document's exact JSON text. */
  document(nonce: Hex32 | null): Promise<string>
  /**
   * A quote over bytes that another door's format fixed, with GPU evidence under a nonce of its choice.
   * @param abandoned asked before the evidence is collected: does nobody wait for it any more?
   */
  evidenceFor(
    reportData: Uint8Array,
    gpuNonce: Uint8Array | null,
    abandoned: () => boolean,
  ): Promise<Evidence>
  /** The same without a nonce of anybody's: made once, and anew when it is as old as a cached round may get. */
  cachedEvidenceFor(reportData: Uint8Array): Promise<Evidence>
  readonly appCompose: string
}

export interface AttestorOptions {
  readonly keys: BootKeys
  /** The attested configuration, fixed for the boot. */
  readonly config: JsonObject
  readonly configDigest: Sha256Digest
  readonly cpu: CpuEvidenceSource
  /** Null only where the configuration requires no GPU. */
  readonly gpu: GpuEvidenceSource | null
  readonly nowMs: () => number
  /** Told of each round, and of each quote of its own, when it is over. */
  readonly onRound?: (kind: 'nonces' | 'cached' | 'single', ok: boolean, seconds: number) => void
}

interface Round {
  /** The document's members, all but `nonce`. */
  readonly members: JsonObject
  readonly proofs: ReadonlyMap<Hex32, NonceProof>
  readonly madeAtMs: number
}

interface Waiter {
  readonly nonce: Hex32
  readonly resolve: (round: Round) => void
  readonly reject: (error: unknown) => void
}

export function createAttestor(options: AttestorOptions): Attestor {
  const { keys, config, configDigest, cpu, gpu, nowMs } = options
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
      const done = await work()
      ok = true
      return done
    } finally {
      options.onRound?.(kind, ok, (performance.now() - began) / 1000)
    }
  }

  async function makeRound(nonces: readonly Hex32[]): Promise<Round> {
    const unique = [...new Set(nonces)]
    const tree = unique.length === 0 ? null : buildNonceTree(unique, nodeCrypto)
    const core = {
      boot_id: keys.bootId,
      keyset_digest: keys.keysetDigest,
      nonce_root: tree === null ? null : tree.root,
      round: toHex32(randomBytes(32)),
    }
    const gpuEvidence = gpu === null ? null : await gpu.collect(gpuNonce(core, nodeCrypto))
    const madeAtMs = nowMs()
    const statement = {
      ...core,
      collateral_digest: null,
      config_digest: configDigest,
      gpu_evidence_digest:
        gpuEvidence === null
          ? null
          : toSha256Digest(nodeCrypto.sha256(canonicalBytes(gpuEvidence))),
      issued_at: Math.floor(madeAtMs / 1000),
      log: null,
    }
    const evidence = await cpu.quote(reportData(statement, nodeCrypto))
    return {
      madeAtMs,
      proofs: new Map(
        tree === null ? [] : unique.map((nonce, index) => [nonce, tree.proof(index)]),
      ),
      members: {
        api_version: DOCUMENT_VERSION,
        boot_id: keys.bootId,
        round: core.round,
        issued_at: statement.issued_at,
        keyset: keys.keyset as unknown as JsonObject,
        config,
        log: null,
        evidence: {
          tee_type: 'tdx',
          quote: toHex(evidence.quote),
          event_log: evidence.eventLog,
          vm_config: evidence.vmConfig,
          app_compose: cpu.facts.appCompose,
          gpu: gpuEvidence as unknown as JsonObject | null,
          collateral: null,
          key_custody: keys.address.custody as unknown as JsonObject | null,
        },
        warnings: [],
      },
    }
  }

  /** Everything that waits when the round starts is answered by it; who comes later waits for the next. */
  async function nextRound(): Promise<void> {
    scheduled = false
    const batch = waiting.slice(0, MAX_NONCES_PER_ROUND)
    waiting = waiting.slice(MAX_NONCES_PER_ROUND)
    try {
      const round = await timed('nonces', () => makeRound(batch.map((waiter) => waiter.nonce)))
      for (const waiter of batch) waiter.resolve(round)
    } catch (error) {
      for (const waiter of batch) waiter.reject(error)
    }
  }

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    void queue.run('round', nextRound)
  }

  function joinRound(nonce: Hex32): Promise<Round> {
    if (waiting.length >= MAX_NONCES_PER_ROUND) {
      return Promise.reject(new AttestationError('attestation_busy'))
    }
    return new Promise((resolve, reject) => {
      waiting.push({ nonce, resolve, reject })
      schedule()
    })
  }

  function cachedRound(): Promise<Round> {
    if (cached !== null && nowMs() - cached.madeAtMs < CACHED_ROUND_MS) {
      return Promise.resolve(cached)
    }
    refreshing ??= queue
      .run('round', () => timed('cached', () => makeRound([])))
      .then((round) => (cached = round))
      .finally(() => (refreshing = null))
    return refreshing
  }

  /** By report data; the doors ask for two values in a boot. */
  const kept = new Map<
    string,
    { readonly evidence: Promise<Evidence>; readonly madeAtMs: number }
  >()

  async function single(
    data: Uint8Array,
    nonce: Uint8Array | null,
    abandoned: () => boolean,
  ): Promise<Evidence> {
    if (queue.waiting('single') >= MAX_WAITING_QUOTES)
      throw new AttestationError('attestation_busy')
    const collect = () =>
      timed('single', async () => ({
        gpu: gpu === null || nonce === null ? null : await gpu.collect(nonce),
        cpu: await cpu.quote(data),
      }))
    try {
      return await queue.run('single', collect, abandoned)
    } catch (error) {
      throw new AttestationError('attestation_unavailable', error)
    }
  }

  return {
    appCompose: cpu.facts.appCompose,

    async document(nonce) {
      let round: Round
      try {
        round = await (nonce === null ? cachedRound() : joinRound(nonce))
      } catch (error) {
        if (error instanceof AttestationError) throw error
        throw new AttestationError('attestation_unavailable', error)
      }
      if (nonce === null) return JSON.stringify({ ...round.members, nonce: null })
      const proof = round.proofs.get(nonce)
      if (proof === undefined) throw new AttestationError('attestation_unavailable')
      return JSON.stringify({ ...round.members, nonce: { value: nonce, ...proof } })
    },

    evidenceFor: single,

    async cachedEvidenceFor(data) {
      const key = toHex(data)
      const known = kept.get(key)
      if (known !== undefined && nowMs() - known.madeAtMs < CACHED_ROUND_MS) return known.evidence
      const evidence = single(data, null, () => false)
      kept.set(key, { evidence, madeAtMs: nowMs() })
      evidence.catch(() => kept.delete(key))
      return evidence
    },
  }
}
