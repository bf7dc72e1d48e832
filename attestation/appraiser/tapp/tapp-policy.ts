/**
 * What a relying party accepts of an app that 0G's TAPP started, as plain data. Without effect for other platforms.
 *
 * @module
 */
import { isJsonObject } from '../../protocol/json.ts'
import { createPolicyPart, isBoolean, isHex, isListOf, isNullOr, isText } from '../policy-part.ts'
import type { PartResult, Reader } from '../policy-part.ts'

/** A file that TAPP mounts into the app beside its compose text. */
export interface MountFileReference {
  /** As the compose text names its source, e.g. `./.env`. */
  readonly path: string
  /** SHA-384 of the content, lower-case hex. */
  readonly sha384: string
}

export interface TappPolicy {
  /** App ids that are accepted; null: any, which is then said. */
  readonly appIds: readonly string[] | null
  /**
   * Files that may be mounted; null: any, which is then said, and with `composeHashes` refused: a compose text takes programs
   * and variables from them, so that alone it says little.
   */
  readonly mountFiles: readonly MountFileReference[] | null
  /** Digests (`sha256:…`) of images that may run; null: any, as the compose text names them. */
  readonly images: readonly string[] | null
  /** Accept a machine on which something else was started since it booted. */
  readonly allowOtherApps: boolean
}

export const DEFAULT_TAPP_POLICY: TappPolicy = Object.freeze({
  appIds: null,
  mountFiles: null,
  images: null,
  allowOtherApps: false,
})

const isShortText = isText(/^[^]{1,256}$/)

const isMountFile: Reader = (value) =>
  isJsonObject(value) &&
  Object.keys(value).length === 2 &&
  isShortText(value['path']) &&
  isHex(48)(value['sha384'])

const PART = createPolicyPart<TappPolicy>('tapp', DEFAULT_TAPP_POLICY, {
  appIds: isNullOr(isListOf(isShortText)),
  mountFiles: isNullOr(isListOf(isMountFile)),
  images: isNullOr(isListOf(isText(/^sha256:[0-9a-f]{64}$/))),
  allowOtherApps: isBoolean,
})

/** Reads this part of a policy; members that are not given have their default. */
export function readTappPolicy(value: unknown): PartResult<TappPolicy> {
  return PART.read(value)
}
