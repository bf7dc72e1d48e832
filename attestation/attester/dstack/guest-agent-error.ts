/**
 * How a call to the guest agent can fail.
 *
 * @module
 */

/**
 * - `agent_unreachable`: no socket, nobody listens, or the connection broke before the answer was whole
 * - `agent_timeout`: no whole answer before the deadline
 * - `agent_refused`: the agent answered with an error; its own faults look the same as the caller's
 * - `agent_malformed`: the answer is too long, not JSON, or not of the promised shape
 * - `agent_wrong_report_data`: a quote over something else than what was asked for
 */
export type GuestAgentErrorCode =
  | 'agent_unreachable'
  | 'agent_timeout'
  | 'agent_refused'
  | 'agent_malformed'
  | 'agent_wrong_report_data'

/**
 * The message is for an operator's log. It names method and member, never a value that the agent sent, except the
 * agent's own error text with long hex runs removed; so it holds no key material.
 *
 * @example
 * ```ts
 * if (error instanceof GuestAgentError && error.code === 'agent_timeout') retryLater()
 * ```
 */
export class GuestAgentError extends Error {
  override readonly name = 'GuestAgentError'
  readonly code: GuestAgentErrorCode

  constructor(code: GuestAgentErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
