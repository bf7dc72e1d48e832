/** A store in a folder of its own, and receipts to put in it, without a service around them. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toSha256Digest } from '../../attestation/protocol/hex.ts'
import { createEphemeralAddressKey } from '../../enclave/keys/address-key.ts'
import { createBootKeys } from '../../enclave/keys/boot-keys.ts'
import type { BootKeys } from '../../enclave/keys/boot-keys.ts'
import { NO_CONTENT } from '../../enclave/receipts/attest-content.ts'
import { createReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import type { Exchange, ReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import type { Ownership } from '../../enclave/receipts/receipt-store.ts'
import { openLmdbStore } from '../../enclave/store/lmdb-store.ts'
import type { LmdbStoreOptions, OpenStore } from '../../enclave/store/lmdb-store.ts'
import type { StoreBoot } from '../../src/service/open-receipts.ts'

export const NOW = 1_780_000_000
export const OWN: Ownership = { principal: 'alice', relay: false, ownerHash: null }
const HASH = toSha256Digest(nodeCrypto.sha256(Buffer.from('a body')))
export const CONFIG = toSha256Digest(nodeCrypto.sha256(Buffer.from('a configuration')))

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cs-store-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export const rootKey = (): Uint8Array => randomBytes(32)

/** As a service keeps it, unless a test says otherwise. */
const KEPT = {
  durability: 'group',
  retention: { days: 30, bytes: 1024 ** 3 },
  ephemeral: false,
} as const

/** What a test service opens its store with: one on that folder. */
export function onDisk(
  path: string,
  key: Uint8Array,
  more: Partial<LmdbStoreOptions> = {},
): { readonly openStore: (boot: StoreBoot) => Promise<OpenStore> } {
  return { openStore: (boot) => openLmdbStore({ path, rootKey: key, ...KEPT, ...boot, ...more }) }
}

export interface Boot {
  readonly keys: BootKeys
  readonly store: OpenStore
  readonly issuer: ReceiptIssuer
  /** Admits and settles one request; resolves when it is acknowledged. @returns its id */
  serve(changes?: Partial<Exchange>, ownership?: Ownership): Promise<string>
}

export function bootKeys(): BootKeys {
  return createBootKeys({
    now: NOW,
    subject: null,
    simulated: false,
    address: createEphemeralAddressKey(nodeCrypto),
    crypto: nodeCrypto,
  })
}

export function exchange(changes: Partial<Exchange> = {}): Exchange {
  return {
    outcome: 'complete',
    status: 200,
    backend: 'vllm',
    requestHash: HASH,
    forwardedHash: HASH,
    responseHash: HASH,
    responseBytes: 6,
    whole: true,
    members: [],
    chatId: null,
    modelRequested: 'demo',
    modelServed: 'demo',
    content: NO_CONTENT,
    finishReasons: ['stop'],
    usage: null,
    rewrites: [],
    ...changes,
  }
}

/** One boot of the enclave on that folder. Closed with the test, unless the test does so first. */
export async function boot(
  path: string,
  key: Uint8Array,
  options: Partial<LmdbStoreOptions> = {},
): Promise<Boot> {
  const keys = bootKeys()
  const now = options.now ?? (() => NOW)
  const { keysetDigest, receiptKeyId, address } = keys
  const store = await openLmdbStore({
    path,
    rootKey: key,
    ...KEPT,
    bootId: keys.bootId,
    boot: { keysetDigest, receiptKeyId, address: address.address },
    now,
    onFailure: () => undefined,
    ...options,
  })
  let closed: Promise<void> | null = null
  const { durable } = store
  const kept: OpenStore = {
    ...store,
    durable: { ...durable, close: () => (closed ??= durable.close()) },
  }
  onTestFinished(() => kept.durable.close())
  const issuer = createReceiptIssuer({ keys, configDigest: CONFIG, store: kept, now })
  return {
    keys,
    store: kept,
    issuer,
    async serve(changes = {}, ownership = OWN) {
      const request = {
        ownership,
        challenge: null,
        endpoint: '/v1/chat/completions',
        method: 'POST',
      }
      const admission = issuer.admit(request)
      await issuer.settle(admission, exchange(changes))
      return admission.receiptId
    },
  }
}

export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await holds()) return
    await sleep(20)
  }
  throw new Error('it never came')
}
