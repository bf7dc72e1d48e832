/**
 * 0G's TAPP on its unix socket (gRPC, `tapp_service.TappService`, 0.4 to 0.9): evidence over a nonce, and the app's key of this
 * boot. One call at a time, each with a deadline and a bound; nothing is retried by the library.
 *
 * For a round of attestation the order is the one of all sources: GPU evidence first, then {@link Tapp.evidence} over the
 * SHA-512 of the statement that names its digest. What is asked here needs no signature of TAPP's owner (`src/auth_layer.rs`:
 * `GetEvidence`, `GetAppInfo`, `GetTappInfo` and, on the socket alone, `GetAppSecretKey`).
 *
 * @module
 */
import type { Client } from '@grpc/grpc-js'
import type { CryptoPort } from '../../crypto/port.ts'
import { addressOf } from '../../protocol/legacy-text.ts'
import { fromUtf8 } from '../../protocol/utf8.ts'
import { MAX_TAPP_NONCE } from '../../protocol/tapp-runtime-data.ts'
import { parseTappEvidence } from './parse-tapp-evidence.ts'
import type { TappEvidence } from './parse-tapp-evidence.ts'
import { TAPP_SOCKET } from './find-tapp.ts'
import { TappError } from './tapp-error.ts'
import { bytesField, decodeFields, encodeFields, flagField } from './tapp-wire.ts'
import type { Field, Fields } from './tapp-wire.ts'

/** Milliseconds for one answer: a quote behind others. */
export const TAPP_MS = 30_000
/** Bytes of one answer: quote and event log in base64 in JSON. */
export const MAX_TAPP_ANSWER_BYTES = 4 * 1024 * 1024
/** Bytes of an app id. */
export const MAX_TAPP_APP_ID = 256
const MAX_VERSION = 64
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

/** What TAPP says of an app that runs. */
export interface TappApp {
  /** The compose text as it was given to TAPP. */
  readonly composeText: string
  /** Lower-case hex of SHA-384 over TAPP's normal form of the text. */
  readonly composeHash: string
}

/** All methods throw {@link TappError}. */
export interface Tapp {
  readonly appId: string
  /** Of the service: `0.9.0`. @throws TappError `tapp_too_old` before 0.4, whose evidence is over no nonce */
  version(): Promise<string>
  /** `tapp_refused` until TAPP has started every container of the app, and measured that. */
  app(): Promise<TappApp>
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
    case status.CANCELLED:
      return new TappError('tapp_unreachable', method)
    case status.DEADLINE_EXCEEDED:
      return new TappError('tapp_timeout', method)
    case status.RESOURCE_EXHAUSTED:
      return new TappError('tapp_too_large', method)
    default:
      return new TappError(
        'tapp_refused',
        `${method}: gRPC status ${typeof code === 'number' ? code : 'unknown'}`,
      )
  }
}

/** What can be typed and printed, without the white space that separates the words of an event. */
export function isTappAppId(text: string): boolean {
  return text.length <= MAX_TAPP_APP_ID && /^[\x21-\x7e]+$/.test(text)
}

/** Evidence has carried the text that it is over since 0.4. */
function isTooOld(version: string): boolean {
  const [, major, minor] = /^v?(\d{1,6})\.(\d{1,6})\.\d{1,6}(?!\d)/.exec(version) ?? []
  if (minor === undefined) throw new TappError('tapp_malformed', 'version')
  return Number(major) === 0 && Number(minor) < 4
}

function textField(fields: Fields, number: number, what: string): string {
  const bytes = bytesField(fields, number)
  const text = bytes === null ? null : fromUtf8(bytes)
  if (text === null) throw new TappError('tapp_malformed', what)
  return text
}

/** Connects at the first call. @throws TypeError for an app id that is none */
export function openTapp(options: TappOptions): Tapp {
  const { socketPath = TAPP_SOCKET, appId, crypto, deadlineMs = TAPP_MS } = options
  if (!isTappAppId(appId)) throw new TypeError('an app id is short text')
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
    appId,
    async version() {
      const version = textField(await call('GetTappInfo', []), 4, 'version')
      if (version.length > MAX_VERSION) throw new TappError('tapp_malformed', 'version')
      if (isTooOld(version)) throw new TappError('tapp_too_old', version)
      return version
    },
    async app() {
      const answer = await call('GetAppInfo', [[1, appId]])
      if (textField(answer, 3, 'app_id') !== appId)
        throw new TappError('tapp_other_app', 'GetAppInfo')
      const composeHash = textField(answer, 5, 'compose_hash')
      const composeText = textField(answer, 7, 'compose_content')
      if (!/^[0-9a-f]{96}$/.test(composeHash) || composeText === '') {
        throw new TappError('tapp_malformed', 'compose_hash or compose_content')
      }
      return { composeText, composeHash }
    },
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
