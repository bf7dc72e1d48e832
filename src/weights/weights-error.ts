/**
 * Why a folder of weights is not measured.
 *
 * @module
 */
import { MAX_WEIGHTS_DEPTH, MAX_WEIGHTS_FILES, MAX_WEIGHTS_PATH } from './weights-limits.ts'

export const WEIGHTS_ERRORS = Object.freeze({
  weights_unreadable:
    'A file or folder of the weights cannot be read: see that it is there, and its owner and mode.',
  weights_empty: 'The folder of the weights holds no file: has the model been fetched?',
  weights_link_leaves:
    'A symbolic link leads out of the folder of the weights, so what it leads to could change unseen: copy the file there. In a cache of Hugging Face the files are such links; fetch with a local folder.',
  weights_link_to_folder:
    'A symbolic link leads to something that is no file; only links to files are followed.',
  weights_special_file: 'A socket, pipe or device is among the weights.',
  weights_name: 'The name of a file is not well-formed UTF-8, so no two readers need agree on it.',
  weights_too_many: `The folder has more than ${MAX_WEIGHTS_FILES} files, folders more than ${MAX_WEIGHTS_DEPTH} deep, or a path of more than ${MAX_WEIGHTS_PATH} bytes: is it the right one?`,
  weights_hidden:
    "Below .cache/huggingface lies something other than the notes of Hugging Face's client, which are not measured: a download that did not end, or a file that does not belong there. Fetch again, or remove .cache from the folder.",
  weights_changed:
    'A file changed while it was read. Mount the folder read-only, and fetch before the service starts.',
})
export type WeightsErrorCode = keyof typeof WEIGHTS_ERRORS

export class WeightsError extends Error {
  override readonly name = 'WeightsError'
  readonly code: WeightsErrorCode
  /** @param path relative to the folder; empty for the folder itself */
  readonly path: string
  constructor(code: WeightsErrorCode, path: string, options?: ErrorOptions) {
    super(WEIGHTS_ERRORS[code], options)
    this.code = code
    this.path = path
  }
}

export function isWeightsErrorCode(value: unknown): value is WeightsErrorCode {
  return typeof value === 'string' && Object.hasOwn(WEIGHTS_ERRORS, value)
}
