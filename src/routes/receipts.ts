/**
 * Receipts and signatures.
 *
 * @module
 */
import { Router } from 'express'
import type { Request, Response } from 'express'
import { COSE_CONTENT_TYPE, COSE_MEDIA_TYPE } from '../../attestation/protocol/cose-receipt.ts'
import { findReceipt } from '../../enclave/receipts/find-receipt.ts'
import type { ReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import type { ReceiptStore, StoredReceipt } from '../../enclave/receipts/receipt-store.ts'
import type { Authenticator } from '../relay/principals.ts'
import type { Door } from './attestation.ts'
import {
  readable,
  respond,
  sendBytes,
  sendError,
  sendText,
  spellings,
  wrapDocument,
} from './reply.ts'

export interface ReceiptRoutesOptions {
  readonly store: ReceiptStore
  readonly issuer: ReceiptIssuer
  readonly authenticate: Authenticator
  readonly doors: readonly Door[]
}

/** Length of an owner's secret in bytes. */
const MAX_OWNER_SECRET = 256
/** Completion ids are longer than receipt ids, but not without end. */
const MAX_ID = 256

function ownerSecret(req: Request): Uint8Array | null {
  const value = req.headers['x-countersign-owner-secret']
  if (typeof value !== 'string' || !/^[A-Za-z0-9_-]+$/.test(value)) return null
  const secret = Buffer.from(value, 'base64url')
  return secret.length <= MAX_OWNER_SECRET ? secret : null
}

type ReceiptAnswer = (receipt: StoredReceipt, owner: boolean, req: Request, res: Response) => void

/** What makes a handler of a route with a receipt's id in it: answers those who may see the receipt, and refuses the others. */
export function receiptReader({
  store,
  authenticate,
}: Pick<ReceiptRoutesOptions, 'store' | 'authenticate'>): (
  answer: ReceiptAnswer,
) => (req: Request, res: Response) => Promise<void> {
  const find = async (answer: ReceiptAnswer, req: Request, res: Response): Promise<void> => {
    const id = req.params['id']
    if (typeof id !== 'string' || id.length > MAX_ID) {
      sendError(res, 'not_found')
      return
    }
    const principal = authenticate(req.headers.authorization)
    const found = await findReceipt(store, id, { principal, ownerSecret: ownerSecret(req) })
    switch (found.access) {
      case 'none':
        sendError(res, 'not_found')
        return
      case 'unauthorized':
        sendError(res, 'unauthorized')
        return
      case 'owner':
      case 'view':
        answer(found.receipt, found.access === 'owner', req, res)
    }
  }
  return (answer) => (req, res) => respond(res, () => find(answer, req, res))
}

export function receiptRoutes(options: ReceiptRoutesOptions): Router {
  const { issuer, doors } = options
  const router = Router({ caseSensitive: true, strict: true })

  const withReceipt = receiptReader(options)

  const textOf = (receipt: StoredReceipt, owner: boolean): string =>
    owner ? issuer.document(receipt) : issuer.view(receipt)
  const openingOf = (receipt: StoredReceipt, owner: boolean): object =>
    owner ? { opening: issuer.opening(receipt) } : {}

  readable(
    router,
    spellings('/aci/receipts/:id'),
    withReceipt((receipt, owner, _req, res) => sendText(res, 200, textOf(receipt, owner))),
  )
  readable(
    router,
    spellings('/attestation/receipts/:id'),
    withReceipt((receipt, owner, req, res) => {
      if (req.accepts(['application/json', COSE_MEDIA_TYPE]) !== COSE_MEDIA_TYPE) {
        sendText(res, 200, wrapDocument(textOf(receipt, owner), openingOf(receipt, owner)))
        return
      }
      const message = issuer.cose(receipt, owner ? 'full' : 'view')
      if (message === null) {
        sendError(res, 'encoding_unavailable')
        return
      }
      if (owner) res.setHeader('X-Countersign-Opening', issuer.opening(receipt))
      sendBytes(res, COSE_CONTENT_TYPE, Buffer.from(message))
    }),
  )
  readable(
    router,
    spellings('/signature/:id'),
    withReceipt((receipt, owner, req, res) => {
      const algo = req.query['signing_algo'] ?? 'ecdsa'
      if (algo !== 'ecdsa' && algo !== 'ed25519') {
        sendError(res, 'invalid_signing_algo')
        return
      }
      const legacy = doors.includes('legacy-signature') ? issuer.legacy(receipt, algo) : null
      const signed =
        legacy === null
          ? {}
          : {
              text: legacy.text,
              signature: legacy.signature,
              signing_address: legacy.signingAddress,
              signing_algo: legacy.signingAlgo,
            }
      sendText(
        res,
        200,
        JSON.stringify({
          ...signed,
          receipt_id: receipt.record.receipt_id,
          outcome: receipt.record.outcome,
          document: textOf(receipt, owner),
          ...openingOf(receipt, owner),
        }),
      )
    }),
  )
  return router
}
