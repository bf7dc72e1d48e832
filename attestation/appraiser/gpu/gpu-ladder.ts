/**
 * How much GPU evidence says about the machine that answered. A rung is reached only over all the rungs below it: a
 * digest in the quote of evidence that nobody signed is worth nothing.
 *
 * @module
 */
import { info } from '../check.ts'
import type { Check } from '../check.ts'
import type { DeviceKind } from './device-rules.ts'

export type GpuRung = 'none' | 'vendor-signed' | 'fresh' | 'digest-in-quote' | 'checked-by-guest'

export interface GpuFacts {
  /** There is GPU evidence at all. */
  readonly present: boolean
  /** Every listed device is authentic, they are all different, and as many as expected. */
  readonly vendorSigned: boolean
  /** Every report answers the nonce derived from this keyset, boot and round. */
  readonly freshForRound: boolean
  /** The statement in the quote's report_data holds the digest of exactly this evidence. */
  readonly digestInQuote: boolean
  /** The quoted measurements are those of code known to refuse GPUs that it has not verified itself. */
  readonly checkedByMeasuredGuest: boolean
}

/** What a user may conclude on each rung, and what not. */
export const GPU_RUNGS: Readonly<
  Record<GpuRung, { readonly proves: string; readonly doesNotProve: string }>
> = Object.freeze({
  none: Object.freeze({
    proves: 'Nothing about a GPU.',
    doesNotProve: 'Any GPU may have computed the answer, or none.',
  }),
  'vendor-signed': Object.freeze({
    proves: 'Genuine NVIDIA GPUs, all different, signed these reports.',
    doesNotProve:
      'The reports may be of GPUs elsewhere and, unless you chose the nonce, old; whether their firmware is good is the matter of the RIM checks.',
  }),
  fresh: Object.freeze({
    proves: 'Genuine GPUs signed a nonce that commits to this keyset, this boot and this round.',
    doesNotProve: 'Whoever knew the nonce can have relayed it to GPUs of another machine.',
  }),
  'digest-in-quote': Object.freeze({
    proves: 'The quoted enclave itself put forward exactly these fresh reports.',
    doesNotProve:
      'The hardware does not tie a Hopper GPU to an enclave: code that is not known could have fetched the reports elsewhere.',
  }),
  'checked-by-guest': Object.freeze({
    proves:
      'Measured code that is known to verify its attached GPUs before serving put forward these fresh reports.',
    doesNotProve:
      'It rests on that code and its driver, not on a hardware binding; physical attacks are out of scope.',
  }),
})

/** The highest rung that the facts reach without a gap. */
export function gpuRung(facts: GpuFacts): GpuRung {
  if (!facts.present || !facts.vendorSigned) return 'none'
  if (!facts.freshForRound) return 'vendor-signed'
  if (!facts.digestInQuote) return 'fresh'
  return facts.checkedByMeasuredGuest ? 'checked-by-guest' : 'digest-in-quote'
}

/** Steps of one device that together make its report authentic. */
const VENDOR_STEPS = [
  'structure',
  'chain',
  'arch',
  'serials',
  'device_key',
  'fwid',
  'signature',
] as const
/** Reports of switches state no firmware identity. */
const SWITCH_STEPS = VENDOR_STEPS.filter((step) => step !== 'fwid')

/** Whether one device proved who it is, and that it answers the nonce. */
export function readDeviceRung(
  checks: readonly Check[],
  kind: DeviceKind,
  index: number,
): Pick<GpuFacts, 'vendorSigned' | 'freshForRound'> {
  const statuses = new Map(checks.map(({ id, status }) => [id, status]))
  const passed = (step: string): boolean => statuses.get(`${kind}.${index}.${step}`) === 'pass'
  const steps = kind === 'gpu' ? VENDOR_STEPS : SWITCH_STEPS
  return { vendorSigned: steps.every(passed), freshForRound: passed('nonce') }
}

/** How many devices of a kind the checks speak of. */
export function countDevices(checks: readonly Check[], kind: DeviceKind): number {
  const ids = new Set(checks.map(({ id }) => id))
  let devices = 0
  while (ids.has(`${kind}.${devices}.structure`)) devices++
  return devices
}

/**
 * The three facts that stand in the checks of `verifyGpuEvidence` themselves. A check that is missing or skipped counts
 * as not passed; only `gpu.count` may be skipped, where the policy expects no number. Switches that are listed carry
 * what GPUs tell each other, so they have to prove themselves too.
 */
export function readGpuFacts(
  checks: readonly Check[],
): Pick<GpuFacts, 'present' | 'vendorSigned' | 'freshForRound'> {
  const gpus = countDevices(checks, 'gpu')
  const devices = [
    ...Array.from({ length: gpus }, (_, i) => readDeviceRung(checks, 'gpu', i)),
    ...Array.from({ length: countDevices(checks, 'switch') }, (_, i) =>
      readDeviceRung(checks, 'switch', i),
    ),
  ]
  const statuses = new Map(checks.map(({ id, status }) => [id, status]))
  const present = gpus > 0
  const count = statuses.get('gpu.count')
  const whole =
    (count === 'pass' || count === 'skip') &&
    statuses.get('gpu.unique') === 'pass' &&
    statuses.get('gpu.uniform') === 'pass' &&
    // Open where nothing says what a lone device is linked to; a device that is not of this board fails it.
    statuses.get('gpu.topology') !== 'fail'
  return {
    present,
    vendorSigned: present && whole && devices.every(({ vendorSigned }) => vendorSigned),
    freshForRound: present && devices.every(({ freshForRound }) => freshForRound),
  }
}

/** The rung that was reached, in words. */
export interface GpuBinding {
  readonly rung: GpuRung
  readonly proves: string
  readonly doesNotProve: string
}

/** @param simulated a root above the devices bears the mark: the rung is then that of a rehearsal, and says so */
export function bindingOf(facts: GpuFacts, simulated: boolean): GpuBinding {
  const rung = gpuRung(facts)
  const { proves, doesNotProve } = GPU_RUNGS[rung]
  if (!simulated || rung === 'none') return { rung, proves, doesNotProve }
  return {
    rung,
    proves: `SIMULATED, nothing about any hardware. The same of real devices would mean: ${proves}`,
    doesNotProve,
  }
}

/** The rung as a line among the checks. Information: what is needed of it is for the policy to say. */
export function bindingCheck({ rung, proves }: GpuBinding): Check {
  return info('gpu.rung', 'gpu_rung_reached', proves, rung)
}
