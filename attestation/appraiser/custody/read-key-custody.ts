/**
 * How the address key was derived, as attestation documents and ACI reports of Countersign state it (docs/protocol.md §5).
 *
 * @module
 */
import { listOf, objectOf, textOf } from '../read-members.ts'

const MAX_CUSTODY_TEXT = 256
const MAX_CUSTODY_LINKS = 4

export interface KeyCustodyEvidence {
  readonly path: string
  readonly purpose: string
  readonly algorithm: string
  /** Hex. */
  readonly public_key: string
  /** Hex, each. */
  readonly signature_chain: readonly string[]
}

/** @throws Unreadable */
export function readKeyCustody(value: unknown): KeyCustodyEvidence | null {
  if (value === null) return null
  const what = 'evidence.key_custody'
  const members = ['path', 'purpose', 'algorithm', 'public_key', 'signature_chain']
  const custody = objectOf(value, what, members)
  return {
    path: textOf(custody['path'], `${what}.path`, MAX_CUSTODY_TEXT),
    purpose: textOf(custody['purpose'], `${what}.purpose`, MAX_CUSTODY_TEXT),
    algorithm: textOf(custody['algorithm'], `${what}.algorithm`, MAX_CUSTODY_TEXT),
    public_key: textOf(custody['public_key'], `${what}.public_key`, MAX_CUSTODY_TEXT),
    signature_chain: listOf(custody['signature_chain'], what, MAX_CUSTODY_LINKS).map((link) =>
      textOf(link, `${what}.signature_chain`, MAX_CUSTODY_TEXT),
    ),
  }
}
