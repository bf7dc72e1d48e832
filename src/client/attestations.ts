/**
 * The keysets that one client has verified, by base URL. Attests once for each; everybody who waits shares the answer.
 *
 * @module
 */
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import type { TrustedKeyset } from '../../attestation/appraiser/appraise-document.ts'
import { fail } from '../../attestation/appraiser/check.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import {
  MAX_DOCUMENT_BYTES,
  unwrapDocument,
} from '../../attestation/appraiser/document/parse-document.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import type { GpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { randomBytes, readBytes } from './bytes.ts'

/** Evidence of several GPUs takes seconds, and clients share rounds. */
export const ATTESTATION_TIMEOUT_MS = 60_000
/** Base URLs remembered; the oldest go first. */
export const MAX_BASES = 256

const PROVES = 'The service showed its evidence.'

export type AttestationOutcome =
  | { readonly ok: true; readonly trusted: TrustedKeyset; readonly checks: readonly Check[] }
  | { readonly ok: false; readonly checks: readonly Check[] }

/** What vendors sign about the machine that made a document. */
export interface GivenCollateral {
  readonly collateral: DcapCollateral | null
  readonly gpuCollateral: GpuCollateral | null
}

/** @param document unwrapped. A rejection is no evidence: the service is then unavailable */
export type CollateralOf = (document: Uint8Array) => Promise<GivenCollateral>

export interface AttestationOptions {
  readonly fetch: typeof fetch
  readonly crypto: CryptoPort
  readonly policy: AppraisalPolicy
  /** Unix seconds. */
  readonly now: () => number
  /** Default: what the document has stapled is all there is. */
  readonly collateralOf?: CollateralOf
}

export interface Attestations {
  /** The keyset of a base, attested now where none is known or the known one has expired. */
  get(base: string, authorization: string | null): Promise<AttestationOutcome>
  /** Attests anew where `known` is still the keyset of that base: a receipt named another one. */
  renew(
    base: string,
    authorization: string | null,
    known: TrustedKeyset,
  ): Promise<AttestationOutcome>
}

export function createAttestations(options: AttestationOptions): Attestations {
  const { crypto, policy, now } = options
  const known = new Map<string, AttestationOutcome & { readonly ok: true }>()
  const pending = new Map<string, Promise<AttestationOutcome>>()

  const unavailable = (detail: string): AttestationOutcome => ({
    ok: false,
    checks: [fail('client.attestation', 'attestation_unavailable', PROVES, detail)],
  })

  async function attest(base: string, authorization: string | null): Promise<AttestationOutcome> {
    const nonce = toHex32(randomBytes(32))
    let bytes: Uint8Array | null
    try {
      const response = await options.fetch(`${base}/attestation/document?nonce=${nonce}`, {
        headers: {
          accept: 'application/json',
          ...(authorization === null ? {} : { authorization }),
        },
        signal: AbortSignal.timeout(ATTESTATION_TIMEOUT_MS),
      })
      if (response.status !== 200) {
        await response.body?.cancel()
        return unavailable(`status ${response.status}`)
      }
      bytes = await readBytes(response, 2 * MAX_DOCUMENT_BYTES)
    } catch {
      return unavailable('no answer')
    }
    if (bytes === null) return unavailable('the document is too long')
    const document = unwrapDocument(bytes)
    let given: GivenCollateral | null
    try {
      given = (await options.collateralOf?.(document)) ?? null
    } catch {
      return unavailable('no collateral')
    }
    const { verdict, trusted } = appraiseDocument(document, {
      crypto,
      at: now(),
      nonce,
      policy,
      ...given,
    })
    if (trusted === null) {
      // Where nothing failed, a check that the policy requires was skipped; its sentence says which.
      const failed = verdict.checks.some(({ status }) => status === 'fail')
      const required = fail('client.attestation', 'depends_on_failed', PROVES, verdict.sentence)
      return { ok: false, checks: failed ? verdict.checks : [...verdict.checks, required] }
    }
    const outcome = { ok: true, trusted, checks: verdict.checks } as const
    known.delete(base)
    known.set(base, outcome)
    const oldest = known.keys().next().value
    if (known.size > MAX_BASES && oldest !== undefined) known.delete(oldest)
    return outcome
  }

  function share(base: string, authorization: string | null): Promise<AttestationOutcome> {
    const running = pending.get(base)
    if (running !== undefined) return running
    // A failure is not remembered: the next request may find the service restarted.
    const started = attest(base, authorization).finally(() => pending.delete(base))
    pending.set(base, started)
    return started
  }

  return {
    get(base, authorization) {
      const found = known.get(base)
      if (found !== undefined && now() <= found.trusted.notAfter) return Promise.resolve(found)
      return share(base, authorization)
    },
    renew(base, authorization, old) {
      const found = known.get(base)
      // Somebody else has renewed it in the meantime.
      if (found !== undefined && found.trusted.keysetDigest !== old.keysetDigest) {
        return Promise.resolve(found)
      }
      return share(base, authorization)
    },
  }
}
