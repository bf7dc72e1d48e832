/**
 * Sends a request over the channel that the policy demands: attests first where that is not known to be there, and once more
 * where the other end has changed, or shows a certificate that nobody vouches for, which both show before anything is sent.
 *
 * @module
 */
import { fail } from '../../attestation/appraiser/check.ts'
import type { Check } from '../../attestation/appraiser/check.ts'
import { CHANNEL_CHECK, CHANNEL_PROVES } from '../../attestation/appraiser/channel/judge-channel.ts'
import { isCertificateError } from '../channel/is-certificate-error.ts'
import type { Channel } from '../channel/open-channels.ts'
import { isChannelError } from '../channel/pinned-agent.ts'
import type { AttestationOutcome } from './attestations.ts'
import { refuseUnsent } from './judge-answer.ts'
import type { Client } from './judge-answer.ts'
import { urlOf } from './read-call.ts'
import type { FetchInit, FetchInput } from './read-call.ts'
import { VerificationError } from './verification-error.ts'

export type Sending =
  | {
      readonly sent: true
      readonly response: Response
      readonly channel: Channel
      /** What the service was last found to be. */
      readonly outcome: AttestationOutcome
    }
  | { readonly sent: false; readonly checks: readonly Check[] }

export interface SendRequest {
  readonly url: string
  readonly init: FetchInit
  readonly base: string
  readonly authorization: string | null
  /** What the service was found to be when it was decided to send. */
  readonly outcome: AttestationOutcome
}

/** @returns `sent: false` where nothing was, not even the headers */
export async function sendOver(client: Client, request: SendRequest): Promise<Sending> {
  const { channels, attestations } = client
  const { url, init, base, authorization } = request
  // A redirect points to somebody who was not asked about; and followed, it would let a certificate fail after the first host has read all.
  const sent: FetchInit = { ...init, redirect: 'manual' }
  let { outcome } = request
  for (let again = 0; ; again++) {
    const channel = channels.of(url)
    try {
      return { sent: true, response: await channels.fetch(url, sent), channel, outcome }
    } catch (error) {
      // Who stood in between when the service was attested may be gone: what is there now may be the enclave, which certifies itself.
      if (channel === 'intermediary' && again === 0 && outcome.ok && isCertificateError(error)) {
        outcome = await attestations.renew(base, authorization, outcome.trusted)
        if (!outcome.ok) return { sent: false, checks: outcome.checks }
        if (channels.of(url) === 'bound') continue
      }
      if (!isChannelError(error)) throw error
    }
    // The service has started anew, or somebody stands between now: what it attests to, over which connection, decides.
    if (again > 0 || !outcome.ok) {
      return { sent: false, checks: [fail(CHANNEL_CHECK, 'channel_intermediary', CHANNEL_PROVES)] }
    }
    outcome = await attestations.renew(base, authorization, outcome.trusted)
    if (!outcome.ok) return { sent: false, checks: outcome.checks }
  }
}

const BASE = /^(https?:\/\/[^/?#]+(?:\/[^?#]*?)?\/v1(?:\/proxy)?)\//

/**
 * Sends what is not verified. Where the policy demands a channel that is bound, so is this one: a key in a header or a model's name
 * is nobody else's either.
 *
 * @param base default: what ends in `/v1` or `/v1/proxy`
 * @throws VerificationError where nothing was sent
 */
export async function passOn(
  client: Client,
  input: FetchInput,
  init: FetchInit,
  base: string | null = BASE.exec(urlOf(input))?.[1] ?? null,
): Promise<Response> {
  const { channels, attestations, policy } = client
  const url = urlOf(input)
  if (policy.channel !== 'bound') {
    // A connection that is bound already is used; one that has changed is not worth attesting for.
    try {
      return await channels.fetch(input, init)
    } catch (error) {
      if (!isChannelError(error) || base === null) throw error
      channels.bind(base, null)
      return channels.fetch(input, init)
    }
  }
  const refuse = (checks: readonly Check[]) => new VerificationError(refuseUnsent(url, checks))
  if (base === null) throw refuse([fail(CHANNEL_CHECK, 'channel_intermediary', CHANNEL_PROVES)])
  const outcome = await attestations.get(base, null)
  if (!outcome.ok) throw refuse(outcome.checks)
  const request = new Request(input, init)
  const { method, headers, signal } = request
  const body = request.body === null ? {} : { body: await request.arrayBuffer() }
  const sending = await sendOver(client, {
    ...{ url, base, authorization: null, outcome },
    init: { method, headers, signal, ...body },
  })
  if (!sending.sent) throw refuse(sending.checks)
  return sending.response
}
