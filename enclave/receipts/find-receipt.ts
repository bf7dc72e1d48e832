/**
 * Who may see which receipt.
 *
 * A receipt belongs to the principal that made the request, or to whoever shows the secret whose hash came with it. A
 * principal marked `relay` stands for many users and owns nothing: under it the receipt's unguessable id is enough for
 * the view, and its completion id, which is not secret, is found only by that principal.
 *
 * @module
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { ReceiptStore, StoredReceipt } from './receipt-store.ts'

export interface Requester {
  /** From the bearer token; null where none was presented. */
  readonly principal: { readonly name: string } | null
  /** From `X-Countersign-Owner-Secret`. */
  readonly ownerSecret: Uint8Array | null
}

export type Found =
  | { readonly access: 'owner' | 'view'; readonly receipt: StoredReceipt }
  /** No credential was presented and one is needed. */
  | { readonly access: 'unauthorized' }
  /** Not there, or not this requester's: the two look alike. */
  | { readonly access: 'none' }

function holdsSecret(receipt: StoredReceipt, secret: Uint8Array | null): boolean {
  const { ownerHash } = receipt.ownership
  if (ownerHash === null || secret === null) return false
  const hash = createHash('sha256').update(secret).digest()
  return timingSafeEqual(hash, Buffer.from(ownerHash, 'hex'))
}

/**
 * @param id receipt id or completion id
 * @throws SharedStoreError where a replica may have it and the place that they share does not answer
 */
export async function findReceipt(
  store: ReceiptStore,
  id: string,
  requester: Requester,
): Promise<Found> {
  const { principal, ownerSecret } = requester
  const byId = await store.get(id)
  const receipt = byId ?? (principal === null ? null : await store.findByChatId(principal.name, id))
  if (receipt === null) return { access: principal === null ? 'unauthorized' : 'none' }
  if (holdsSecret(receipt, ownerSecret)) return { access: 'owner', receipt }
  const { ownership } = receipt
  // With X-Countersign-Owner the full view is the user's alone; the principal that relayed the request keeps the view.
  const samePrincipal = principal !== null && principal.name === ownership.principal
  if (samePrincipal && !ownership.relay && ownership.ownerHash === null) {
    return { access: 'owner', receipt }
  }
  if (ownership.relay || samePrincipal) return { access: 'view', receipt }
  return { access: principal === null ? 'unauthorized' : 'none' }
}
