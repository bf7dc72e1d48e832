/**
 * The host's description of the virtual machine (`vm_config`), which nothing measures as such.
 *
 * The host writes it and the guest hands it on, so of its members only the image hash is read, and it is believed only
 * where the registers that firmware and kernel extended are those of a reference image with that hash.
 *
 * @module
 */
import { isHex32, toHex } from '../../protocol/hex.ts'
import { isJsonObject, parseJsonText } from '../../protocol/json.ts'
import { fail, info, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import type { Quote } from '../quote/parse-quote.ts'
import type { ImageReference } from '../quote/tdx-policy.ts'
import type { SystemIdentity } from './read-system-events.ts'

/** Characters. Real ones have a few hundred; those with a measurement document some thousands. */
export const MAX_VM_CONFIG_CHARACTERS = 64 * 1024

const PROVES = {
  structure: 'The description of the virtual machine can be read in one way only.',
  image: 'The image that the guest names is the one whose registers were measured.',
} as const

type ImageHash = { readonly ok: true; readonly hash: string | null } | { readonly ok: false }

function readImageHash(text: string): ImageHash {
  if (text.length > MAX_VM_CONFIG_CHARACTERS) return { ok: false }
  const parsed = parseJsonText(text)
  if (!parsed.ok || !isJsonObject(parsed.value)) return { ok: false }
  const hash = parsed.value['os_image_hash'] ?? null
  // Agents of images without a hash write an empty one.
  if (hash === null || hash === '') return { ok: true, hash: null }
  return isHex32(hash) ? { ok: true, hash } : { ok: false }
}

function hasRegistersOf(quote: Quote, image: ImageReference): boolean {
  const [rtmr0, rtmr1, rtmr2] = quote.rtmrs
  return (
    toHex(quote.mrtd) === image.mrtd &&
    image.rtmr0.includes(toHex(rtmr0)) &&
    toHex(rtmr1) === image.rtmr1 &&
    toHex(rtmr2) === image.rtmr2
  )
}

function imageCheck(
  claims: readonly string[],
  quote: Quote,
  images: readonly ImageReference[] | null,
): Check {
  const id = 'vm_config.os_image'
  const [claim] = claims
  if (claim === undefined) return skip(id, 'not_provided', PROVES.image, 'no image is named')
  if (claims.some((other) => other !== claim)) {
    const detail = `named ${claims.join(' and ')}`
    return fail(id, 'os_image_mismatch', PROVES.image, detail)
  }
  if (images === null) return info(id, 'os_image_unmeasured', PROVES.image, claim)
  const measured = images.filter((image) => hasRegistersOf(quote, image))
  if (measured.length === 0) {
    return skip(id, 'depends_on_failed', PROVES.image, 'no reference image has these registers')
  }
  return measured.some(({ osImageHash }) => osImageHash === claim)
    ? pass(id, PROVES.image, claim)
    : fail(id, 'os_image_mismatch', PROVES.image, `named ${claim}`)
}

/**
 * @param text the JSON text as served; null or empty where there is none
 * @param system from the replayed log: under a KMS the guest measures the image hash that it was told
 * @param quote verified
 * @param images reference values; null: none were given
 * @returns vm_config.structure and vm_config.os_image
 */
export function verifyVmConfig(
  text: string | null,
  system: SystemIdentity,
  quote: Quote,
  images: readonly ImageReference[] | null,
): Check[] {
  const absent = text === null || text === ''
  const read: ImageHash = absent ? { ok: true, hash: null } : readImageHash(text)
  if (!read.ok) {
    return [
      fail('vm_config.structure', 'vm_config_malformed', PROVES.structure),
      skip('vm_config.os_image', 'depends_on_failed', PROVES.image),
    ]
  }
  const structure = absent
    ? skip('vm_config.structure', 'not_provided', PROVES.structure, 'it was not given')
    : pass('vm_config.structure', PROVES.structure)
  const measured = system.osImageHash === null ? [] : [toHex(system.osImageHash)]
  const claims = [...(read.hash === null ? [] : [read.hash]), ...measured]
  return [structure, imageCheck(claims, quote, images)]
}
