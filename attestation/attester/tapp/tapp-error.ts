/**
 * How asking 0G's TAPP can fail, and what to do about each.
 *
 * @module
 */

/** Codes are stable; `docs/errors.md` is generated from this table. */
export const TAPP_ERRORS = Object.freeze({
  tapp_binding_missing:
    'The optional package @grpc/grpc-js is not installed. Install with optional dependencies, or take the published image.',
  tapp_unreachable:
    'Nobody answers on the socket of TAPP. Mount /run/tapp/tapp.sock of the machine into this container and into no other.',
  tapp_timeout: 'TAPP did not answer in time. Look at the log of its service on the machine.',
  tapp_refused:
    'TAPP refused the call, or failed at it. The app id must be the one that the app was started under; TAPP knows it once all containers of the app have started, so none of them may wait for this one to be healthy.',
  tapp_too_large: 'The answer of TAPP is longer than the limit of its kind.',
  tapp_malformed:
    'The answer of TAPP is not of the form of its versions 0.4 to 0.9. Take one of those.',
  tapp_nonce_ignored:
    'The evidence is not over the nonce that was sent. TAPP before 0.4 ignores it: update the machine.',
  tapp_too_old: 'This TAPP is older than 0.4, whose quotes are over no nonce. Update the machine.',
  tapp_other_app:
    'What TAPP answers is about another app, or it measured the start of this one with another compose text than it says. The app id must be the one that the app was started under.',
  tapp_other_machine:
    'The event log does not replay to the quote, or is none. Something stands between this process and TAPP.',
  tapp_start_unmeasured:
    'The measured log has no start of this app that still holds. TAPP measures it once all containers of the app have started, so none of them may wait for this one to be healthy.',
  tapp_wrong_report_data:
    'The quote is not over the runtime data beside it. Something stands between this process and TAPP.',
  tapp_wrong_key: 'The key that TAPP gave is not the one of the address that it names.',
})

export type TappErrorCode = keyof typeof TAPP_ERRORS

/** The message is `detail: what happened and what to do`; no text of TAPP and no key is in it. */
export class TappError extends Error {
  override readonly name = 'TappError'
  readonly code: TappErrorCode

  constructor(code: TappErrorCode, detail: string) {
    super(`${detail}: ${TAPP_ERRORS[code]}`)
    this.code = code
  }
}
