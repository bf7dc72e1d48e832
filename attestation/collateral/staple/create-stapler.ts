/**
 * The collateral that a service serves beside its evidence, so that its verifiers need ask no vendor: fetched in the
 * background at half of its life, vetted, and held until something better comes. No round of attestation ever waits for it.
 *
 * @module
 */
import { DCAP_ENTRY_TYPE } from '../../protocol/dcap-collateral.ts'
import { NVIDIA_ENTRY_TYPE } from '../../protocol/gpu-collateral.ts'
import { expectedRims } from '../../appraiser/gpu/rim/expected-rims.ts'
import { parseGpuEvidence } from '../../appraiser/gpu/parse-gpu-evidence.ts'
import { CollateralError } from '../collateral-error.ts'
import { readPlatform } from '../read-platform.ts'
import type { QuotedPlatform } from '../read-platform.ts'
import type { CollateralSource } from './collateral-source.ts'
import { DEFAULT_STAPLE_TIMING, MAX_WARNING_DETAIL, MAX_WARNINGS } from './limits.ts'
import type { StapleTiming } from './limits.ts'
import { createRefreshLoop } from './refresh-loop.ts'
import type { StapleWarning } from './staple-warning.ts'
import { vetDcap } from './vet-dcap.ts'
import type { HeldDcap, StapleRoots } from './vet-dcap.ts'
import { vetGpu } from './vet-gpu.ts'
import type { HeldGpu } from './vet-gpu.ts'

/** An element of `evidence.collateral`. */
export interface StapledEntry {
  readonly type: typeof DCAP_ENTRY_TYPE | typeof NVIDIA_ENTRY_TYPE
  readonly value: object
}

export interface ShownEvidence {
  readonly quote: Uint8Array
  /** Null where no GPU is required. */
  readonly gpu: readonly unknown[] | null
}

export interface Stapler {
  /** What is served now. The same list as long as it is the same. */
  entries(): readonly StapledEntry[]
  warnings(): readonly StapleWarning[]
  /** Unix seconds: the newest date that a vendor signed and that was verified here; null before the first. */
  newestSignedAt(): number | null
  /** Tells what the machine shows, from which follows what has to be fetched. Returns at once. */
  observe(evidence: ShownEvidence): void
  /** Resolves when the first attempt at everything is over, whatever came of it. */
  readonly attempted: Promise<void>
  /** Called after what is served has changed. */
  onChange(listener: () => void): void
  close(): void
}

export interface StaplerOptions {
  readonly source: CollateralSource
  readonly roots: StapleRoots
  /** Unix seconds. */
  readonly now: () => number
  readonly timing?: Partial<StapleTiming>
}

interface AskedPlatform {
  readonly quoted: QuotedPlatform
  readonly pckIssuer: string
}

class TooSlow extends Error {}

interface Deferred {
  readonly promise: Promise<void>
  readonly resolve: () => void
}

function deferred(): Deferred {
  let resolve = (): void => {}
  const promise = new Promise<void>((settle) => (resolve = settle))
  return { promise, resolve: () => resolve() }
}

/** The work goes on where it does not end in time; its result is dropped. */
async function within<T>(work: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TooSlow()), limitMs)
    timer.unref()
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** By code alone: an error that is not of a known class could quote what a service sent. */
function unreachable(what: string, error: unknown): StapleWarning {
  const late = error instanceof TooSlow
  const code =
    error instanceof CollateralError ? error.code : late ? 'collateral_timeout' : 'failed'
  return { code: 'staple_unreachable', detail: `${what}: ${code}` }
}

/** What decides which files are asked for. Evidence that cannot be read asks for none, and is for the gate to refuse. */
function keyOf(list: readonly unknown[]): string {
  return JSON.stringify(
    list.map((value) => {
      const parsed = parseGpuEvidence(value)
      if (!parsed.ok) return null
      const { report, arch, chain } = parsed.evidence
      const rims = expectedRims(report, arch)
      return ['fault' in rims ? null : rims, Buffer.from(chain[1]?.serial ?? []).toString('hex')]
    }),
  )
}

export function createStapler(options: StaplerOptions): Stapler {
  const { source, roots, now } = options
  const timing = { ...DEFAULT_STAPLE_TIMING, ...options.timing }
  const listeners: (() => void)[] = []
  let shown: ShownEvidence | null = null
  let platform: AskedPlatform | null = null
  let gpuKey: string | null = null
  let dcap: HeldDcap | null = null
  let gpu: HeldGpu | null = null
  let dcapWarnings: readonly StapleWarning[] = []
  let gpuWarnings: readonly StapleWarning[] = []
  let newest: number | null = null
  let served: readonly StapledEntry[] = []
  const first = { dcap: deferred(), gpu: deferred() }

  const changed = (): void => {
    served = Object.freeze([
      ...(dcap === null ? [] : [{ type: DCAP_ENTRY_TYPE, value: dcap.collateral } as const]),
      ...(gpu === null ? [] : [{ type: NVIDIA_ENTRY_TYPE, value: gpu.collateral } as const]),
    ])
    for (const listener of listeners) listener()
  }
  const signed = (at: number | null): void => {
    if (at !== null && (newest === null || at > newest)) newest = at
  }
  const halfLife = (expiresAt: number | null): number => {
    const leftMs = expiresAt === null ? timing.maxRefreshMs : (expiresAt - now()) * 1000
    return Math.min(Math.max(leftMs / 2, timing.minRefreshMs), timing.maxRefreshMs)
  }

  const fetchDcap = async (): Promise<number | null> => {
    const asked = platform
    if (asked === null) return null
    try {
      const collateral = await within(source.dcap(asked.quoted), timing.fetchMs)
      const own = { fmspc: asked.quoted.fmspc, pckIssuer: asked.pckIssuer }
      const vetted = vetDcap(collateral, own, dcap, roots)
      if (!vetted.ok) {
        dcapWarnings = [vetted.warning]
        return null
      }
      const { description } = vetted.held
      signed(description.validFrom)
      dcapWarnings = []
      if (JSON.stringify(dcap?.collateral) !== JSON.stringify(collateral)) {
        dcap = vetted.held
        changed()
      }
      return halfLife(description.expiresAt)
    } catch (error) {
      dcapWarnings = [unreachable('DCAP', error)]
      return null
    } finally {
      first.dcap.resolve()
    }
  }

  const fetchGpu = async (): Promise<number | null> => {
    const list = shown?.gpu ?? null
    if (list === null) return null
    try {
      const fetched = await within(source.gpu(list), timing.fetchMs)
      const vetted = vetGpu(fetched, list, gpu, { at: now(), roots })
      signed(vetted.held?.signedAt ?? null)
      gpuWarnings = vetted.warnings
      if (JSON.stringify(gpu?.collateral) !== JSON.stringify(vetted.held?.collateral)) {
        gpu = vetted.held
        changed()
      }
      return vetted.warnings.length > 0 ? null : halfLife(vetted.held?.expiresAt ?? null)
    } catch (error) {
      gpuWarnings = [unreachable('GPU collateral', error)]
      return null
    } finally {
      first.gpu.resolve()
    }
  }

  const loops = {
    dcap: createRefreshLoop({ work: fetchDcap, ...timing }),
    gpu: createRefreshLoop({ work: fetchGpu, ...timing }),
  }

  const stale = (what: string, expiresAt: number | null): StapleWarning[] =>
    expiresAt !== null && now() >= expiresAt
      ? [{ code: 'staple_stale', detail: `${what}: to be replaced by ${expiresAt}` }]
      : []

  return {
    entries: () => served,
    newestSignedAt: () => newest,
    attempted: Promise.all([first.dcap.promise, first.gpu.promise]).then(() => {}),
    onChange: (listener) => void listeners.push(listener),
    warnings() {
      const pending = (what: string): StapleWarning => ({ code: 'staple_pending', detail: what })
      const wanted = shown?.gpu !== null
      const all = [
        ...(dcap === null && dcapWarnings.length === 0 ? [pending('DCAP')] : []),
        ...(gpu === null && wanted && gpuWarnings.length === 0 ? [pending('GPU collateral')] : []),
        ...stale('DCAP', dcap?.description.expiresAt ?? null),
        ...stale('OCSP', gpu?.expiresAt ?? null),
        ...dcapWarnings,
        ...gpuWarnings,
      ]
      return all
        .slice(0, MAX_WARNINGS)
        .map(({ code, detail }) => ({ code, detail: detail.slice(0, MAX_WARNING_DETAIL) }))
    },
    observe(evidence) {
      const read = readPlatform(evidence.quote)
      shown = evidence
      if (!read.ok) {
        dcapWarnings = [{ code: 'staple_pending', detail: 'DCAP: the quote cannot be read' }]
        first.dcap.resolve()
      } else {
        const next = { quoted: read.platform, pckIssuer: read.pckIssuer }
        if (JSON.stringify(platform) !== JSON.stringify(next)) {
          platform = next
          loops.dcap.wake()
        }
      }
      if (evidence.gpu === null) {
        first.gpu.resolve()
        return
      }
      const key = keyOf(evidence.gpu)
      if (key === gpuKey) return
      gpuKey = key
      loops.gpu.wake()
    },
    close() {
      loops.dcap.close()
      loops.gpu.close()
    },
  }
}
