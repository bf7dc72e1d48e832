/**
 * What a request may not ask for, whatever the model server would make of it. Part of the attested configuration.
 *
 * @module
 */
import { MAX_CHOICES } from '../../attestation/protocol/chat-content.ts'
import { MAX_TEXT_CHOICES } from '../../attestation/protocol/text-content.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import type { ServiceErrorCode } from '../errors.ts'
import type { RelayRoute } from './relay-routes.ts'

/**
 * vLLM's members by which one user could reach into another's work or into the engine: a place before others, the key of the
 * shared prefix cache, cache blocks by address, vectors in place of a prompt, arguments of extensions.
 */
export const DEFAULT_REJECTED_MEMBERS: readonly string[] = Object.freeze([
  ...['priority', 'cache_salt', 'kv_transfer_params', 'prompt_embeds', 'vllm_xargs'],
])

export const STATEFUL_REQUESTS = ['refuse', 'allow'] as const

export interface RequestPolicy {
  /** Top-level members, or fields of a form, with which a request is refused. */
  readonly rejected: ReadonlySet<string>
  /**
   * Responses whose answer depends on what the model server has kept, or that it is to keep: refused, or let through. The
   * names of the members stand in the receipt in either case.
   */
  readonly stateful: (typeof STATEFUL_REQUESTS)[number]
}

function isStated(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false
}

/** A name as a form may spell it for a list: `image[]`, `chunking[type]`. */
function bareName(name: string): string {
  return name.replace(/\[[^\]]*\]$/, '')
}

/** Choices that a request asks for: `n`, of a completion for each prompt; 1 where it does not say. */
export function expectedChoices(request: JsonObject, route: RelayRoute): number {
  const { n, prompt } = request
  const each = typeof n === 'number' && Number.isSafeInteger(n) && n > 0 ? n : 1
  if (route.kind === 'chat/v1') return each
  if (route.kind !== 'text/v1') return 1
  const prompts: readonly unknown[] = Array.isArray(prompt) ? (prompt as readonly unknown[]) : ['']
  // A list of numbers is one prompt, in tokens.
  return prompts.every((item) => typeof item === 'number') ? each : each * prompts.length
}

/** @returns why the request is refused, or null */
export function judgeRequest(
  request: JsonObject,
  route: RelayRoute,
  policy: RequestPolicy,
): ServiceErrorCode | null {
  if (Object.keys(request).some((name) => policy.rejected.has(name))) return 'member_rejected'
  switch (route.kind) {
    case 'responses/v1':
      // There is no route by which such an answer could be fetched.
      if (isStated(request['background'])) return 'background_unsupported'
      if (policy.stateful === 'allow') return null
      return ['previous_response_id', 'conversation', 'store'].some((name) =>
        isStated(request[name]),
      )
        ? 'stateful_refused'
        : null
    case 'chat/v1':
      return expectedChoices(request, route) > MAX_CHOICES ? 'too_many_choices' : null
    case 'text/v1':
      return expectedChoices(request, route) > MAX_TEXT_CHOICES ? 'too_many_choices' : null
    default:
      return null
  }
}

/** The same for the fields of a form. */
export function judgeFields(
  names: readonly string[],
  policy: RequestPolicy,
): ServiceErrorCode | null {
  return names.some((name) => policy.rejected.has(bareName(name))) ? 'member_rejected' : null
}
