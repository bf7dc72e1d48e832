/**
 * Relays one chat request: raw bytes in, raw bytes out, one outcome.
 *
 * Rules that everything here serves: the client gets byte for byte what the model sent; every admitted request is settled
 * exactly once; the receipt is stored before the last byte leaves; nothing upstream outlives the client.
 *
 * @module
 */
import { errorBody, errorSpec } from '../errors.ts'
import type { ServiceErrorCode } from '../errors.ts'
import type { Outcome } from '../../attestation/protocol/record.ts'
import { Account } from './account.ts'
import { readWishes } from './answer-wishes.ts'
import type { AdmittedRequest, ReadResult } from './recording.ts'
import { afterSettling, leaveWhenWritten } from './ending.ts'
import { Exchange } from './exchange.ts'
import type { ChatRequest, RelayOptions } from './exchange.ts'
import { smallBody } from './large/gather.ts'
import { readBody } from './read-body.ts'
import { bodyPending, discardRest, replyError } from './reply.ts'

const CHALLENGE = /^[A-Za-z0-9_-]{22,86}$/
const OWNER = /^[0-9a-f]{64}$/

/** Base64url of 16 to 64 bytes, in its one canonical spelling (RFC 4648 §3.5: no stray bits at the end). */
function isChallenge(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    CHALLENGE.test(value) &&
    Buffer.from(value, 'base64url').toString('base64url') === value
  )
}

interface Refusal {
  readonly admitted: AdmittedRequest
  readonly code: ServiceErrorCode | null
}

function admission(request: ChatRequest): Refusal {
  const { headers, method, url } = request.req
  const challenge = headers['x-countersign-challenge']
  const owner = headers['x-countersign-owner']
  const validChallenge = isChallenge(challenge)
  const validOwner = typeof owner === 'string' && OWNER.test(owner)
  let code: ServiceErrorCode | null = null
  if (challenge !== undefined && !validChallenge) code = 'invalid_challenge'
  else if (owner !== undefined && !validOwner) code = 'invalid_owner'
  else if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
    code = 'content_encoding_unsupported'
  }
  return {
    code,
    admitted: {
      ownership: {
        principal: request.principal.name,
        relay: request.principal.relay,
        ownerHash: validOwner ? owner : null,
      },
      challenge: validChallenge ? challenge : null,
      route: request.route,
      method: method ?? '',
      wishes: readWishes(headers, url ?? ''),
    },
  }
}

export function relayChat(options: RelayOptions, request: ChatRequest): void {
  const { req, res } = request
  const { limits } = options
  const { admitted, code } = admission(request)
  const recording = options.recorder.admit(admitted)
  const account = new Account(request.route.endpoint, options.account)

  /** Settles what never went upstream; `written` sends what there is to send. */
  const settle = (outcome: Outcome, status: number, whole: boolean, written: () => void) => {
    account.settling()
    const settled = recording.settle({ outcome, status, backend: null, forwarded: false, whole })
    const { receiptId, responseBytes } = recording
    const facts = { receiptId, outcome, status, upstream: null, responseBytes }
    void afterSettling(
      settled,
      () => account.settled(facts, true, written),
      () =>
        account.settled(facts, false, () => {
          res.destroy()
          request.done()
        }),
    )
  }

  /** Records a refusal and answers it; the refusal's own bytes are under the receipt. */
  const refuse = (refusal: ServiceErrorCode, outcome: Outcome = 'refused') => {
    const body = errorBody(refusal)
    void recording.buffered(smallBody(Buffer.from(body)), null)
    account.failed(refusal)
    settle(outcome, errorSpec(refusal).status, true, () => {
      const early = bodyPending(req)
      const close = early ? ['Connection', 'close'] : []
      const wished = recording.wishedHeaders(errorSpec(refusal).status)
      replyError(
        res,
        refusal,
        [...options.headers(), ...recording.headers, ...wished, ...close],
        body,
      )
      if (early) discardRest(req)
      leaveWhenWritten(res, limits, request.done)
    })
  }

  /**
   * Answers without a receipt, and without the headers that promise one: it would have to name the hash of a body that is
   * lost, and a receipt is for the answer of a model, which there is none of.
   */
  const giveUp = () => {
    const error = 'internal_error'
    account.failed(error)
    account.settling()
    const { receiptId } = recording
    const { status } = errorSpec(error)
    const facts = {
      receiptId,
      outcome: 'refused',
      status,
      upstream: null,
      responseBytes: 0,
    } as const
    account.settled(facts, false, () => {
      replyError(res, error, options.headers(), errorBody(error))
      leaveWhenWritten(res, limits, request.done)
    })
  }

  if (code !== null) {
    recording.cutRequest(smallBody(Buffer.alloc(0)))
    refuse(code)
    return
  }
  const bounds = { maxBytes: limits[request.route.limit], limits, budget: options.budget }
  const body = readBody(req, bounds, (result) => {
    account.read(result.ok ? result.body.length : result.read.length)
    if (!result.ok) {
      recording.cutRequest(result.read)
      body.release()
      if (result.why === 'too_large') refuse('body_too_large')
      else if (result.why === 'no_room') refuse('overloaded')
      else if (result.why === 'timeout') refuse('body_timeout', 'timeout')
      else settle('downstream_closed', 499, false, request.done)
      return
    }
    const read = recording.readRequest(result.body, req.headers['content-type'] ?? '')
    if (read instanceof Promise) void read.then(proceed)
    else proceed(read)
  })

  const proceed = (read: ReadResult) => {
    if ('lost' in read) {
      body.release()
      giveUp()
      return
    }
    const upstream = read.ok ? options.upstreams.forModel(read.facts.model) : null
    if (!read.ok || upstream === null) {
      body.release()
      refuse(read.ok ? 'model_not_found' : read.code)
      return
    }
    new Exchange(options, request, recording, account, upstream, body).start(read.facts.forward)
  }
}
