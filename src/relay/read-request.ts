/**
 * Reads a request body as far as the relay must know it: for whom it is, what of it is refused, and its members.
 *
 * Pure, so that the event loop reads small bodies itself and hands large ones to a worker thread.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { hexToSha256Digest } from '../../attestation/protocol/hex.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import type { RewriteName } from '../../attestation/protocol/record.ts'
import type { ServiceErrorCode } from '../errors.ts'
import { MAX_LABEL } from './chat-observer.ts'
import { readConstraints } from './read-constraints.ts'
import { readForm } from './read-form.ts'
import { readJsonRequest } from './read-json-request.ts'
import type { RelayRoute } from './relay-routes.ts'
import { expectedChoices, judgeFields, judgeRequest } from './request-policy.ts'
import type { RequestPolicy } from './request-policy.ts'
import { rewriteRequest } from './rewrite-request.ts'
import type { RequestRewrites } from './rewrite-request.ts'

/** What is known of a body, whether it may be passed on or not. */
export interface RequestReading {
  readonly requestHash: Sha256Digest
  readonly model: string | null
  /** Null where the body was not a JSON object, or one that no receipt could list. */
  readonly request: JsonObject | null
  readonly verdict: RequestVerdict
}

export type RequestVerdict =
  | {
      readonly ok: true
      /** Choices that an answer must have. */
      readonly choices: number
      /** Bytes to send upstream: the body itself, but for recorded rewrites. */
      readonly forward: Buffer
      readonly forwardedHash: Sha256Digest
      /** Sorted. */
      readonly rewrites: readonly RewriteName[]
    }
  | { readonly ok: false; readonly code: ServiceErrorCode }

/** What the attested configuration says of requests. */
export interface RequestRules {
  readonly policy: RequestPolicy
  /** Changes to requests that the configuration asks for. */
  readonly rewrites: RequestRewrites
}

export function sha256Of(bytes: Uint8Array): Sha256Digest {
  return hexToSha256Digest(hash('sha256', bytes))
}

function labelOf(model: unknown): string | null {
  const fits = typeof model === 'string' && model.length <= MAX_LABEL && model.isWellFormed()
  return fits ? model : null
}

/** A form has no members that could be compared after an intermediary wrote it anew: its hash is all there is. */
function readFormRequest(
  body: Buffer,
  contentType: string,
  requestHash: Sha256Digest,
  policy: RequestPolicy,
): RequestReading {
  const form = readForm(body, contentType)
  if (!form.ok) {
    const code = form.why === 'malformed' ? 'form_malformed' : 'body_duplicate_member'
    return { requestHash, model: null, request: null, verdict: { ok: false, code } }
  }
  const refusal = judgeFields(form.names, policy)
  return {
    requestHash,
    model: labelOf(form.model),
    request: null,
    verdict:
      refusal === null
        ? { ok: true, choices: 1, forward: body, forwardedHash: requestHash, rewrites: [] }
        : { ok: false, code: refusal },
  }
}

function judge(
  request: JsonObject,
  body: Buffer,
  requestHash: Sha256Digest,
  route: RelayRoute,
  { policy, rewrites }: RequestRules,
): RequestVerdict {
  const refusal = judgeRequest(request, route, policy)
  if (refusal !== null) return { ok: false, code: refusal }
  const constraints = readConstraints(request)
  if (typeof constraints === 'string') return { ok: false, code: constraints }
  const { endpoint } = route
  const { bytes, applied } = rewriteRequest(body, request, { endpoint, rewrites, constraints })
  return {
    ok: true,
    choices: expectedChoices(request, route),
    forward: bytes,
    forwardedHash: applied.length === 0 ? requestHash : sha256Of(bytes),
    rewrites: applied,
  }
}

/** @param contentType as the client stated it */
export function readRequest(
  body: Buffer,
  contentType: string,
  route: RelayRoute,
  rules: RequestRules,
): RequestReading {
  const requestHash = sha256Of(body)
  if (route.body === 'multipart') {
    return readFormRequest(body, contentType, requestHash, rules.policy)
  }
  const read = readJsonRequest(body)
  if (!read.ok) return { requestHash, model: null, request: null, verdict: read }
  const { request } = read
  return {
    requestHash,
    model: labelOf(request['model']),
    request,
    verdict: judge(request, body, requestHash, route, rules),
  }
}
