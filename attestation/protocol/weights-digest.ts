/**
 * The digest of a folder of model files: docs/protocol.md, "Weights".
 *
 * It says what lay in a folder when the service started, as the service read it. It does not say what a model server loaded.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import { toSha256Digest } from './hex.ts'
import type { Hex32, Sha256Digest } from './hex.ts'
import { canonicalBytes } from './jcs.ts'
import { toUtf8 } from './utf8.ts'

/** What the digest is of, in every place where it is shown. */
export const WEIGHTS_LABEL = 'measured-by-sidecar: directory'
const PURPOSE = 'countersign.weights.v1'

export interface WeightsFile {
  /** Relative to the folder, with `/` between its parts; well-formed Unicode, exactly as the file system has it. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  readonly sha256: Hex32
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/**
 * SHA-256 of the JCS of `{"files":[{"path","sha256","size"}…],"purpose":"countersign.weights.v1"}`, files in the order of the
 * bytes of their paths in UTF-8.
 *
 * @throws TypeError for a path that stands twice or is not well-formed
 */
export function weightsDigest(files: readonly WeightsFile[], crypto: CryptoPort): Sha256Digest {
  const sorted = files
    .map((file) => ({ file, key: toUtf8(file.path) }))
    .sort((a, b) => compareBytes(a.key, b.key))
  for (const [index, { file }] of sorted.entries()) {
    if (index > 0 && sorted[index - 1]?.file.path === file.path) {
      throw new TypeError('a path stands twice')
    }
  }
  const listed = sorted.map(({ file: { path, size, sha256 } }) => ({ path, sha256, size }))
  return toSha256Digest(crypto.sha256(canonicalBytes({ files: listed, purpose: PURPOSE })))
}
