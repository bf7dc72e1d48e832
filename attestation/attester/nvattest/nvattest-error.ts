/**
 * How collecting evidence with NVIDIA's `nvattest` can fail, and what to do about each.
 *
 * @module
 */

/** Codes are stable; `docs/errors.md` is generated from this table. */
export const NVATTEST_ERRORS = Object.freeze({
  nvattest_absent:
    'The program nvattest cannot be started. Install the package nvattest of NVIDIA in the image, executable, at the configured absolute path.',
  nvattest_timeout:
    'The program nvattest did not answer in time and was ended. It is tried again; if it stays, look at the fabric manager, nvidia-persistenced and dmesg of the guest.',
  nvattest_failed:
    'The program nvattest could not collect evidence. Run it by hand with --format text, which explains its result code.',
  nvattest_malformed:
    'What nvattest printed is not the document that its version 1.2 prints, or holds evidence that cannot be read. Take that version.',
  nvattest_nonce_mismatch:
    'A device answered another nonce than the one asked for. It is tried again; if it stays, something between this process and the device replays.',
  nvattest_count_mismatch:
    'The number of devices differs from the required one. Pass through as many as the measured compose file says, and none more.',
})

export type NvattestErrorCode = keyof typeof NVATTEST_ERRORS

/** The message is `detail: what happened and what to do`; nothing that nvattest printed is in it. */
export class NvattestError extends Error {
  override readonly name = 'NvattestError'
  readonly code: NvattestErrorCode

  constructor(code: NvattestErrorCode, detail: string) {
    super(`${detail}: ${NVATTEST_ERRORS[code]}`)
    this.code = code
  }
}
