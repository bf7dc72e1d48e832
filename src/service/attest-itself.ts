/**
 * Passes the gate before the service serves, and again on a schedule: leaves readiness where a hard cause comes up, and returns
 * by itself when it is gone. Renews the keyset when that is due, with a document that passed the gate for it.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { Stapler } from '../../attestation/collateral/staple/create-stapler.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { within } from '../../enclave/attestation/within.ts'
import type { Attestor, DocumentWarning } from '../../enclave/attestation/attestor.ts'
import type { BootKeys, NamedKeyset } from '../../enclave/keys/boot-keys.ts'
import type { ServiceLog } from '../operations/open-log.ts'
import { adviceOf } from './advice-of.ts'
import type { ClockFloor } from './clock-floor.ts'
import { faultCode, faultName } from './fault-name.ts'
import { gateAdvice } from './gate-advice.ts'
import type { Gate } from './gate.ts'
import type { Keysets } from './keysets.ts'
import { createSayAgain } from './say-again.ts'
import type { ServiceState } from './state.ts'

/** Milliseconds between two attempts to pass the gate while it is shut. */
export const GATE_RETRY_MS = 2_000
/** Milliseconds that the first judgement waits for collateral, so that a revoked machine does not serve first. */
export const FIRST_STAPLE_MS = 10_000
/** Attempts in a row without evidence after which a service that was serving stops. */
export const MAX_MISSED = 3

export interface SelfAttestation {
  /** Resolves when the gate was passed for the first time, or the service closes. */
  readonly ready: Promise<void>
  /** What it found that is soft. */
  warnings(): readonly DocumentWarning[]
}

export interface SelfAttestationOptions {
  readonly attestor: Attestor
  readonly gate: Gate
  readonly state: ServiceState
  readonly stapler: Stapler | null
  readonly keys: BootKeys
  readonly keysets: Keysets
  readonly clockFloor: ClockFloor
  readonly log: ServiceLog
  /** Milliseconds between two judgements. */
  readonly intervalMs: number
  readonly closing: AbortSignal
}

/** A sleep that a call ends, or one that came before it. */
function createSleep(closing: AbortSignal): {
  sleep(ms: number): Promise<void>
  wake(): void
} {
  let end = (): void => {}
  let woken = false
  closing.addEventListener('abort', () => end(), { once: true })
  return {
    wake() {
      woken = true
      end()
    },
    async sleep(ms) {
      if (!closing.aborted && !woken) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms)
          timer.unref()
          end = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      woken = false
    },
  }
}

export function attestItself(options: SelfAttestationOptions): SelfAttestation {
  const { attestor, gate, state, stapler, keys, keysets, clockFloor, log, intervalMs } = options
  const { closing } = options
  let warnings: readonly DocumentWarning[] = []
  let missed = 0
  /** The document that was kept last is that of this keyset. */
  let archived: NamedKeyset | null = null
  /** The store did not take something, so the next attempt comes soon. */
  let unkept = false
  const trouble = createSayAgain()
  const { sleep, wake } = createSleep(closing)
  // New collateral may say what the last judgement could not know.
  stapler?.onChange(wake)

  let prepared = stapler === null

  const judge = async (): Promise<void> => {
    if (!prepared && stapler !== null) {
      // The first evidence says what to fetch.
      await attestor.document(null)
      await within(stapler.attempted, FIRST_STAPLE_MS, () => new Error('late')).catch(() => {})
      prepared = true
    }
    // Its own nonce: an old document must not open the gate.
    const nonce = toHex32(randomBytes(32))
    const next = keysets.due()
    const document = await (next === null
      ? attestor.document(nonce, { lane: 'gate' })
      : attestor.documentOf(next, nonce))
    const findings = gate(document, { nonce, clockFloor: clockFloor.value() })
    missed = 0
    warnings = findings.warnings
    if (findings.cause === null) {
      await keep(document, next ?? keys.current)
      // Until there is another one it goes on under the keyset whose document is kept.
      if (archived === null) state.notAttested('store_unavailable')
      else serve()
      if (!unkept) trouble.over()
      return
    }
    state.notAttested(findings.cause)
    const { cause } = findings
    const advice = gateAdvice(cause)
    if (!trouble.due(cause)) return
    log.error({ cause, advice }, 'refuses to serve: its own evidence does not pass')
  }

  const serve = (): void => {
    const refused = () => state.attestation.refusal === 'not_attested'
    const before = refused()
    state.attested()
    if (before && !refused()) log.info({ keyset: keys.keysetDigest }, 'attested to itself; serving')
  }

  /** A receipt whose keyset nobody can look up could not be verified by who did not ask in time, so none is made before. */
  const keep = async (document: string, keyset: NamedKeyset): Promise<void> => {
    try {
      await clockFloor.keep()
      if (archived === keyset) return
      await keysets.archive(keyset.digest, document)
      archived = keyset
      if (keyset === keys.current) return
      keysets.adopt(keyset)
      log.info({ keyset: keyset.digest }, 'keyset renewed')
    } catch (error) {
      unkept = true
      const cause = faultName(error)
      if (!trouble.due(cause)) return
      log.warn({ cause }, 'the store did not take the document; will try again')
    }
  }

  /** Evidence that cannot be had once may be had in two seconds; requests are not refused for that. */
  const miss = (error: unknown): void => {
    missed++
    const serving = state.attestation.refusal !== 'not_attested'
    const [cause, fault, advice] = [faultCode(error), faultName(error), adviceOf(error)]
    if (!serving || missed >= MAX_MISSED) state.notAttested(cause)
    if (!trouble.due(`${cause} ${fault}`)) return
    const told = advice === null ? { cause, fault } : { cause, fault, advice }
    log.warn(told, 'no evidence yet; will try again')
  }

  const ready = new Promise<void>((resolve) => {
    closing.addEventListener('abort', () => resolve(), { once: true })
    const run = async (): Promise<void> => {
      while (!closing.aborted) {
        unkept = false
        try {
          await judge()
        } catch (error) {
          miss(error)
        }
        const open = state.attestation.refusal !== 'not_attested'
        if (open) resolve()
        const soon = !open || missed > 0 || unkept
        await sleep(soon ? GATE_RETRY_MS : Math.min(intervalMs, keysets.dueInMs()))
      }
    }
    void run()
  })
  return { ready, warnings: () => warnings }
}
