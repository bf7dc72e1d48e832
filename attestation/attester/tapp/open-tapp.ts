/**
 * 0G's TAPP on its unix socket (gRPC, `tapp_service.TappService`, 0.4 to 0.9): evidence over a nonce, and the app's key of this
 * boot. One call at a time, each with a deadline and a bound; nothing is retried by the library.
 *
 * For a round of attestation the order is the one of all sources: GPU evidence first, then {@link Tapp.evidence} over the
 * SHA-512 of the statement that names its digest. What keeps such evidence from being served yet: docs/decisions/0015-tapp-collects-only.md.
 *
 * @module
 */
import type { Client } from '@grpc/grpc-js'
import type { CryptoPort } from '../../crypto/port.ts'
import { addressOf } from '../../protocol/legacy-text.ts'
import { MAX_TAPP_NONCE } from '../../protocol/tapp-runtime-data.ts'
import { parseTappEvidence } from './parse-tapp-evidence.ts'
import type { TappEvidence } from './parse-tapp-evidence.ts'
import { TappError } from './tapp-error.ts'
import { bytesField, decodeFields, encodeFields, flagField } from './tapp-wire.ts'
import type { Field, Fields } from './tapp-wire.ts'

/** Where TAPP gives keys; the port that it listens on beside is no place for them. */
export const TAPP_SOCKET = '/run/tapp/tapp.sock'
/** Milliseconds for one answer: a quote behind others. */
export const TAPP_MS = 30_000
/** Bytes of one answer: quote and event log in base64 in JSON. */
export const MAX_TAPP_ANSWER_BYTES = 4 * 1024 * 1024
const MAX_APP_ID = 256
const KEY_BYTES = 32
const POINT_BYTES = 64

export interface TappOptions {
  /** Default {@link TAPP_SOCKET}. */
  readonly socketPath?: string
  /** As the app was started under. */
  readonly appId: string
  readonly crypto: CryptoPort
  /** Uncompressed point x ‖ y of a secret. */
  readonly pointOf: (secret: Uint8Array) => Uint8Array
  /** Default {@link TAPP_MS}. */
  readonly deadlineMs?: number
}

/** A secp256k1 key that exists until the machine restarts. */
export interface TappKey {
  /** 32 bytes. */
  readonly key: Uint8Array
  /** Lower-case `0x` address. */
  readonly address: string
}

/** All methods throw {@link TappError}. */
export interface Tapp {
  /** @param nonce 64 bytes: SHA-512 of a statement */
  evidence(nonce: Uint8Array): Promise<TappEvidence>
  secretKey(): Promise<TappKey>
  close(): void
}

type Grpc = typeof import('@grpc/grpc-js')

async function loadGrpc(): Promise<Grpc> {
  try {
    return await import('@grpc/grpc-js')
  } catch {
    throw new TappError('tapp_binding_missing', 'gRPC')
  }
}

function failureOf(error: unknown, method: string, { status }: Grpc): TappError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  switch (code) {
    case status.UNAVAILABLE:
      return new TappError('tapp_unreachable', method)
    case status.DEADLINE_EXCEEDED:
      return new TappError('tapp_timeout', method)
    case status.RESOURCE_EXHAUSTED:
      return new TappError('tapp_too_large', method)
    case status.INTERNAL:
      return new TappError('tapp_malformed', method)
    default:
      return new TappError(
        'tapp_refused',
        `${method}: gRPC status ${typeof code === 'number' ? code : 'unknown'}`,
      )
  }
}

/** Connects at the first call. @throws TypeError for an app id that is none */
export function openTapp(options: TappOptions): Tapp {
  const { socketPath = TAPP_SOCKET, appId, crypto, deadlineMs = TAPP_MS } = options
  if (appId === '' || appId.length > MAX_APP_ID) throw new TypeError('an app id is short text')
  let client: Client | null = null
  let last: Promise<unknown> = Promise.resolve()

  const connect = (grpc: Grpc): Client =>
    (client ??= new grpc.Client(`unix://${socketPath}`, grpc.credentials.createInsecure(), {
      'grpc.max_receive_message_length': MAX_TAPP_ANSWER_BYTES,
      'grpc.max_send_message_length': MAX_TAPP_ANSWER_BYTES,
      'grpc.enable_retries': 0,
      // Variables of the environment choose neither a proxy nor a service configuration.
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
    }))

  const ask = async (method: string, fields: readonly Field[]): Promise<Fields> => {
    const grpc = await loadGrpc()
    const bytes = await new Promise<Uint8Array>((resolve, reject) => {
      connect(grpc).makeUnaryRequest(
        `/tapp_service.TappService/${method}`,
        (sent: Uint8Array) => Buffer.from(sent),
        (received: Buffer) => Uint8Array.from(received),
        encodeFields(fields),
        new grpc.Metadata(),
        { deadline: Date.now() + deadlineMs },
        (error, value) => {
          if (error === null && value !== undefined) resolve(value)
          else reject(failureOf(error, method, grpc))
        },
      )
    })
    const decoded = decodeFields(bytes)
    const success = decoded === null ? null : flagField(decoded, 1)
    if (decoded === null || success === null) throw new TappError('tapp_malformed', method)
    // The message beside it is TAPP's own text, which may quote what was sent.
    if (!success) throw new TappError('tapp_refused', method)
    return decoded
  }
  const call = (method: string, fields: readonly Field[]): Promise<Fields> => {
    const next = last.then(() => ask(method, fields))
    last = next.catch(() => {})
    return next
  }

  return {
    async evidence(nonce) {
      if (nonce.length !== MAX_TAPP_NONCE) {
        throw new TypeError(`a nonce is ${MAX_TAPP_NONCE} bytes, got ${nonce.length}`)
      }
      const asked = Uint8Array.from(nonce)
      const answer = await call('GetEvidence', [
        [1, appId],
        [2, asked],
      ])
      const bytes = bytesField(answer, 3)
      if (bytes === null) throw new TappError('tapp_malformed', 'evidence')
      return parseTappEvidence(bytes, asked, (data) => crypto.sha512(data))
    },
    async secretKey() {
      const answer = await call('GetAppSecretKey', [
        [1, appId],
        [2, 'ethereum'],
      ])
      const [key, named] = [bytesField(answer, 3), bytesField(answer, 5)]
      if (key?.length !== KEY_BYTES || named?.length !== 20) {
        throw new TappError('tapp_malformed', 'private_key or eth_address')
      }
      const address = `0x${Buffer.from(named).toString('hex')}`
      let point: Uint8Array
      try {
        point = options.pointOf(key)
      } catch {
        throw new TappError('tapp_malformed', 'private_key')
      }
      if (point.length !== POINT_BYTES || addressOf(point, crypto) !== address) {
        throw new TappError('tapp_wrong_key', 'eth_address')
      }
      return { key, address }
    },
    close() {
      client?.close()
      client = null
    },
  }
}
