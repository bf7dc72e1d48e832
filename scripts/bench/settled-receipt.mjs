// Receipts as the store gets them, each with ids of its own: made once and signed once, so that what is measured is the store.
import { randomBytes } from 'node:crypto'
import { nodeCrypto } from '../../dist/attestation/crypto/node.js'
import { createEphemeralAddressKey } from '../../dist/enclave/keys/address-key.js'
import { createBootKeys } from '../../dist/enclave/keys/boot-keys.js'
import { createReceiptIssuer } from '../../dist/enclave/receipts/receipt-issuer.js'

/** @param made told of each receipt id @returns the next receipt's entry */
export function settledReceipt(made) {
  const address = createEphemeralAddressKey(nodeCrypto)
  const options = { now: 0, subject: null, simulated: false, address, crypto: nodeCrypto }
  const hash = `sha256:${'ab'.repeat(32)}`
  let model = null
  const issuer = createReceiptIssuer({
    keys: createBootKeys(options),
    configDigest: hash,
    store: { put: (entry) => void (model = entry) },
    now: () => 1_780_000_000,
  })
  const admission = issuer.admit({
    ownership: { principal: 'bench', relay: false, ownerHash: null },
    challenge: null,
    endpoint: '/v1/chat/completions',
    method: 'POST',
  })
  issuer.settle(admission, {
    outcome: 'complete',
    status: 200,
    backend: 'bench',
    requestHash: hash,
    forwardedHash: hash,
    responseHash: hash,
    responseBytes: 2048,
    whole: true,
    members: ['max_tokens', 'messages', 'model', 'temperature'].map((name) => ({
      digest: hash,
      name,
    })),
    chatId: `chatcmpl-${'0'.repeat(32)}`,
    modelRequested: 'demo/words',
    modelServed: 'demo/words',
    content: { digest: hash, kind: 'chat', status: 'covered', uncovered: [] },
    finishReasons: ['stop'],
    usage: { completion_tokens: 100, prompt_tokens: 100, total_tokens: 200 },
    rewrites: [],
  })
  return () => {
    const receiptId = `rcpt-${randomBytes(16).toString('hex')}`
    const chatId = `chatcmpl-${randomBytes(16).toString('hex')}`
    made(receiptId)
    const text = model.text.replace(model.receiptId, receiptId).replace(model.chatId, chatId)
    return { ...model, receiptId, chatId, text }
  }
}
