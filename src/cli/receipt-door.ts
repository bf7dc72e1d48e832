/**
 * Over what `countersign evidence save` asks for receipts, with a token that whoever ends the connection reads.
 *
 * Either the connection that the document came on ended on a key of its keyset, and the document is accepted: then over connections that
 * end on those keys alone. Or the certificate is one that this system's authorities vouch for. Otherwise nothing is asked.
 *
 * @module
 */
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import type { Appraisal } from '../../attestation/appraiser/appraise-document.ts'
import { CHANNEL_CHECK } from '../../attestation/appraiser/channel/judge-channel.ts'
import { POLICIES } from '../../attestation/appraiser/policies.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { EvidenceAttestation } from '../../attestation/protocol/evidence-file.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import type { Keyset } from '../../attestation/protocol/keyset.ts'
import { getOnce } from '../channel/get-once.ts'
import { isCertificateError } from '../channel/is-certificate-error.ts'
import { openChannels } from '../channel/open-channels.ts'
import { isChannelError } from '../channel/pinned-agent.ts'
import { readBytes } from '../client/bytes.ts'
import { EXIT } from './exit-codes.ts'
import { attestationUrl, FETCH_MS, reached } from './fetch-document.ts'
import type { FetchedDocument } from './fetch-document.ts'
import { loadPolicy } from './load-policy.ts'
import type { PolicyOptions } from './load-policy.ts'
import { MAX_DOCUMENT_BYTES } from './read-bounded.ts'
import { Refusal } from './refusal.ts'

type Headers = Readonly<Record<string, string>>

export interface DoorAnswer {
  readonly status: number
  readonly body: Uint8Array
  /** The header, as it came. */
  readonly retryAfter: string | null
}

export interface ReceiptDoor {
  /**
   * A GET below `…/attestation/`.
   *
   * @throws Refusal where there is no answer, or the other end is not who may see the headers
   */
  ask(path: string, headers: Headers): Promise<DoorAnswer>
  close(): Promise<void>
}

const NOT_BOUND = 'the connection would not have ended inside the enclave; nothing secret was sent'

function bounded(status: number, body: Uint8Array | null, retryAfter: string | null): DoorAnswer {
  if (body === null) throw new Refusal('The answer is too large.', EXIT.internal)
  return { status, body, retryAfter }
}

function pinnedDoor(base: string, keyset: Keyset): ReceiptDoor {
  const channels = openChannels({
    // Never reached: nothing goes but over what is bound.
    fetch: () => Promise.reject(new Error(NOT_BOUND)),
    observes: true,
    demand: 'bound',
    now: () => Math.floor(Date.now() / 1000),
  })
  channels.bind(new URL(base).origin, keyset)
  return {
    ask: (path, headers) =>
      reached(base, async () => {
        try {
          const signal = AbortSignal.timeout(FETCH_MS)
          const answer = await channels.fetch(attestationUrl(base, path), { headers, signal })
          const body = await readBytes(answer, MAX_DOCUMENT_BYTES)
          return bounded(answer.status, body, answer.headers.get('retry-after'))
        } catch (error) {
          if (isChannelError(error)) throw new Refusal(`${base}: ${NOT_BOUND}.`, EXIT.internal)
          throw error
        }
      }),
    close: () => channels.close(),
  }
}

/** @param why no connection is known to end inside the enclave */
function webpkiDoor(base: string, why: string): ReceiptDoor {
  return {
    ask: (path, headers) =>
      reached(base, async () => {
        try {
          const { status, body, retryAfter } = await getOnce(attestationUrl(base, path), {
            headers,
            maxBytes: MAX_DOCUMENT_BYTES,
            timeoutMs: FETCH_MS,
            certificate: 'webpki',
          })
          return bounded(status, body, retryAfter)
        } catch (error) {
          if (!isCertificateError(error)) throw error
          throw new Refusal(
            `Receipts of ${base} are not asked for: its certificate is one that nobody vouches for here, and ${why}.`,
            EXIT.internal,
          )
        }
      }),
    close: () => Promise.resolve(),
  }
}

function isBound({ verdict, trusted }: Appraisal): boolean {
  const channel = verdict.checks.find(({ id }) => id === CHANNEL_CHECK)
  return trusted !== null && channel?.status === 'pass'
}

/**
 * @param fetched the document of the service, over the connection that it came on
 * @param nonce that it was asked for with
 * @throws Refusal where the policy demands a bound connection and this is none
 */
export async function openReceiptDoor(
  base: string,
  fetched: FetchedDocument,
  attestation: EvidenceAttestation,
  nonce: Hex32,
  options: PolicyOptions,
): Promise<ReceiptDoor> {
  const policy: AppraisalPolicy = await loadPolicy(options, POLICIES['relying-party'])
  const appraisal = appraiseDocument(fetched.bytes, {
    crypto: nodeCrypto,
    at: Math.floor(Date.now() / 1000),
    nonce,
    policy,
    channel: fetched.channel,
    collateral: attestation.collateral,
    gpuCollateral: attestation.gpu_collateral,
  })
  const { trusted, verdict } = appraisal
  if (trusted !== null && isBound(appraisal)) return pinnedDoor(base, trusted.keyset)
  const why =
    trusted === null
      ? `its document is not accepted: ${verdict.sentence.replace(/\.$/, '')}`
      : 'its key is not one of the keyset'
  if (policy.channel === 'bound') {
    throw new Refusal(`Receipts of ${base} are not asked for: ${why}.`, EXIT.rejected)
  }
  return webpkiDoor(base, why)
}
