/**
 * Whether the service should be given traffic, in three parts, and why not: attested, upstream, store.
 *
 * Being full is load, not unreadiness: a balancer must not take the node out for it.
 *
 * @module
 */
import type { ServiceErrorCode } from '../errors.ts'
import type { ServiceState } from '../service/state.ts'

export const READINESS_PARTS = ['attested', 'upstream', 'store'] as const
export type ReadinessPartName = (typeof READINESS_PARTS)[number]

export interface ReadinessPart {
  readonly ready: boolean
  /** Stable code of an error; null where it is ready. */
  readonly code: ServiceErrorCode | null
  /** Stable code of what is behind it, where more is known: that of a failed check, the name of an upstream. */
  readonly cause: string | null
}

export type Readiness = {
  readonly status: 'ready' | 'not_ready' | 'draining'
} & { readonly [part in ReadinessPartName]: ReadinessPart }

export interface ReadinessSources {
  readonly state: ServiceState
  /** Names of the upstreams that take no requests now, and how many there are. */
  readonly upstreams: () => { readonly all: number; readonly down: readonly string[] }
  /** The store cannot keep receipts. */
  readonly storeFailing: () => boolean
  /** Stable code of why not, where more is known. */
  readonly storeCause?: () => string | null
}

const READY: ReadinessPart = Object.freeze({ ready: true, code: null, cause: null })

export function readReadiness(sources: ReadinessSources): Readiness {
  const { state } = sources
  const { attestation } = state
  const { all, down } = sources.upstreams()
  const parts = {
    attested:
      attestation.refusal === null
        ? READY
        : { ready: false, code: attestation.refusal, cause: attestation.cause },
    // One that is left can serve; which ones are down stands in the metrics.
    upstream:
      down.length < all
        ? READY
        : { ready: false, code: 'upstream_unavailable', cause: down.join(',') },
    store: sources.storeFailing()
      ? { ready: false, code: 'store_unavailable', cause: sources.storeCause?.() ?? null }
      : READY,
  } as const satisfies { [part in ReadinessPartName]: ReadinessPart }
  const ready = READINESS_PARTS.every((part) => parts[part].ready)
  return { status: state.leaving ? 'draining' : ready ? 'ready' : 'not_ready', ...parts }
}
