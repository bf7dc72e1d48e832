/**
 * Judges an answer of NVIDIA's Remote Attestation Service (NRAS): a service of NVIDIA verified GPU evidence and says so in
 * signed tokens. For those who want that word; `verifyGpuEvidence` judges the evidence itself and needs nobody's.
 *
 * What passing proves: the service, under a key of the set that was given, verified devices in the state that the claims
 * describe, for the expected nonce. What it does not: that the devices are attached to the machine that was quoted, nor, without
 * the evidence at hand, which evidence the service saw.
 *
 * The checks say of every pass what it stands on; of tokens whose signature does not verify nothing is said.
 *
 * @module
 */
import type { CryptoPort } from '../../../crypto/port.ts'
import type { Check } from '../../check.ts'
import { createStepList } from '../../quote/step-list.ts'
import type { Judgement } from '../../quote/step-list.ts'
import { requireTime } from '../../required-options.ts'
import { NONCE_BYTES } from '../parse-spdm-report.ts'
import { describeDevice } from './device-claims.ts'
import type { NrasDevice } from './device-claims.ts'
import { errorDetails, judgeDeviceClaims } from './judge-device-claims.ts'
import { judgeSigningKey } from './judge-signing-key.ts'
import {
  claimsVersionOf,
  judgeIssuer,
  judgeNonce,
  judgeOverallClaims,
  judgeSubmodules,
  judgeTimes,
  judgeUnique,
} from './judge-tokens.ts'
import { requireNrasPolicy } from './nras-policy.ts'
import type { NrasPolicy } from './nras-policy.ts'
import { parseJwks } from './parse-jwks.ts'
import { parseNrasAnswer } from './parse-nras-answer.ts'
import type { NrasAnswer, NrasDeviceToken, NrasKind } from './parse-nras-answer.ts'
import { judgeSameDevice } from './judge-same-device.ts'
import type { NrasLocalDevice } from './judge-same-device.ts'
import { verifyTokenSignature } from './verify-token-signature.ts'
import type { TokenSignature } from './verify-token-signature.ts'

export interface NrasOptions {
  readonly crypto: CryptoPort
  /** Unix seconds. For an answer out of an archive, a time at which its tokens were valid. */
  readonly at: number
  /** Which service was asked; default `gpu`. The ids of the checks begin with `nras`, those of switches with `nras_switch`. */
  readonly kind?: NrasKind
  /** The key set as fetched or stapled: bytes, or the value that `parseJson` made of them. Null: none is at hand. */
  readonly jwks: unknown
  /** 32 bytes, recomputed by the caller, never taken from the answer. */
  readonly expectedNonce: Uint8Array
  /** How many devices of the kind there must be; null where nobody said. */
  readonly expectedCount: number | null
  /** Accept the simulator's tokens. */
  readonly allowSimulated: boolean
  readonly policy: NrasPolicy
  /** The devices whose evidence was appraised here and is authentic. Null or absent: the service's word stands alone. */
  readonly localDevices?: readonly NrasLocalDevice[] | null
}

export interface NrasAppraisal {
  readonly checks: readonly Check[]
  /** Devices whose token is signed and belongs to the answer. That their claims are good is for the checks to say. */
  readonly devices: readonly NrasDevice[]
  /** The signing key is one of the simulator, which was allowed. */
  readonly simulated: boolean
}

/** Without these no answer is worth anything. `*` stands for `overall` or the number of a device. */
export const CORE_NRAS_CHECKS: readonly string[] = Object.freeze([
  'nras.structure',
  'nras.jwks',
  'nras.key',
  'nras.*.signature',
  'nras.submods',
  'nras.unique',
  'nras.time',
  'nras.issuer',
  'nras.nonce',
  'nras.*.claims',
])

const PROVES = {
  structure:
    'The answer is one overall token and one token for each device, each signed with ES384 and naming its key and nothing else.',
  jwks: 'The key set holds P-384 keys under different ids and nothing else.',
  key: 'All tokens name one key of the key set, which is valid at this time.',
  overallSignature: 'The holder of the key signed the overall token.',
  deviceSignature: 'The holder of the key signed the token of this device.',
  submods: 'The device tokens are exactly those of this answer: none left out, added or exchanged.',
  count: 'The answer is about exactly as many devices as expected.',
  unique: 'Every device token is about another device.',
  time: 'All tokens are valid at this time.',
  issuer: 'All tokens come from the service that the policy names.',
  nonce: 'All tokens answer the expected nonce.',
  deviceClaims:
    'The service found the device genuine, unmodified, not debugged and of an accepted kind.',
  sameDevice:
    'The token is about a device whose evidence is at hand, with the same driver and VBIOS.',
  overallClaims: 'The service accepts the machine as a whole.',
} as const

function signatureJudgement(state: TokenSignature | undefined): Judgement {
  switch (state) {
    case 'valid':
      return null
    case 'unsupported':
      return { code: 'nras_signature_unsupported', detail: 'no Web Crypto here' }
    case 'invalid':
    case undefined:
      return { code: 'nras_signature_invalid', detail: 'ES384' }
  }
}

function judgeClaims(
  device: NrasDeviceToken,
  answer: NrasAnswer,
  kind: NrasKind,
  policy: NrasPolicy,
): Judgement {
  const error = errorDetails(device.token.claims)
  if (error !== null) return error
  const version = claimsVersionOf(answer.overall.claims, policy)
  if (!version.ok) return version.refusal
  const refusal = judgeDeviceClaims(device.token.claims, kind, version.version, policy)
  if (refusal !== null) return refusal
  const { model, driver, bios } = describeDevice(device.name, device.token.claims, kind)
  const software = driver === null ? `BIOS ${bios ?? ''}` : `driver ${driver}, VBIOS ${bios ?? ''}`
  return { note: `${model ?? ''}, ${software}, claims ${version.version}` }
}

/** @throws TypeError for options that would open the verifier */
function requireNrasOptions(options: NrasOptions): NrasOptions {
  const once = { ...options }
  if (!(once.expectedNonce instanceof Uint8Array) || once.expectedNonce.length !== NONCE_BYTES) {
    throw new TypeError(`expectedNonce: not ${NONCE_BYTES} bytes`)
  }
  return { ...once, at: requireTime(once.at), policy: requireNrasPolicy(once.policy) }
}

/**
 * @param input what the service sent, in bytes, or the value that `parseJson` made of it
 * @param options the policy is read by {@link requireNrasPolicy}
 * @returns `nras.structure`, `.jwks`, `.key`, `.overall.signature`, for each device `nras.N.signature`, then `nras.submods`,
 *   `.count`, `.unique`, `.time`, `.issuer`, `.nonce`, for each device `nras.N.claims` and, with `localDevices`,
 *   `nras.N.same_device`, and last `nras.overall.claims`. Where the structure fails, those of devices are absent
 * @throws TypeError for options of a wrong type, never for anything in the answer or the key set
 */
export async function appraiseNras(input: unknown, options: NrasOptions): Promise<NrasAppraisal> {
  const o = requireNrasOptions(options)
  const { crypto, at, policy, kind = 'gpu' } = o
  const prefix = kind === 'gpu' ? 'nras' : 'nras_switch'
  const id = (name: string): string => `${prefix}.${name}`
  const list = createStepList()

  const parsed = parseNrasAnswer(input, kind)
  list.step(id('structure'), PROVES.structure, [], () => (parsed.ok ? null : parsed))
  const answer: NrasAnswer | null = parsed.ok ? parsed.answer : null
  const devices = answer?.devices ?? []

  const jwks = o.jwks === null ? null : parseJwks(o.jwks)
  if (jwks === null) {
    list.skipped(id('jwks'), PROVES.jwks, 'collateral_not_given', 'no key set is at hand')
  } else {
    list.step(id('jwks'), PROVES.jwks, [], () =>
      jwks.ok ? null : { code: 'nras_jwks_malformed', detail: jwks.detail },
    )
  }

  const key =
    answer !== null && jwks?.ok === true
      ? judgeSigningKey(answer, jwks.keys, { ...o, policy })
      : null
  list.step(id('key'), PROVES.key, [id('structure'), id('jwks')], () => key)
  const signatures =
    answer === null || key?.ok !== true
      ? []
      : await Promise.all(
          [answer.overall, ...devices.map(({ token }) => token)].map((token) =>
            verifyTokenSignature(token, key.key),
          ),
        )
  list.step(id('overall.signature'), PROVES.overallSignature, [id('key')], () =>
    signatureJudgement(signatures[0]),
  )
  for (const [place, { index }] of devices.entries()) {
    list.step(id(`${index}.signature`), PROVES.deviceSignature, [id('key')], () =>
      signatureJudgement(signatures[place + 1]),
    )
  }

  const overall = [id('structure'), id('overall.signature')]
  const all = [...overall, ...devices.map(({ index }) => id(`${index}.signature`))]
  /** A step over the whole answer, which its needs say is there. */
  const step = (
    name: string,
    proves: string,
    needs: readonly string[],
    judge: (read: NrasAnswer) => Judgement,
  ): void => {
    list.step(id(name), proves, needs, () =>
      answer === null ? { code: 'nras_answer_malformed', detail: 'no answer' } : judge(answer),
    )
  }
  step('submods', PROVES.submods, overall, (read) => judgeSubmodules(read, crypto))
  if (o.expectedCount === null) {
    const detail = `${devices.length} in the answer, no number was expected`
    list.skipped(id('count'), PROVES.count, 'not_provided', detail)
  } else {
    step('count', PROVES.count, [id('submods')], () => {
      const detail = `${devices.length} of ${o.expectedCount ?? 0}`
      return devices.length === o.expectedCount
        ? { note: detail }
        : { code: 'nras_count_mismatch', detail }
    })
  }
  step('unique', PROVES.unique, all, (read) => judgeUnique(read.devices))
  step('time', PROVES.time, all, (read) => judgeTimes(read, at, policy))
  step('issuer', PROVES.issuer, all, (read) => judgeIssuer(read, policy))
  step('nonce', PROVES.nonce, all, (read) => judgeNonce(read, o.expectedNonce, crypto))

  for (const device of devices) {
    const own = [id(`${device.index}.signature`), id('submods')]
    const name = `${device.index}.claims`
    step(name, PROVES.deviceClaims, own, (read) => judgeClaims(device, read, kind, policy))
    const local = o.localDevices ?? null
    if (local === null) continue
    step(`${device.index}.same_device`, PROVES.sameDevice, own, () =>
      judgeSameDevice(
        describeDevice(device.name, device.token.claims, kind),
        local,
        devices.length,
      ),
    )
  }
  step('overall.claims', PROVES.overallClaims, overall, ({ overall: token }) =>
    judgeOverallClaims(token.claims, policy),
  )
  const authentic = devices.filter(
    ({ index }) => list.passed(id(`${index}.signature`)) && list.passed(id('submods')),
  )
  return {
    checks: list.checks,
    devices: authentic.map((device) => describeDevice(device.name, device.token.claims, kind)),
    simulated: key?.ok === true && key.simulated,
  }
}
