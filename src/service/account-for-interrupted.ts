/**
 * What an earlier boot left open is accounted for: the boot that finds it says that its end was not recorded.
 *
 * The disk that says so may be an older one than it was: an end that was recorded can stand in the place that replicas share. So that place is
 * asked first, and where it does not answer nothing is said: two signed records of one request would contradict each other.
 *
 * @module
 */
import type { ReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import type { InterruptedAdmission, ReceiptStore } from '../../enclave/receipts/receipt-store.ts'

/** Receipts that are asked for at once; users' questions wait in the same line. */
const AT_ONCE = 32

/** Rejects where the store cannot be asked, or does not take it: they stay in the journal, for the boot after this one. */
export async function accountForInterrupted(
  store: ReceiptStore,
  issuer: Pick<ReceiptIssuer, 'interrupt'>,
): Promise<void> {
  const { durable } = store
  if (durable === undefined) return
  const { interrupted } = durable
  const open: InterruptedAdmission[] = []
  for (let at = 0; at < interrupted.length; at += AT_ONCE) {
    await Promise.all(
      interrupted.slice(at, at + AT_ONCE).map(async (one) => {
        const { receiptId } = one.admission
        if ((await store.get(receiptId)) === null) open.push(one)
        else await durable.strikeOut(receiptId)
      }),
    )
  }
  await Promise.all(open.map(async (one) => await issuer.interrupt(one)))
}
