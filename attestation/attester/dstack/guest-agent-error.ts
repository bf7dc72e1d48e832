/**
 * How a call to the guest agent can fail.
 *
 * @module
 */

/** What happened and what to do, for the operator. Codes are stable; `docs/errors.md` is generated from this table. */
export const GUEST_AGENT_ERRORS = Object.freeze({
  agent_unreachable:
    'No socket, nobody listens, or the connection broke before the answer was whole. See that /var/run/dstack.sock is mounted, or with --simulate that COUNTERSIGN_AGENT_SOCKET names the right path, and that the guest agent runs.',
  agent_denied:
    'The socket is there and this user may not use it. dstack gives it mode 0777: look at its mode, and at user: in the compose file.',
  agent_timeout:
    'The guest agent gave no whole answer in time. Look at its log in the guest. A quote waits for all that were asked for before it: where others are answered, look for another program that asks for many.',
  agent_refused:
    'The guest agent answered with an error, also when asked again. Its log in the guest says more; its own faults look the same as ours.',
  agent_malformed:
    'The answer is too long, not JSON, or not of the promised shape. What listens on the socket is no guest agent of dstack 0.3 to 0.6.',
  agent_wrong_report_data:
    'The agent quoted something else than what was asked. Something stands between this process and the agent.',
  agent_wrong_key:
    'The key is not one of this app: it changes between two calls, or its signature chain is of another key. Something stands between this process and the agent.',
  agent_other_guest:
    'The measured event log is not the one of the app and the guest that the agent named, or does not replay to the quote. The socket is of another guest, or something stands before it.',
  agent_tls_unproven:
    'The certificate that came with the TLS key does not prove that this guest made the key. Use tls.key boot, which needs no agent, or look at what stands before the socket.',
  agent_unsupported:
    'The agent is too old for what was asked. Update the guest image to dstack 0.5.7 or newer and mount /var/run/dstack.sock.',
})

export type GuestAgentErrorCode = keyof typeof GUEST_AGENT_ERRORS

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
