/** A real Redis or Valkey server that a test starts, on a socket of its own; skipped loudly where there is none. */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { openLmdbStore } from '../../enclave/store/lmdb-store.ts'
import type { LmdbStoreOptions, OpenStore } from '../../enclave/store/lmdb-store.ts'
import { shareStore } from '../../enclave/store/share-store.ts'
import { SharedStoreError } from '../../enclave/store/shared-place.ts'
import type { OpenSharedPlace, SharedFault } from '../../enclave/store/shared-place.ts'
import { createReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import type { Exchange, ReceiptIssuer } from '../../enclave/receipts/receipt-issuer.ts'
import type { Ownership, ReceiptStore } from '../../enclave/receipts/receipt-store.ts'
import type { StoreBoot } from '../../src/service/open-receipts.ts'
import type { RedisTarget } from '../../src/shared-store/connect-redis.ts'
import { openSharedPlace } from '../../src/shared-store/open-shared-place.ts'
import { parseSharedUrl } from '../../src/shared-store/shared-url.ts'
import { CONFIG, NOW, OWN, boot, exchange, newFolder } from './store.helpers.ts'
import type { Boot } from './store.helpers.ts'

export const SERVER =
  ['redis-server', 'valkey-server'].find((name) => spawnSync(name, ['--version']).status === 0) ??
  null
const CLI = SERVER === 'valkey-server' ? 'valkey-cli' : 'redis-cli'
if (SERVER === null) {
  console.warn(
    'SKIPPED: no redis-server and no valkey-server here, the shared store is not tried against a real one (apt-get install redis-server)',
  )
}

export interface RedisServer {
  readonly target: RedisTarget
  readonly folder: string
  /** Runs a command on it, over its socket; its answer. */
  cli(...words: readonly string[]): string
  /** Names of all keys, but for those that a probe leaves for a moment. */
  keys(): readonly string[]
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
  /** By SIGKILL; what it held is gone. */
  kill(): Promise<void>
  /** The same again, empty. */
  start(): Promise<void>
}

export interface RedisOptions {
  /** Further arguments; `--port 0` is among those that are there. */
  readonly arguments?: readonly string[]
  readonly target?: (folder: string) => RedisTarget
}

const LASTING_KEYS = `local lasting = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TTL', key) > 1 then lasting[#lasting + 1] = key end
end
return lasting`

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ path })
    socket.once('connect', () => socket.write('PING\r\n'))
    socket.once('error', () => resolve(false))
    socket.once('data', () => {
      socket.destroy()
      resolve(true)
    })
  })

export function targetOf(url: string, more: Partial<RedisTarget> = {}): RedisTarget {
  const parsed = parseSharedUrl(url)
  if (parsed === null) throw new Error(`${url} is no address`)
  return { url: parsed, ca: null, password: null, ...more }
}

/** Ended with the test. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const folder = newFolder()
  const path = join(folder, 'r.sock')
  let child: ChildProcess | null = null
  const kill = async (): Promise<void> => {
    if (child === null) return
    const gone = new Promise((resolve) => child?.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
    child = null
  }
  const start = async (): Promise<void> => {
    const words = ['--unixsocket', path, '--port', '0', '--save', '', '--dir', folder]
    child = spawn(SERVER ?? '', [...words, ...(options.arguments ?? [])], { stdio: 'ignore' })
    for (let i = 0; i < 500; i++) {
      if (await answers(path)) return
      await sleep(20)
    }
    throw new Error('the server does not answer')
  }
  const cli = (...words: readonly string[]): string => {
    const ran = spawnSync(CLI, ['-s', path, ...words])
    return ran.stdout.toString().trim()
  }
  onTestFinished(kill)
  await start()
  return {
    target: options.target?.(folder) ?? targetOf(`unix:${path}`),
    folder,
    cli,
    keys: () =>
      cli('EVAL', LASTING_KEYS, '0')
        .split('\n')
        .filter((key) => key !== ''),
    signal: (name) => void child?.kill(name),
    kill,
    start,
  }
}

export interface SharedTestOptions extends Partial<LmdbStoreOptions> {
  readonly path?: string
}

/** What a test service opens its store with: one on a folder of its own, shared at that place. */
export function sharedAt(
  target: RedisTarget | OpenSharedPlace,
  rootKey: Uint8Array,
  more: SharedTestOptions = {},
): { readonly openStore: (boot: StoreBoot) => Promise<ReceiptStore> } {
  const path = more.path ?? newFolder()
  return {
    async openStore(boot) {
      const options = {
        durability: 'group',
        retention: { days: 30, bytes: 1024 ** 3 },
        rootKey,
        ephemeral: false,
        ...boot,
        ...more,
      } as const
      const local = await openLmdbStore({ ...options, path })
      const open = typeof target === 'function' ? target : at(target)
      return shareStore(local, { ...options, open })
    },
  }
}

export interface Replica {
  readonly keys: Boot['keys']
  readonly store: ReceiptStore
  /** The same without the place. */
  readonly local: OpenStore
  readonly issuer: ReceiptIssuer
  /** Why it took nothing, one after the other; null where it did again. */
  readonly faults: readonly (SharedFault | null)[]
  /** How many of its failures came, however many they lost. */
  failures(): number
  /** Admits and settles one request; resolves when it is acknowledged. @returns its id */
  serve(changes?: Partial<Exchange>, ownership?: Ownership): Promise<string>
}

/** An enclave that shares its store, without a service around it. */
export async function replica(
  open: OpenSharedPlace,
  rootKey: Uint8Array,
  more: Pick<Partial<LmdbStoreOptions>, 'now' | 'durability' | 'disk' | 'path'> = {},
): Promise<Replica> {
  const now = more.now ?? (() => NOW)
  const { keys, store: local } = await boot(more.path ?? newFolder(), rootKey, more)
  const faults: (SharedFault | null)[] = []
  let failures = 0
  const store = shareStore(local, {
    open,
    retention: { days: 30 },
    rootKey,
    bootId: keys.bootId,
    boot: {
      keysetDigest: keys.keysetDigest,
      receiptKeyId: keys.receiptKeyId,
      address: keys.address.address,
    },
    now,
    onFailure: () => failures++,
    onFault: (fault) => faults.push(fault),
  })
  onTestFinished(() => store.durable?.close())
  const issuer = createReceiptIssuer({ keys, configDigest: CONFIG, store, now })
  return {
    keys,
    store,
    local,
    issuer,
    faults,
    failures: () => failures,
    async serve(changes = {}, ownership = OWN) {
      const request = { challenge: null, endpoint: '/v1/chat/completions', method: 'POST' }
      const admission = issuer.admit({ ...request, ownership })
      await issuer.settle(admission, exchange(changes))
      return admission.receiptId
    },
  }
}

/** What such a replica opens the place of that server with. */
export const at =
  (target: RedisTarget): OpenSharedPlace =>
  (events) =>
    openSharedPlace(target, events)

/** The code that it is refused with. */
export async function faultOf(asked: Promise<unknown>): Promise<SharedFault | 'none'> {
  try {
    await asked
  } catch (error) {
    if (!(error instanceof SharedStoreError)) throw error
    // Nothing of what was sent goes along.
    if (error.cause !== undefined || error.message !== error.code) throw new Error('it tells more')
    return error.code
  }
  return 'none'
}
