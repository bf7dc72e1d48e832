/**
 * The keysets that one client has verified, by base URL. Attests once for each; everybody who waits shares the answer.
 *
 * @module
 */
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import type {
  AppraisalOptions,
  TrustedKeyset,
} from '../../attestation/appraiser/appraise-document.ts'
import { CHANNEL_CHECK } from '../../attestation/appraiser/channel/judge-channel.ts'
import { fail } from '../../attestation/appraiser/check.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import {
  MAX_DOCUMENT_BYTES,
  unwrapDocument,
} from '../../attestation/appraiser/document/parse-document.ts'
import { stapledCollateral } from '../../attestation/appraiser/document/stapled-collateral.ts'
import { MAX_PROOF_TEXT } from '../../attestation/appraiser/log/parse-log-proofs.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import type { GpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import type { Channels, Evidence } from '../channel/open-channels.ts'
import { randomBytes } from './bytes.ts'
import { MAX_BASES, createKnownKeysets, remember } from './known-keysets.ts'
import type { Archived, Attested } from './known-keysets.ts'
import { askReplicas } from './log/ask-replicas.ts'
import { followArchived } from './log/follow-archived.ts'
import { followLog } from './log/follow-log.ts'
import type { ReadLog } from './log/gather-proofs.ts'
import type { LogMemory } from './log/log-memory.ts'
import type { LogNames } from './log/log-names.ts'

/** Evidence of several GPUs takes seconds, and clients share rounds. */
export const ATTESTATION_TIMEOUT_MS = 60_000

const PROVES = 'The service showed its evidence.'
const PROVES_ARCHIVE = 'The document that the service keeps of a keyset is of that keyset.'
const NO_COLLATERAL: GivenCollateral = { collateral: null, gpuCollateral: null }

/** How a document is judged, beside what is the same for all. */
type JudgedBy = Pick<AppraisalOptions, 'nonce'> &
  Partial<Pick<AppraisalOptions, 'asOf' | 'channel' | 'collateral' | 'gpuCollateral' | 'policy'>>

export type AttestationOutcome =
  Attested | { readonly ok: false; readonly checks: readonly Check[] }

/** What vendors sign about the machine that made a document. */
export interface GivenCollateral {
  readonly collateral: DcapCollateral | null
  readonly gpuCollateral: GpuCollateral | null
}

/** @param document unwrapped. A rejection is no evidence: the service is then unavailable */
export type CollateralOf = (document: Uint8Array) => Promise<GivenCollateral>

export interface AttestationOptions {
  readonly channels: Channels
  readonly crypto: CryptoPort
  readonly policy: AppraisalPolicy
  /** Unix seconds. */
  readonly now: () => number
  /** Default: what the document has stapled is all there is. */
  readonly collateralOf?: CollateralOf
  /** Default: no head is remembered. */
  readonly logMemory?: LogMemory
  /** The names that a log may have. Default: any. */
  readonly logNames?: LogNames
}

export interface Attestations {
  /** The keyset of a base, attested now where none is known or the known one has expired. */
  get(base: string, authorization: string | null): Promise<AttestationOutcome>
  /** The keyset of that digest, where it is known to be one of that base beside the one in force: another replica's. */
  beside(base: string, digest: Sha256Digest): Attested | null
  /** Attests anew where `known` is still the keyset of that base: a receipt named another one. */
  renew(
    base: string,
    authorization: string | null,
    known: TrustedKeyset,
  ): Promise<AttestationOutcome>
  /**
   * The keyset of that digest by the document that the service keeps of it: a receipt names it, and it has been renewed since, or
   * the service has started anew. It is judged now, all but the age of the document.
   */
  archived(
    base: string,
    authorization: string | null,
    digest: Sha256Digest,
  ): Promise<AttestationOutcome>
}

export function createAttestations(options: AttestationOptions): Attestations {
  const { channels, crypto, policy, now } = options
  const keysets = createKnownKeysets(now)
  /** By base, what its last document was stapled with. */
  const stapled = new Map<string, GivenCollateral>()
  const pending = new Map<string, Promise<AttestationOutcome>>()

  const unavailable = (detail: string): AttestationOutcome => ({
    ok: false,
    checks: [fail('client.attestation', 'attestation_unavailable', PROVES, detail)],
  })

  async function read(
    url: string,
    authorization: string | null,
  ): Promise<(Pick<Evidence, 'channel'> & { readonly bytes: Uint8Array }) | AttestationOutcome> {
    let evidence: Evidence
    try {
      evidence = await channels.evidence(url, {
        authorization,
        maxBytes: 2 * MAX_DOCUMENT_BYTES,
        timeoutMs: ATTESTATION_TIMEOUT_MS,
      })
    } catch {
      return unavailable('no answer')
    }
    const { status, body, channel } = evidence
    if (status !== 200) return unavailable(`status ${status}`)
    if (body === null) return unavailable('the document is too long')
    return { bytes: unwrapDocument(body), channel }
  }

  /** What was found of it before holds no more: nothing is sent there until it is attested again, and accepted. */
  const forget = (base: string): void => {
    keysets.forget(base)
    channels.bind(base, null)
  }

  /** Collateral from elsewhere than the document; null where it is judged by its own. Rejects where it cannot be had. */
  const givenFor = async (document: Uint8Array): Promise<GivenCollateral | null> =>
    (await options.collateralOf?.(document)) ?? null

  function judge(bytes: Uint8Array, given: JudgedBy): AttestationOutcome {
    const { verdict, trusted } = appraiseDocument(bytes, { crypto, at: now(), policy, ...given })
    if (trusted === null) {
      // Where nothing failed, a check that the policy requires was skipped; its sentence says which.
      const failed = verdict.checks.some(({ status }) => status === 'fail')
      const required = fail('client.attestation', 'depends_on_failed', PROVES, verdict.sentence)
      return { ok: false, checks: failed ? verdict.checks : [...verdict.checks, required] }
    }
    return { ok: true, trusted, checks: verdict.checks }
  }

  const logOf =
    (base: string, authorization: string | null): ReadLog =>
    (path) =>
      askReplicas((once) =>
        channels.evidence(`${base}/attestation/log/${path}`, {
          ...{ authorization, once },
          maxBytes: 2 * MAX_PROOF_TEXT,
          timeoutMs: ATTESTATION_TIMEOUT_MS,
        }),
      )

  /**
   * What is in an archive is shown by the broker's choice: with heads remembered, the log of the keyset in force must lead to it, or it
   * must be of a log of its own name that is followed too.
   */
  async function prove(
    base: string,
    authorization: string | null,
    { attested, provedBy }: Archived,
  ): Promise<AttestationOutcome> {
    const { logMemory, logNames = null } = options
    const inForce = keysets.inForce(base)?.trusted
    if (logMemory === undefined) {
      if (inForce !== undefined) provedBy.set(inForce, attested)
      return attested
    }
    // Followed when it was attested.
    if (inForce === undefined || inForce.log === null) return unavailable('no log was followed')
    const known = provedBy.get(inForce)
    if (known !== undefined) return known
    const proofs = logOf(base, authorization)
    const { log } = attested.trusted
    const check = await followArchived(inForce.log, log, logNames, logMemory, proofs, crypto)
    const checks = [...attested.checks, check]
    if (check.status === 'fail') return { ok: false, checks }
    const proved: Attested = { ...attested, checks }
    provedBy.set(inForce, proved)
    return proved
  }

  async function attest(base: string, authorization: string | null): Promise<AttestationOutcome> {
    const nonce = toHex32(randomBytes(32))
    const { logMemory } = options
    const before = await logMemory?.read()
    const found = await read(`${base}/attestation/document?nonce=${nonce}`, authorization)
    if ('ok' in found) return found
    const { bytes, channel } = found
    let given: GivenCollateral | null
    try {
      given = await givenFor(bytes)
    } catch {
      return unavailable('no collateral')
    }
    let outcome = judge(bytes, { nonce, channel, ...given })
    if (!outcome.ok) {
      forget(base)
      return outcome
    }
    if (logMemory !== undefined && before !== undefined) {
      const proofs = logOf(base, authorization)
      const check = await followLog(
        outcome.trusted.log,
        options.logNames ?? null,
        before,
        logMemory,
        proofs,
        crypto,
      )
      const checks = [...outcome.checks, check]
      if (check.status === 'fail') {
        // A file that cannot be used here says nothing of the service.
        if (check.code !== 'log_state_unusable') forget(base)
        return { ok: false, checks }
      }
      outcome = { ...outcome, checks }
    }
    // Only what was seen on the connection of this very document: a keyset alone says nothing of who is at the other end.
    const bound = outcome.checks.some(({ id, status }) => id === CHANNEL_CHECK && status === 'pass')
    channels.bind(base, bound ? outcome.trusted.keyset : null)
    keysets.attested(base, outcome)
    remember(stapled, base, stapledCollateral(bytes), MAX_BASES)
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
    beside: (base, digest) => keysets.beside(base, digest),
    get(base, authorization) {
      const found = keysets.inForce(base)
      if (found !== null && now() <= found.trusted.notAfter) return Promise.resolve(found)
      return share(base, authorization)
    },
    renew(base, authorization, old) {
      const found = keysets.inForce(base)
      // Somebody else has renewed it in the meantime.
      if (found !== null && found.trusted.keysetDigest !== old.keysetDigest) {
        return Promise.resolve(found)
      }
      return share(base, authorization)
    },
    async archived(base, authorization, digest) {
      const found = keysets.archived(digest)
      if (found !== null && now() <= found.attested.trusted.notAfter) {
        return prove(base, authorization, found)
      }
      const kept = await read(`${base}/attestation/keysets/${digest}`, authorization)
      if ('ok' in kept) return kept
      const { bytes } = kept
      // The collateral of its time may be too old by now; that of the document that was just attested is not.
      let given: GivenCollateral
      try {
        const own = await givenFor(bytes)
        const fresher = stapled.get(base) ?? NO_COLLATERAL
        given = {
          collateral: own?.collateral ?? fresher.collateral,
          gpuCollateral: own?.gpuCollateral ?? fresher.gpuCollateral,
        }
      } catch {
        return unavailable('no collateral')
      }
      // It vouches for receipts; connections ended on the keys of another keyset, under which they were judged.
      const asKept = { nonce: null, asOf: true, policy: { ...policy, channel: 'any' } } as const
      const outcome = judge(bytes, { ...asKept, ...given })
      if (!outcome.ok) return outcome
      if (outcome.trusted.keysetDigest !== digest) {
        return {
          ok: false,
          checks: [fail('client.archive', 'archive_other_keyset', PROVES_ARCHIVE)],
        }
      }
      const archived: Archived = { attested: outcome, provedBy: new WeakMap() }
      const proved = await prove(base, authorization, archived)
      if (proved.ok) keysets.archive(digest, archived)
      return proved
    },
  }
}
