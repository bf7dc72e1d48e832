/**
 * Judges one exchange: fetches the receipt that an answer names and compares it with what was sent and received.
 *
 * @module
 */
import type { TrustedKeyset } from '../../attestation/appraiser/appraise-document.ts'
import { fail } from '../../attestation/appraiser/check.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import type { CheckCode } from '../../attestation/appraiser/codes.ts'
import type { SignedRequest } from '../../attestation/appraiser/http-signature/verify-http-signature.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { keysetOfReceipt } from '../../attestation/appraiser/receipt/keyset-of-receipt.ts'
import { verifyReceipt } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import type {
  ExpectedExchange,
  ReceiptLevel,
  ReceiptVerdict,
} from '../../attestation/appraiser/receipt/verify-receipt.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import type { Channel, Channels } from '../channel/open-channels.ts'
import type { Attestations } from './attestations.ts'
import type { Attested } from './known-keysets.ts'
import { fetchReceipt, inlineOfHeaders, readOpening, receiptIdOf } from './fetch-receipt.ts'
import type { FetchedReceipt } from './fetch-receipt.ts'
import { judgeHttpSignature } from './http-signature.ts'
import { judgeFault, judgePlainness } from './read-answer.ts'
import type { CompletionCall } from './read-call.ts'
import { firstFailure } from './verification-error.ts'
import type { ClientVerdict } from './verification-error.ts'

export type WantedLevel = Exclude<ReceiptLevel, 'none'>

/** What stays the same for all requests of one verified fetch. */
export interface Client {
  readonly channels: Channels
  readonly crypto: CryptoPort
  readonly now: () => number
  readonly policy: AppraisalPolicy
  readonly level: WantedLevel
  readonly throws: boolean
  readonly report: (verdict: ClientVerdict) => void
  readonly ownerHash: string
  readonly ownerSecret: string
  /** Receipts are asked for inside of answers, so that most need not be fetched. */
  readonly inline: boolean
  /** HTTP message signatures are asked for, and must be there. */
  readonly httpSignature: boolean
  readonly attestations: Attestations
}

/** One request that was sent, and what is known of the service. */
export interface Exchange {
  readonly client: Client
  readonly call: CompletionCall
  readonly authorization: string | null
  readonly challenge: string
  /** What an HTTP message signature of the answer must be for; null where none was asked for. */
  readonly signature: SignedRequest | null
  /** Null where the service did not verify and failures are only reported. */
  readonly trusted: TrustedKeyset | null
  readonly attestation: readonly Check[]
  /** By what the request went. */
  readonly channel: Channel
}

/** What is known of an answer when it is judged. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly level: WantedLevel
  readonly expected: ExpectedExchange
  /** Found while the answer was read. */
  readonly fault: CheckCode | null
  /** Every reader takes the same text from it, see `answer-shape.ts`. */
  readonly plain: boolean
  /** The receipt that came within a stream. */
  readonly inline?: string | null
}

const PROVES_RECEIPT = 'The answer has a receipt.'

/** Something that the receipt commits to was compared by the opening. */
function isOpened({ checks }: ReceiptVerdict): boolean {
  return checks.some(
    ({ id, status }) => status === 'pass' && (id === 'receipt.bodies' || id === 'receipt.content'),
  )
}

export function toVerdict(
  exchange: Exchange,
  receiptId: string | null,
  checks: readonly Check[],
  receipt: ReceiptVerdict | null,
  opening: Uint8Array | null = null,
): ClientVerdict {
  const { trusted, call } = exchange
  return {
    accepted: checks.every(({ status }) => status !== 'fail'),
    level: receipt?.level ?? 'none',
    code: firstFailure(checks),
    checks,
    receiptId,
    keysetDigest: receipt?.record?.keyset_digest ?? trusted?.keysetDigest ?? null,
    simulated: trusted?.simulated ?? null,
    opening: opening !== null && receipt !== null && isOpened(receipt) ? toHex(opening) : null,
    outcome: receipt?.record?.outcome ?? null,
    url: call.url,
    channel: exchange.channel,
  }
}

/** The verdict on a request that is not sent. */
export function refuseUnsent(url: string, checks: readonly Check[]): ClientVerdict {
  return {
    accepted: false,
    level: 'none',
    code: firstFailure(checks),
    checks,
    receiptId: null,
    keysetDigest: null,
    simulated: null,
    opening: null,
    outcome: null,
    url,
    channel: 'intermediary',
  }
}

export function refuseRoute(url: string): ClientVerdict {
  const proves = 'The request is one whose answer can be verified.'
  return refuseUnsent(url, [fail('client.route', 'route_unverified', proves)])
}

/** Verifies the receipt that came with an answer, or else one that is fetched. Never rejects. */
export async function judgeAnswer(exchange: Exchange, answer: Answer): Promise<ClientVerdict> {
  const { client, call, authorization, challenge, trusted } = exchange
  const { crypto, policy } = client
  const checks = judgeFault(answer.fault)
  const receiptId = receiptIdOf(answer.headers)
  const without = (code: CheckCode): ClientVerdict =>
    toVerdict(exchange, receiptId, [...checks, fail('client.receipt', code, PROVES_RECEIPT)], null)
  if (trusted === null) return toVerdict(exchange, receiptId, exchange.attestation, null)
  if (receiptId === null) return without('receipt_missing')
  const { channels, ownerSecret } = client
  const { fetch } = channels
  const { base } = call
  const sentOpening = readOpening(answer.headers.get('x-countersign-opening'))
  const verifyOne = (
    { document, opening }: FetchedReceipt,
    keyset: TrustedKeyset,
  ): ReceiptVerdict =>
    verifyReceipt(document, {
      crypto,
      policy,
      at: client.now(),
      trusted: keyset,
      level: answer.level,
      ...(opening === null ? {} : { opening }),
      expected: {
        endpoint: call.operation.endpoint,
        challenge,
        receiptId,
        status: answer.status,
        requestBytes: call.body,
        ...(call.request === null ? {} : { request: call.request }),
        ...answer.expected,
      },
    })
  const { responseBytes: body } = answer.expected
  const inForce: Attested = { ok: true, trusted, checks: exchange.attestation }
  /** Of replicas behind one address each may have answered: what it is judged by is the keyset that it names, if that was attested here. */
  const attestedFor = (document: string): Attested => {
    const digest = keysetOfReceipt(document)
    return (digest === null ? null : client.attestations.beside(base, digest)) ?? inForce
  }
  const allChecks = (verdict: ReceiptVerdict, by: Attested): readonly Check[] => [
    ...checks,
    ...by.checks.filter(({ id }) => id.startsWith('log.')),
    ...verdict.checks,
    ...judgePlainness(answer.plain, verdict),
    ...(exchange.signature === null || body === undefined
      ? []
      : judgeHttpSignature({ ...answer, body }, exchange.signature, {
          crypto,
          at: client.now(),
          trusted: by.trusted,
          policy,
        })),
  ]
  const came = client.inline ? (answer.inline ?? inlineOfHeaders(answer.headers)) : null
  const concluded = (verdict: ReceiptVerdict, by: Attested, opened: Uint8Array | null) =>
    toVerdict(
      { ...exchange, trusted: by.trusted },
      receiptId,
      allChecks(verdict, by),
      verdict,
      opened,
    )
  if (came !== null) {
    const by = attestedFor(came)
    const verdict = verifyOne({ document: came, opening: sentOpening }, by.trusted)
    // One that does not do proves nothing, not even that there is none: anybody on the way could have put it there.
    if (verdict.accepted) return concluded(verdict, by, sentOpening)
  }
  const receipt = await fetchReceipt({ fetch, base, receiptId, authorization, ownerSecret })
  if (receipt === null) return without('receipt_unavailable')
  const { document } = receipt
  const opening = receipt.opening ?? sentOpening
  const verify = ({ trusted }: Attested): ReceiptVerdict =>
    verifyOne({ document, opening }, trusted)
  let judgedBy = attestedFor(document)
  let verdict = verify(judgedBy)
  if (firstFailure(verdict.checks) !== 'receipt_other_keyset') {
    return concluded(verdict, judgedBy, opening)
  }
  // The service has renewed its keyset or restarted, or another one answered: what it attests to now decides.
  const renewed = await client.attestations.renew(base, authorization, trusted)
  if (!renewed.ok) {
    const both = [...checks, ...verdict.checks, ...renewed.checks]
    return toVerdict({ ...exchange, trusted: null }, receiptId, both, null)
  }
  judgedBy = renewed
  verdict = verify(judgedBy)
  const named =
    firstFailure(verdict.checks) === 'receipt_other_keyset' ? keysetOfReceipt(document) : null
  if (named !== null) {
    // It was made between two changes, or by a replica. Whoever signed it answered this request, so its keyset is no older than that.
    const archived = await client.attestations.archived(base, authorization, named)
    if (!archived.ok) {
      const both = [...checks, ...verdict.checks, ...archived.checks]
      return toVerdict({ ...exchange, trusted: judgedBy.trusted }, receiptId, both, null)
    }
    judgedBy = archived
    verdict = verify(judgedBy)
  }
  return concluded(verdict, judgedBy, opening)
}
