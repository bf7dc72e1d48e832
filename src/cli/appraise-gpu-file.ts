/**
 * The part of `countersign verify` that judges files of GPUs alone: their evidence, and what NVIDIA's service says of it.
 *
 * @module
 */
import { appraiseGpu } from '../../attestation/appraiser/gpu/appraise-gpu.ts'
import type { AppraiseGpuOptions } from '../../attestation/appraiser/gpu/appraise-gpu.ts'
import type { GpuBinding } from '../../attestation/appraiser/gpu/gpu-ladder.ts'
import { appraiseNrasAnswer } from '../../attestation/appraiser/gpu/nras/appraise-nras-answer.ts'
import type { NrasAnswerOptions } from '../../attestation/appraiser/gpu/nras/appraise-nras-answer.ts'
import type { NrasLocalDevice } from '../../attestation/appraiser/gpu/nras/judge-same-device.ts'
import {
  MAX_ANSWER_BYTES,
  nrasKindOf,
} from '../../attestation/appraiser/gpu/nras/parse-nras-answer.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import type { GpuDevice } from '../../attestation/appraiser/gpu/read-gpu-devices.ts'
import { VERDICT_EXIT_CODES } from '../../attestation/appraiser/verdict.ts'
import type { Verdict } from '../../attestation/appraiser/verdict.ts'
import { fromHex } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { fromUtf8 } from '../../attestation/protocol/utf8.ts'
import { isFolder } from './obtain-collateral.ts'
import { readBounded } from './read-bounded.ts'
import { Refusal } from './refusal.ts'

export interface GpuFileOptions {
  /** How many GPUs there must be. */
  readonly gpus?: string
  /** File with the answer of NVIDIA's service about the same GPUs. */
  readonly nras?: string
  /** File with the key set of that service. */
  readonly jwks?: string
}

/** An option that would be ignored may have been meant as a condition. */
export function refuseGpuFileOptions(options: GpuFileOptions): void {
  const needless = (['gpus', 'nras', 'jwks'] as const).find((name) => options[name] !== undefined)
  if (needless !== undefined) {
    throw new Refusal(`--${needless} is for files of GPU evidence alone (--layout gpu or nras).`)
  }
}

/** A folder in `collateral` may hold NVIDIA's too, or come to hold it; a file is Intel's. */
export async function refuseIntelCollateral(options: {
  readonly collateral?: string
  readonly fetchCollateral?: boolean
}): Promise<void> {
  const { collateral, fetchCollateral = false } = options
  if (collateral !== undefined && !fetchCollateral && !(await isFolder(collateral))) {
    throw new Refusal('--collateral names a file of Intel’s; NVIDIA’s is --gpu-collateral.')
  }
}

/** GET_MEASUREMENTS of SPDM 1.1 (DSP0274 §10.11), as NVIDIA's samples keep a report: raw, or in hex. */
export function isBareReport(bytes: Uint8Array): boolean {
  const text = fromUtf8(bytes)
  return text === null ? bytes[0] === 0x11 && bytes[1] === 0xe0 : /^11e0[0-9a-f]+\s*$/i.test(text)
}

export interface GpuFileFindings {
  readonly verdict: Verdict
  readonly devices: readonly GpuDevice[]
  readonly binding: GpuBinding | null
}

type Appraisal = Omit<AppraiseGpuOptions, 'nonce' | 'gpus'> & { readonly nonce: Hex32 | null }
type Moment = Pick<NrasAnswerOptions, 'crypto' | 'at' | 'asOf' | 'policy' | 'nonce'>

function countOf(text: string | undefined): number | null {
  if (text === undefined) return null
  if (!/^\d{1,4}$/.test(text)) throw new Refusal('--gpus takes a whole number.')
  return Number(text)
}

/** @throws Refusal without one: a report proves nothing about a time that nobody chose a nonce for */
function nonceOf(nonce: Hex32 | null): Hex32 {
  if (nonce !== null) return nonce
  throw new Refusal(
    'GPU evidence is judged for the nonce that you had the GPUs sign: give it with --nonce. ' +
      'The one that the file states is text that nobody signed.',
  )
}

async function judgeAnswer(
  answer: Uint8Array,
  moment: Moment,
  options: GpuFileOptions,
  devices: readonly GpuDevice[] | null,
): Promise<Verdict> {
  if (options.jwks === undefined) {
    throw new Refusal(
      'An answer of NVIDIA’s service is judged under the service’s keys: give the key set with --jwks ' +
        '(https://nras.attestation.nvidia.com/.well-known/jwks.json, of the days of the answer).',
    )
  }
  // Who asks for so many GPUs is not answered with as many switches.
  const kind = devices === null && options.gpus !== undefined ? 'gpu' : nrasKindOf(answer)
  const own = devices?.filter((device) => device.kind === kind) ?? null
  const { verdict } = await appraiseNrasAnswer(answer, {
    ...moment,
    kind,
    count: own === null ? countOf(options.gpus) : own.length,
    jwks: await readBounded(options.jwks, MAX_ANSWER_BYTES),
    localDevices: own === null ? null : own.map(localDevice),
  })
  return verdict
}

/** A device that nobody vouches for has no serial number, and so no token. */
function localDevice({ leafSerial, driver, vbios }: GpuDevice): NrasLocalDevice {
  return {
    leafSerial: fromHex(leafSerial ?? '') ?? new Uint8Array(),
    driverVersion: driver,
    vbiosVersion: vbios,
  }
}

const OF_SERVICE = /^nras(?:_switch)?\./

function splitRequire(policy: AppraisalPolicy): readonly [AppraisalPolicy, AppraisalPolicy] {
  const ofService = policy.require.filter((id) => OF_SERVICE.test(id))
  const own = policy.require.filter((id) => !OF_SERVICE.test(id))
  return [
    { ...policy, require: own },
    { ...policy, require: ofService },
  ]
}

/** Both have to be good: the one that is worse decides. */
function both(own: Verdict, service: Verdict): Verdict {
  const checks = [...own.checks, ...service.checks]
  const accepted = ({ verdict }: Verdict): boolean => VERDICT_EXIT_CODES[verdict] === 0
  if (!accepted(own)) return { ...own, checks }
  if (!accepted(service)) {
    const sentence = `${service.sentence} (The evidence itself: ${own.sentence})`
    return { ...service, sentence, checks }
  }
  return { ...own, sentence: `${own.sentence} ${service.sentence}`, checks }
}

/**
 * @param layout `gpu` for evidence, `nras` for an answer of the service alone
 * @throws Refusal where something is missing that only the user can give
 */
export async function judgeGpuFile(
  bytes: Uint8Array,
  layout: 'gpu' | 'nras',
  appraisal: Appraisal,
  options: GpuFileOptions,
): Promise<GpuFileFindings> {
  const { collateral = null, ...given } = appraisal
  const moment = { ...given, nonce: nonceOf(given.nonce) }
  if (layout === 'nras') {
    if (options.nras !== undefined) throw new Refusal('--nras is for a file of GPU evidence.')
    return { verdict: await judgeAnswer(bytes, moment, options, null), devices: [], binding: null }
  }
  if (options.jwks !== undefined && options.nras === undefined) {
    throw new Refusal('--jwks says nothing without --nras.')
  }
  const gpus = countOf(options.gpus)
  if (options.nras === undefined) return appraiseGpu(bytes, { ...moment, collateral, gpus })
  // Each verdict has the checks of its own that are asked for.
  const [own, ofService] = splitRequire(moment.policy)
  const found = appraiseGpu(bytes, { ...moment, policy: own, collateral, gpus })
  const answer = await readBounded(options.nras, MAX_ANSWER_BYTES)
  const service = await judgeAnswer(
    answer,
    { ...moment, policy: ofService },
    options,
    found.devices,
  )
  return { ...found, verdict: both(found.verdict, service) }
}
