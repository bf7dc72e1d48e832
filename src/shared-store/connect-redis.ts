/**
 * One connection to a Redis or Valkey server, by ioredis; it ends for good when it is lost, and whoever made it makes another.
 *
 * Of ioredis only the encoding of commands and the matching of replies is used. The socket is ours, with our time-out, TLS and guard in front of
 * the library; it neither reconnects, queues, resends nor asks for readiness, and does not log in: where a server wants no password it would warn on
 * standard error and go on.
 *
 * @module
 */
import { createRequire } from 'node:module'
import { createConnection, isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Duplex } from 'node:stream'
import { SharedStoreError } from '../../enclave/store/shared-place.ts'
import type { SharedFault, SharedRow } from '../../enclave/store/shared-place.ts'
import { MAX_SHARED_VALUE_BYTES } from '../../enclave/store/shared-rows.ts'
import { StoreError } from '../../enclave/store/store-error.ts'
import { guardedSocket } from './guarded-socket.ts'
import { createReplyGuard } from './reply-guard.ts'
import { connectionFault, replyFault } from './shared-fault.ts'
import type { SharedUrl } from './shared-url.ts'

/** Milliseconds for a connection with its TLS handshake. */
export const SHARED_CONNECT_MS = 2_000
/** Milliseconds for the replies to one batch. A server that is later is left: the next connection may lead to another. */
export const SHARED_REPLY_MS = 2_000
/** Milliseconds of silence after which TCP asks whether the other side is there. */
const KEEP_ALIVE_MS = 10_000

export interface RedisTarget {
  readonly url: SharedUrl
  /** PEM of the authorities that may vouch for the server; null: the system's. */
  readonly ca: string | null
  readonly password: string | null
}

export interface RedisConnection {
  get(key: string): Promise<Buffer | null>
  exists(key: string): Promise<boolean>
  /** `SET key value NX EX ttl` for each. */
  add(rows: readonly SharedRow[]): Promise<void>
  /** Resolves when it is over, with why. */
  readonly ended: Promise<SharedFault>
  end(why: SharedFault): void
}

type Reply = readonly [error: Error | null, value?: unknown]

/** What is used of the package. */
interface Client {
  connect(): Promise<void>
  on(event: 'error', listener: () => void): void
  pipeline(commands: readonly (readonly (string | Buffer | number)[])[]): {
    exec(): Promise<readonly Reply[]>
  }
}
interface Ioredis {
  readonly Redis: new (options: object) => Client
}

/** @throws StoreError shared_binding_missing */
export function loadIoredis(): Ioredis {
  try {
    return createRequire(import.meta.url)('ioredis') as Ioredis
  } catch (error) {
    throw new StoreError('shared_binding_missing', error)
  }
}

/** Rejects with SharedStoreError. */
function openSocket({ url, ca }: RedisTarget): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const plain = url.kind !== 'tls'
    const socket =
      url.kind === 'unix'
        ? createConnection({ path: url.path })
        : url.kind === 'plain'
          ? createConnection({ host: url.host, port: url.port })
          : connectTls({
              host: url.host,
              port: url.port,
              // RFC 6066 section 3: an address is no server name.
              servername: isIP(url.host) === 0 ? url.host : '',
              ...(ca === null ? {} : { ca }),
              minVersion: 'TLSv1.2',
              rejectUnauthorized: true,
            })
    const fail = (fault: SharedFault) => {
      clearTimeout(timer)
      socket.destroy()
      reject(new SharedStoreError(fault))
    }
    const timer = setTimeout(() => fail('shared_store_unreachable'), SHARED_CONNECT_MS)
    socket.once('error', (error) => fail(connectionFault(error)))
    socket.once(plain ? 'connect' : 'secureConnect', () => {
      clearTimeout(timer)
      socket.removeAllListeners('error')
      socket.setNoDelay(true)
      socket.setKeepAlive(true, KEEP_ALIVE_MS)
      resolve(socket)
    })
  })
}

/** Nothing of the library's own doing is left on: each is named, whatever its default is. */
function optionsOf(stream: Duplex): object {
  class Connector {
    connect(): Promise<Duplex> {
      return Promise.resolve(stream)
    }
    check(): boolean {
      return true
    }
    disconnect(): void {
      stream.destroy()
    }
  }
  return {
    Connector,
    lazyConnect: true,
    retryStrategy: null,
    reconnectOnError: null,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableAutoPipelining: false,
    disableClientInfo: true,
    connectionName: null,
    protocol: 2,
    db: 0,
    username: null,
    password: null,
    noDelay: false,
    keepAlive: null,
    connectTimeout: 0,
    keyPrefix: '',
  }
}

/** @throws StoreError; rejects with SharedStoreError */
export async function connectRedis(target: RedisTarget): Promise<RedisConnection> {
  const { Redis } = loadIoredis()
  const socket = await openSocket(target)
  let fault: SharedFault = 'shared_store_unreachable'
  const guard = createReplyGuard(MAX_SHARED_VALUE_BYTES)
  const stream = guardedSocket(socket, guard, () => (fault = 'shared_store_reply'))
  const ended = new Promise<SharedFault>((resolve) => {
    stream.once('close', () => resolve(fault))
  })
  const end = (why: SharedFault) => {
    if (!stream.destroyed) fault = why
    stream.destroy()
  }
  const client = new Redis(optionsOf(stream))
  // What it says stands in `ended` and in each command's own rejection; its text can hold what was sent.
  client.on('error', () => undefined)

  /** Replies to commands that were sent in one write. */
  const send = async (
    commands: readonly (readonly (string | Buffer | number)[])[],
  ): Promise<readonly Reply[]> => {
    if (stream.destroyed) throw new SharedStoreError(fault)
    guard.expect(commands.length)
    const timer = setTimeout(() => end('shared_store_slow'), SHARED_REPLY_MS)
    try {
      const replies = await client.pipeline(commands).exec()
      // What was open when a connection ended has no reply.
      if (stream.destroyed) throw new SharedStoreError(fault)
      return replies
    } finally {
      clearTimeout(timer)
    }
  }
  const one = async (...command: readonly (string | Buffer | number)[]): Promise<unknown> => {
    const [reply] = await send([command])
    if (reply === undefined) throw new SharedStoreError('shared_store_reply')
    const [error, value] = reply
    if (error !== null) throw new SharedStoreError(replyFault(error))
    return value
  }
  /** An answer of another kind than the command's: whatever it is, it is not that server. */
  const strange = (): SharedStoreError => {
    end('shared_store_reply')
    return new SharedStoreError('shared_store_reply')
  }

  try {
    await client.connect()
    const { password } = target
    const { user } = target.url
    if (password !== null) {
      const login = user === null ? ['auth', password] : ['auth', user, password]
      const said = await one(...login)
      if (said !== 'OK') throw strange()
    }
  } catch (error) {
    end('shared_store_unreachable')
    throw error instanceof SharedStoreError ? error : new SharedStoreError(fault)
  }

  return {
    async get(key) {
      const value = await one('getBuffer', key)
      if (value === null || Buffer.isBuffer(value)) return value
      throw strange()
    },
    async exists(key) {
      const value = await one('exists', key)
      if (value === 0 || value === 1) return value === 1
      throw strange()
    },
    async add(rows) {
      const replies = await send(
        rows.map(({ key, value, ttlS }) => ['set', key, value, 'EX', ttlS, 'NX']),
      )
      if (replies.length !== rows.length) throw strange()
      for (const [error, value] of replies) {
        if (error !== null) throw new SharedStoreError(replyFault(error))
        // Null: it stood there before.
        if (value !== 'OK' && value !== null) throw strange()
      }
    },
    ended,
    end,
  }
}
