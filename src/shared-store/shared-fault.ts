/**
 * What is behind an error of a shared store, as a stable code.
 *
 * @module
 */
import type { SharedFault } from '../../enclave/store/shared-place.ts'
import { isCertificateError } from '../channel/is-certificate-error.ts'

/** The first word of an error reply: Redis' and Valkey's own codes. */
const REPLIES: ReadonlyMap<string, SharedFault> = new Map([
  ['NOAUTH', 'shared_store_refused'],
  ['WRONGPASS', 'shared_store_refused'],
  ['NOPERM', 'shared_store_refused'],
  ['DENIED', 'shared_store_refused'],
  ['OOM', 'shared_store_full'],
  ['MISCONF', 'shared_store_full'],
  ['READONLY', 'shared_store_readonly'],
  ['LOADING', 'shared_store_not_serving'],
  ['MASTERDOWN', 'shared_store_not_serving'],
  ['CLUSTERDOWN', 'shared_store_not_serving'],
  ['NOREPLICAS', 'shared_store_not_serving'],
  ['BUSY', 'shared_store_not_serving'],
])

/** Of an error that the server answered. */
export function replyFault(error: unknown): SharedFault {
  const [word = ''] = error instanceof Error ? error.message.split(' ', 1) : []
  // `ERR AUTH <password> called without any password configured`: someone else's server, or one that nobody locked.
  if (error instanceof Error && error.message.startsWith('ERR AUTH')) return 'shared_store_refused'
  return REPLIES.get(word) ?? 'shared_store_reply'
}

/** Of a connection that was not made. */
export function connectionFault(error: unknown): SharedFault {
  return isCertificateError(error) ? 'shared_store_certificate' : 'shared_store_unreachable'
}
