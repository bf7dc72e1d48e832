/**
 * What opening a store found that its operator has to know of, although it serves.
 *
 * @module
 */

export interface StoreFindings {
  /** The key ends with this process: nothing of what it seals can be opened after it. */
  readonly ephemeral: boolean
  /** What an earlier process sealed under a key that ended with it, and was removed. */
  readonly lost: { readonly boots: number; readonly receipts: number }
  /** Boots whose entry does not open under this key: their receipts and documents cannot be read. */
  readonly unreadableBoots: number
  /** Admissions without an end whose receipt is kept, here or in the shared place: struck out once, and put back since. */
  readonly admissionsPutBack: number
}

/** Stable codes of the log, each with what to do. */
export const STORE_WARNINGS = Object.freeze({
  store_key_ephemeral:
    'The key that the store is sealed under ends with this process, and with it every receipt, keyset document and log in it. Run on a machine with a key provider; in a simulation, on an agent that keeps its keys, as docs/rehearse.md has one.',
  store_key_gone:
    'The store held what an earlier process had sealed under a key that ended with it. Nobody can open it, and it was removed: its receipts are answered with 404, and to those who remember its log this one was reset.',
  store_boots_unreadable:
    'Entries of earlier boots were changed, moved or damaged, so that they do not open under this key: their receipts and keyset documents are not served. Put the volume back from a copy, and say so to those who verify.',
  store_admissions_put_back:
    'Requests stood as without an end that have their receipt: somebody put rows of the volume back, or all of an older volume. Their receipts stand, and none is called interrupted. Look who writes to the disk.',
})
export type StoreWarning = keyof typeof STORE_WARNINGS

/** What one of them says in the log beside its advice. */
export interface WarnedStore {
  readonly cause: StoreWarning
  readonly boots?: number
  readonly receipts?: number
  readonly admissions?: number
}

export function storeWarnings(found: StoreFindings): readonly WarnedStore[] {
  const { ephemeral, lost, unreadableBoots, admissionsPutBack } = found
  return [
    ...(ephemeral ? [{ cause: 'store_key_ephemeral' as const }] : []),
    ...(lost.boots + lost.receipts === 0 ? [] : [{ cause: 'store_key_gone' as const, ...lost }]),
    ...(unreadableBoots === 0
      ? []
      : [{ cause: 'store_boots_unreadable' as const, boots: unreadableBoots }]),
    ...(admissionsPutBack === 0
      ? []
      : [{ cause: 'store_admissions_put_back' as const, admissions: admissionsPutBack }]),
  ]
}
