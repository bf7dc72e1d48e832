/**
 * A stand-in for 0G's TAPP: the same gRPC calls on a unix socket, with faults on request (0g-tapp 0.9, `tapp_service.proto` and
 * `src/lib.rs`, 2026). Of its many calls those that are asked of it here: `GetTappInfo`, `GetAppInfo`, `GetEvidence`,
 * `GetAppSecretKey`.
 *
 * @module
 */
import { chmodSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { sendUnaryData, ServerUnaryCall, ServiceDefinition } from '@grpc/grpc-js'
import { bytesField, decodeFields, encodeFields } from '../../attester/tapp/tapp-wire.ts'
import type { Field } from '../../attester/tapp/tapp-wire.ts'
import { measureCompose } from './compose-measurement.ts'
import type { SimulatedTapp } from './create-simulated-tapp.ts'

/** Read anew for each call, so that a test can switch a fault on and off while the service runs. */
export interface TappFaults {
  /** Before each answer; for evidence inside the queue. */
  delayMs?: number
  /** This many calls are refused; counted down. */
  failNext?: number
  /** The answer is no message of protobuf. */
  garbage?: boolean
  /** The app is not known yet: its containers are still being started. */
  notStarted?: boolean
  /** `GetAppInfo` is about an app of this id. */
  otherApp?: string
  /** In place of the newest one. */
  version?: string
  /** In place of the machine's own evidence. */
  evidence?: (nonce: Uint8Array) => Uint8Array
  /** Told when evidence is asked for, and when it is made. */
  onEvidence?: (begins: boolean) => void
}

export interface TappServiceOptions {
  readonly socketPath: string
  readonly faults?: TappFaults
}

export interface RunningTappService {
  /** Drops open connections, in the middle of an answer too, and removes the socket. */
  close(): void
}

/** That was read for this. */
const NEWEST_VERSION = '0.9.0'
const SERVICE = '/tapp_service.TappService'
const METHODS = ['GetTappInfo', 'GetAppInfo', 'GetEvidence', 'GetAppSecretKey'] as const
type Method = (typeof METHODS)[number]
const MAX_NONCE = 64
const OWNER_ONLY = 0o600
/** A field whose length runs beyond the end. */
const GARBAGE = Uint8Array.of(0x1a, 0x7f, 0x00)

/** Answered as a gRPC error, with the status as TAPP has it. */
class TappRefusal extends Error {
  override readonly name = 'TappRefusal'
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

export async function startTappService(
  tapp: SimulatedTapp,
  options: TappServiceOptions,
): Promise<RunningTappService> {
  // Optional package: only who simulates TAPP needs it.
  const { Server, ServerCredentials, status } = await import('@grpc/grpc-js')
  const faults = options.faults ?? {}
  // TAPP holds a lock around its attestation agent.
  let lastEvidence: Promise<unknown> = Promise.resolve()

  const makeEvidence = async (nonce: Uint8Array): Promise<readonly Field[]> => {
    if (faults.delayMs !== undefined) await sleep(faults.delayMs)
    const evidence = (faults.evidence ?? tapp.evidenceJson)(nonce)
    return [
      [1, true],
      [3, evidence],
      [4, 'TDX'],
    ]
  }

  const evidenceInTurn = (nonce: Uint8Array): Promise<readonly Field[]> => {
    faults.onEvidence?.(true)
    const made = lastEvidence
      .then(() => makeEvidence(nonce))
      .finally(() => faults.onEvidence?.(false))
    lastEvidence = made.catch(() => undefined)
    return made
  }

  const answer = async (method: Method, request: Uint8Array): Promise<readonly Field[]> => {
    const fields = decodeFields(request)
    if (fields === null) throw new TappRefusal(status.INTERNAL, 'failed to decode')
    if (faults.failNext !== undefined && faults.failNext > 0) {
      faults.failNext--
      throw new TappRefusal(status.INTERNAL, 'simulated fault: backend failure')
    }
    const appId = Buffer.from(bytesField(fields, 1) ?? []).toString('utf8')
    if (method === 'GetEvidence') {
      const nonce = bytesField(fields, 2) ?? new Uint8Array(0)
      if (nonce.length > MAX_NONCE) throw new TappRefusal(status.INVALID_ARGUMENT, 'nonce')
      return evidenceInTurn(nonce)
    }
    if (faults.delayMs !== undefined) await sleep(faults.delayMs)
    if (method === 'GetTappInfo') {
      return [
        [1, true],
        [4, faults.version ?? NEWEST_VERSION],
      ]
    }
    if (appId !== tapp.appId || faults.notStarted === true) {
      throw new TappRefusal(status.INVALID_ARGUMENT, `App ${appId} not found`)
    }
    if (method === 'GetAppSecretKey') {
      tapp.measure('get_app_secret_key', { app_id: appId })
      return [
        [1, true],
        [3, tapp.secret],
        [5, tapp.signer],
      ]
    }
    return [
      [1, true],
      [3, faults.otherApp ?? appId],
      [5, Buffer.from(measureCompose(tapp.composeText)).toString('hex')],
      [7, tapp.composeText],
    ]
  }

  const handler =
    (method: Method) =>
    (
      { request }: ServerUnaryCall<Uint8Array, Uint8Array>,
      done: sendUnaryData<Uint8Array>,
    ): void => {
      answer(method, request).then(
        (fields) => done(null, faults.garbage === true ? GARBAGE : encodeFields(fields)),
        (error: unknown) => {
          const refused = error instanceof TappRefusal
          done({
            code: refused ? error.code : status.UNKNOWN,
            details: refused ? error.message : 'internal error',
          })
        },
      )
    }

  const raw = {
    requestStream: false,
    responseStream: false,
    requestSerialize: (value: Uint8Array) => Buffer.from(value),
    requestDeserialize: (value: Buffer) => Uint8Array.from(value),
    responseSerialize: (value: Uint8Array) => Buffer.from(value),
    responseDeserialize: (value: Buffer) => Uint8Array.from(value),
  } as const
  const definition: ServiceDefinition = Object.fromEntries(
    METHODS.map((method) => [method, { path: `${SERVICE}/${method}`, ...raw }]),
  )
  const server = new Server()
  server.addService(
    definition,
    Object.fromEntries(METHODS.map((method) => [method, handler(method)])),
  )
  await new Promise<void>((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure()
    server.bindAsync(`unix://${options.socketPath}`, credentials, (error) =>
      error === null ? resolve() : reject(error),
    )
  })
  chmodSync(options.socketPath, OWNER_ONLY)
  return { close: () => server.forceShutdown() }
}
