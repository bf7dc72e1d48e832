import { createAttestor } from '../../enclave/attestation/attestor.ts'
import { createEphemeralAddressKey } from '../../enclave/keys/address-key.ts'
import { createBootKeys } from '../../enclave/keys/boot-keys.ts'
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import type { Appraisal } from '../../attestation/appraiser/appraise-document.ts'
import { parsePolicy } from '../../attestation/appraiser/policy.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { encodeBase64 } from '../../attestation/protocol/base64.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { createSimulatedTapp } from '../../attestation/simulator/tapp/create-simulated-tapp.ts'
import type {
  SimulatedTapp,
  SimulatedTappEvidence,
} from '../../attestation/simulator/tapp/create-simulated-tapp.ts'
import { CONFIG, digestOf, NOW, tamper } from './document.helpers.ts'
import type { Draft } from './document.helpers.ts'

export const COMPOSE = `services:
  countersign:
    image: ghcr.io/example/countersign@sha256:${'11'.repeat(32)}
    command: ["serve", "--no-gpu"]
    volumes:
      - /run/tapp/tapp.sock:/run/tapp/tapp.sock
    read_only: true
`
export const TAPP_CONFIG = { ...CONFIG, gpu: { required: 0, nvswitches: 0 } }

/** One for all: making roots costs more than all else. */
export const PKI = createIntelPki({ now: new Date(NOW * 1000) })

export function newTapp(options: Partial<Parameters<typeof createSimulatedTapp>[0]> = {}) {
  return createSimulatedTapp({
    composeText: COMPOSE,
    now: new Date(NOW * 1000),
    pki: PKI,
    ...options,
  })
}

/** @throws for a policy that is none */
export function tappPolicy(members: Record<string, unknown> = {}): AppraisalPolicy {
  const read = parsePolicy({
    platform: 'tapp',
    allowSimulated: true,
    sgxRoots: [toHex(PKI.rootSha256)],
    ...members,
  })
  if (!read.ok) throw new Error(read.detail)
  return read.policy
}

export interface TappDocumentOptions {
  readonly nonce?: Hex32 | null
  /** What TAPP answers to a nonce of 64 bytes. */
  readonly answer?: (tapp: SimulatedTapp, nonce: Uint8Array) => SimulatedTappEvidence
  /** How the app signs the SHA-512 of its statement. */
  readonly sign?: (tapp: SimulatedTapp, digest: Uint8Array) => string
  readonly bend?: (draft: Draft) => void
  readonly config?: typeof TAPP_CONFIG
}

/** Status and code of the one check of that id. */
export function checkOf({ verdict }: Appraisal, id: string): readonly (string | undefined)[] {
  const found = verdict.checks.filter((one) => one.id === id)
  if (found.length !== 1) throw new Error(`${found.length} checks ${id}`)
  return [found[0]?.status, found[0]?.code]
}

/** A document as a node that TAPP started serves it. */
export async function tappDocument(
  tapp: SimulatedTapp,
  options: TappDocumentOptions = {},
): Promise<string> {
  const { nonce = null, answer = (one, over) => one.evidence(over), config = TAPP_CONFIG } = options
  const { sign = (one: SimulatedTapp, digest: Uint8Array) => one.signStatement(digest) } = options
  let given: SimulatedTappEvidence | null = null
  let signature = ''
  const keys = createBootKeys({
    now: NOW,
    subject: null,
    simulated: true,
    address: createEphemeralAddressKey(nodeCrypto),
    crypto: nodeCrypto,
  })
  const attestor = createAttestor({
    keys,
    config,
    configDigest: digestOf(config),
    cpu: {
      facts: {
        platform: 'tapp',
        appId: tapp.appId,
        instanceId: '',
        appCompose: tapp.composeText,
        keyProvider: null,
        tcbInfo: '{}',
        info: '{}',
      },
      quote: (reportData) => {
        given = answer(tapp, reportData)
        signature = sign(tapp, reportData)
        const { quote, eventLog } = given
        return Promise.resolve({ quote, eventLog: encodeBase64(eventLog), vmConfig: '{}' })
      },
    },
    gpu: null,
    log: null,
    nowMs: () => NOW * 1000,
  })
  const document = await attestor.document(nonce)
  const made = given as SimulatedTappEvidence | null
  if (made === null) throw new Error('TAPP was not asked')
  return tamper(document, (draft) => {
    draft.evidence['key_custody'] = null
    draft.evidence['tapp'] = {
      app_id: tapp.appId,
      runtime_data: encodeBase64(made.runtimeData),
      signature,
    }
    options.bend?.(draft)
  })
}

export function appraiseTappDocument(
  document: string,
  policy: AppraisalPolicy = tappPolicy(),
  nonce: Hex32 | null = null,
): Appraisal {
  return appraiseDocument(toUtf8(document), { crypto: nodeCrypto, at: NOW, nonce, policy })
}
