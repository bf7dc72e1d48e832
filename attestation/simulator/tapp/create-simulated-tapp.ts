/**
 * One simulated TDX machine that 0G's TAPP (0.4 to 0.9) runs on: what it measured since boot, and evidence that carries it. The
 * quotes are signed under a simulated root, the firmware's digests are stand-ins, ids start with `sim-`.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { eip191Message } from '../../protocol/legacy-text.ts'
import { SIMULATION_ID_PREFIX } from '../../protocol/simulation.ts'
import { tappStatementText } from '../../protocol/tapp-statement.ts'
import { createIntelPki } from '../intel/create-intel-pki.ts'
import type { IntelPki } from '../intel/create-intel-pki.ts'
import { makeQuote } from '../intel/make-quote.ts'
import { label } from '../intel/simulated-platform.ts'
import { measureCompose } from './compose-measurement.ts'
import { agentEvent, encodeLog, extendRegister } from './tcg2-log.ts'
import type { MrIndex, Tcg2Event } from './tcg2-log.ts'

export const TAPP_DOMAIN = 'tapp.0g.com'

type Rtmrs = readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array]

export interface SimulatedTappOptions {
  /** Compose text of the app, as its owner sent it to TAPP. */
  readonly composeText: string
  readonly now: Date
  /** Default: `sim-countersign`. */
  readonly appId?: string
  /** 32 bytes: the app's key of this boot, as `GetAppSecretKey` gives it. Default: random. */
  readonly secret?: Uint8Array
  /** SHA-256 of the app's TLS key; default: the app never asked for one. */
  readonly tlsPublicKey?: Uint8Array
  /** Default: a new PKI, all up to date. */
  readonly pki?: IntelPki
  /** Default true; false for a machine whose owner has not started the app yet. */
  readonly started?: boolean
}

export interface StartedApp {
  readonly appId?: string
  readonly composeText?: string
  /** Path of each file that is mounted into the app, and its content's SHA-384 in hex. Default: none. */
  readonly files?: Readonly<Record<string, string>>
  /** Digest of each service's image. Default: one for `countersign`. */
  readonly images?: Readonly<Record<string, string>>
  readonly result?: 'success' | 'failed'
}

/** What `GetEvidence` gives, decoded. */
export interface SimulatedTappEvidence {
  readonly quote: Uint8Array
  readonly eventLog: Uint8Array
  readonly runtimeData: Uint8Array
}

export interface SimulatedTapp {
  readonly pki: IntelPki
  readonly appId: string
  readonly composeText: string
  /** 32 bytes. */
  readonly secret: Uint8Array
  /** 20 bytes: its address. */
  readonly signer: Uint8Array
  /** 48 bytes. */
  readonly mrTd: Uint8Array
  /** As extended so far. */
  rtmrs(): Rtmrs
  events(): readonly Tcg2Event[]
  /** Measures one operation of TAPP, as JSON or as the text given. */
  measure(operation: string, payload: Readonly<Record<string, unknown>> | string): void
  /** Extends a register and logs it, whatever it is. @param extended default: the register of the event's index */
  extend(event: Tcg2Event, extended?: MrIndex): void
  startApp(app?: StartedApp): void
  stopApp(appId?: string): void
  /** @param nonce up to 64 bytes; empty: none */
  evidence(nonce: Uint8Array): SimulatedTappEvidence
  /** The same as the JSON that `GetEvidenceResponse.evidence` holds. */
  evidenceJson(nonce: Uint8Array): Uint8Array
  /** What the app signs with its key. @param digest 64 bytes: SHA-512 of a statement */
  signStatement(digest: Uint8Array): string
  /** A quote over anything. @param reportData 64 bytes */
  quote(reportData: Uint8Array): Uint8Array
}

/**
 * What firmware, shim, boot loader and kernel leave behind: [index, type, text]. Types of the TCG PC Client Platform Firmware
 * Profile, §10.4.1; RTMR2 ends with a tagged event of the kernel's, which is none of the agent's.
 */
const BOOT_EVENTS: readonly (readonly [MrIndex, number, string])[] = [
  [1, 0x8000000b, 'TD HOB'],
  [1, 0x8000000a, 'configuration firmware volume'],
  [1, 0x80000001, 'SecureBoot'],
  [1, 0x00000004, 'separator'],
  [1, 0x80000002, 'Boot0000'],
  [2, 0x80000007, 'Calling EFI Application from Boot Option'],
  [2, 0x80000003, 'shimx64.efi'],
  [2, 0x80000003, 'grubx64.efi'],
  [2, 0x00000004, 'separator'],
  [3, 0x0000000d, '/vmlinuz-sim'],
  [3, 0x0000000d, '/initrd-sim'],
  [3, 0x0000000d, 'kernel_cmdline: /vmlinuz-sim root=/dev/mapper/sim'],
  [3, 0x00000006, 'kernel load options'],
]

const sha512 = (bytes: Uint8Array): Uint8Array =>
  Uint8Array.from(createHash('sha512').update(bytes).digest())
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

export function createSimulatedTapp(options: SimulatedTappOptions): SimulatedTapp {
  const pki = options.pki ?? createIntelPki({ now: options.now })
  const { composeText, appId = `${SIMULATION_ID_PREFIX}countersign` } = options
  const secret = options.secret ?? secp256k1.utils.randomSecretKey()
  const signer = keccak_256(secp256k1.getPublicKey(secret, false).slice(1)).slice(12)
  const mrTd = label('sha384', 'virtual firmware of TAPP')
  const timestamp = Math.floor(options.now.getTime() / 1000)
  const registers: Uint8Array[] = [0, 1, 2, 3].map(() => new Uint8Array(48))
  const events: Tcg2Event[] = []

  const rtmrs = (): Rtmrs => {
    const [a, b, c, d] = registers
    if (a === undefined || b === undefined || c === undefined || d === undefined) {
      throw new TypeError('four registers')
    }
    return [a, b, c, d]
  }
  const extend = (event: Tcg2Event, extended = event.mrIndex): void => {
    const register = registers[extended - 1]
    if (register === undefined) throw new TypeError(`no register ${extended}`)
    registers[extended - 1] = extendRegister(register, event.digest)
    events.push(event)
  }
  const measure: SimulatedTapp['measure'] = (operation, payload) => {
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
    extend(agentEvent(TAPP_DOMAIN, operation, text))
  }
  const startApp = (app: StartedApp = {}): void => {
    const result = app.result ?? 'success'
    measure('start_app', {
      app_id: app.appId ?? appId,
      operation: 'start_app',
      result,
      error: result === 'success' ? null : 'SIMULATED failure',
      compose_hash: hex(measureCompose(app.composeText ?? composeText)),
      volumes_hash: app.files ?? {},
      image_hash:
        result === 'success'
          ? (app.images ?? { countersign: `sha256:${hex(label('sha256', 'image'))}` })
          : {},
      deployer: `0x${'00'.repeat(20)}`,
      timestamp,
    })
  }
  const stopApp = (stopped = appId): void =>
    measure('stop_app', {
      app_id: stopped,
      operation: 'stop_app',
      result: 'success',
      error: null,
      compose_hash: hex(measureCompose(composeText)),
      volumes_hash: {},
      image_hash: {},
      deployer: `0x${'00'.repeat(20)}`,
      timestamp,
    })
  const quote = (reportData: Uint8Array): Uint8Array =>
    makeQuote({ pki, reportData, mrTd, rtmrs: rtmrs() })
  const evidence = (nonce: Uint8Array): SimulatedTappEvidence => {
    const said = {
      ...(nonce.length === 0 ? {} : { nonce: `0x${hex(nonce)}` }),
      signer: `0x${hex(signer)}`,
      ...(options.tlsPublicKey === undefined
        ? {}
        : { tls_public_key: `0x${hex(options.tlsPublicKey)}` }),
    }
    const runtimeData = Uint8Array.from(Buffer.from(JSON.stringify(said), 'utf8'))
    return { quote: quote(sha512(runtimeData)), eventLog: encodeLog(events), runtimeData }
  }

  for (const [mrIndex, type, text] of BOOT_EVENTS) {
    const digest = label('sha384', `TAPP boot event ${text}`)
    extend({ mrIndex, type, digest, data: Uint8Array.from(Buffer.from(`${text}\0`, 'latin1')) })
  }
  measure('claim_config', {
    chain_contract_address: `0x${'00'.repeat(20)}`,
    chain_rpc_url: '',
    kbs_node_urls: [],
    operation: 'claim_config',
    owner: `0x${'00'.repeat(20)}`,
    timestamp,
  })
  if (options.started ?? true) startApp()

  return {
    ...{ pki, appId, composeText, secret, signer, mrTd, rtmrs, measure, extend, startApp, stopApp },
    events: () => [...events],
    evidence,
    evidenceJson: (nonce) => {
      const made = evidence(nonce)
      const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
      return Uint8Array.from(
        Buffer.from(
          JSON.stringify({
            cc_eventlog: base64(made.eventLog),
            gpu_evidence: null,
            quote: base64(made.quote),
            runtime_data: base64(made.runtimeData),
          }),
        ),
      )
    },
    signStatement: (digest) => {
      const hash = keccak_256(eip191Message(tappStatementText(digest)))
      const made = secp256k1.sign(hash, secret, { prehash: false, format: 'recovered' })
      // noble puts the recovery id first.
      return `0x${hex(made.subarray(1))}${(27 + (made[0] ?? 0)).toString(16)}`
    },
    quote,
  }
}
