/**
 * Judges what a genuine quote says of its TD and of the TDX module under it, against the policy.
 *
 * Source: Intel TDX Module ABI Specification (348551-008US), table 3.23, "ATTRIBUTES", and "XFAM"; Intel TDX DCAP Quoting
 * Library API, appendix A.
 *
 * @module
 */
import { toHex } from '../../protocol/hex.ts'
import type { Fault } from './evaluate-tcb.ts'
import type { Quote } from './parse-quote.ts'
import type { Judgement } from './step-list.ts'
import type { MrConfigIdKind, TdxPolicy } from './tdx-policy.ts'

const TD_DEBUG = 1n
/** Bits 0 to 7 are the "TD under debug" group: any of them gives the host a way in. */
const TD_UNDER_DEBUG = 0xffn
const SEPT_VE_DISABLE = 1n << 28n

/** Little-endian. */
function integerOf(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)
}

function bitsOf(hex: string): bigint {
  return (hex.match(/../g) ?? []).reduceRight((sum, byte) => sum * 256n + BigInt(`0x${byte}`), 0n)
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

function isAccepted(bytes: Uint8Array | null, accepted: readonly string[] | null): boolean {
  // A TD 1.0 body has no such field, which counts as zero.
  return accepted === null || accepted.includes(bytes === null ? '00'.repeat(48) : toHex(bytes))
}

export function tdAttributesFault(quote: Quote, policy: TdxPolicy): Fault | null {
  const attributes = integerOf(quote.tdAttributes)
  const required = bitsOf(policy.tdAttributesRequired)
  const debug = policy.allowDebug ? TD_DEBUG : 0n
  const detail = `td_attributes ${toHex(quote.tdAttributes)}`
  if ((attributes & TD_DEBUG & ~debug) !== 0n) return { code: 'td_debug', detail }
  if ((attributes & TD_UNDER_DEBUG & ~debug) !== 0n) {
    return { code: 'td_attributes_reserved', detail }
  }
  if ((attributes & required) !== required) {
    const septVe = (required & ~attributes & SEPT_VE_DISABLE) !== 0n
    return { code: septVe ? 'td_sept_ve_enabled' : 'td_attributes_missing', detail }
  }
  // Bit 29 makes a TD migratable; whatever the rest will mean, nobody has judged it.
  if ((attributes & ~(required | bitsOf(policy.tdAttributesAllowed) | debug)) !== 0n) {
    return { code: 'td_attributes_reserved', detail }
  }
  return isAccepted(quote.mrServiceTd, policy.serviceTds)
    ? null
    : {
        code: 'td_service_td',
        detail: `mr_service_td ${toHex(quote.mrServiceTd ?? new Uint8Array())}`,
      }
}

export function xfamFault(quote: Quote, policy: TdxPolicy): Fault | null {
  const xfam = integerOf(quote.xfam)
  const required = bitsOf(policy.xfamRequired)
  const allowed = required | bitsOf(policy.xfamAllowed)
  return (xfam & required) === required && (xfam & ~allowed) === 0n
    ? null
    : { code: 'td_xfam_not_accepted', detail: `xfam ${toHex(quote.xfam)}` }
}

export function seamFault(quote: Quote, policy: TdxPolicy): Fault | null {
  // All zero is how the hardware spells "signed by Intel" and "no debug or other attribute". No policy can do without.
  if (!isZero(quote.mrSignerSeam)) {
    return { code: 'seam_not_production', detail: `mr_signer_seam ${toHex(quote.mrSignerSeam)}` }
  }
  if (!isZero(quote.seamAttributes)) {
    return { code: 'seam_not_production', detail: `seam_attributes ${toHex(quote.seamAttributes)}` }
  }
  return isAccepted(quote.mrSeam, policy.mrSeams)
    ? null
    : { code: 'mr_seam_not_accepted', detail: `mr_seam ${toHex(quote.mrSeam)}` }
}

export function ownerFault(quote: Quote, policy: TdxPolicy): Fault | null {
  if (!isAccepted(quote.mrOwner, policy.mrOwners)) {
    return { code: 'mr_owner_not_accepted', detail: `mr_owner ${toHex(quote.mrOwner)}` }
  }
  return isAccepted(quote.mrOwnerConfig, policy.mrOwnerConfigs)
    ? null
    : { code: 'mr_owner_not_accepted', detail: `mr_owner_config ${toHex(quote.mrOwnerConfig)}` }
}

const CONFIG_ID_KINDS: ReadonlyMap<number | undefined, MrConfigIdKind> = new Map([
  [1, 'v1'],
  [2, 'v2'],
  [3, 'v3'],
])

/** The form alone: whether a digest in it is the right one, the verified event log decides. */
export function mrConfigIdFault(quote: Quote, policy: TdxPolicy): Fault | null {
  const { mrConfigId } = quote
  const detail = `mr_config_id ${toHex(mrConfigId)}`
  const kind = isZero(mrConfigId) ? 'zero' : CONFIG_ID_KINDS.get(mrConfigId[0])
  if (kind === undefined || !policy.mrConfigIdKinds.includes(kind)) {
    return { code: 'mr_config_id_not_accepted', detail }
  }
  return isAccepted(mrConfigId, policy.mrConfigIds)
    ? null
    : { code: 'mr_config_id_not_accepted', detail }
}

export function judgeMeasurements(quote: Quote, policy: TdxPolicy): Judgement {
  const [rtmr0, rtmr1, rtmr2, rtmr3] = quote.rtmrs
  const pins = [
    ['mrtd', quote.mrtd, policy.mrtds],
    ['rtmr0', rtmr0, policy.rtmr0s],
    ['rtmr1', rtmr1, policy.rtmr1s],
    ['rtmr2', rtmr2, policy.rtmr2s],
    ['rtmr3', rtmr3, policy.rtmr3s],
  ] as const
  for (const [name, bytes, accepted] of pins) {
    if (!isAccepted(bytes, accepted)) {
      return { code: 'measurement_not_accepted', detail: `${name} ${toHex(bytes)}` }
    }
  }
  const pinned = pins.filter(([, , accepted]) => accepted !== null).map(([name]) => name)
  return pinned.length === 0
    ? { code: 'measurements_not_pinned', note: '' }
    : { note: pinned.join(', ') }
}

/** MRTD, RTMR1 and RTMR2 of one image, and RTMR0 of one of its shapes: never a mixture of two images. */
export function judgeImage(quote: Quote, images: NonNullable<TdxPolicy['images']>): Judgement {
  const [mrtd, rtmr0, rtmr1, rtmr2] = [
    toHex(quote.mrtd),
    ...quote.rtmrs.slice(0, 3).map((rtmr) => toHex(rtmr)),
  ]
  const booted = images.filter(
    (image) => image.mrtd === mrtd && image.rtmr1 === rtmr1 && image.rtmr2 === rtmr2,
  )
  const [first] = booted
  if (first === undefined) return { code: 'image_not_accepted', detail: `mrtd ${mrtd ?? ''}` }
  const image = booted.find((candidate) => candidate.rtmr0.some((shape) => shape === rtmr0))
  return image === undefined
    ? {
        code: 'image_not_accepted',
        detail: `image ${first.osImageHash} in a shape with rtmr0 ${rtmr0 ?? ''}`,
      }
    : { note: `os_image_hash ${image.osImageHash}` }
}
