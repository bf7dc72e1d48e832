/**
 * What a RIM says: a SWID tag (ISO/IEC 19770-2:2015) with the attributes of TCG's Reference Integrity Manifest, in the exact
 * shape that NVIDIA writes.
 *
 * ```
 * SoftwareIdentity name tagId version …
 *   Entity name role
 *   Meta colloquialVersion edition product …      version and kind of the firmware
 *   Payload
 *     Resource type="Measurement" index active alternatives size name Hash0 … Hash(alternatives − 1)
 *   Signature                                     read elsewhere
 * ```
 *
 * The tag does not hold the name by which NVIDIA's RIM service knows it (`NV_GPU_DRIVER_GH100_550.144.03`), and no board:
 * a VBIOS RIM is bound to a version, not to a project or SKU. Every golden value in it is one that NVIDIA signed for that
 * version, so one of another board accepts other firmware of NVIDIA's of the same version, never anybody else's.
 *
 * @module
 */
import { fromHex } from '../../../protocol/hex.ts'
import type { XmlElement } from './parse-xml.ts'
import { attributesOf, elementsOf, expandedName } from './read-element.ts'

/** An SPDM block index is one byte and starts at 1, so 254 is the last that a RIM could mean. */
export const MAX_GOLDEN_MEASUREMENTS = 254
/** Values that one measurement may have; NVIDIA's have up to four. */
export const MAX_ALTERNATIVES = 32
/** SHA-384. */
export const GOLDEN_BYTES = 48

const SWID = 'http://standards.iso.org/iso/19770/-2/2015/schema.xsd'
const TCG_RIM =
  'https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/'
const SHA384 = 'http://www.w3.org/2001/04/xmlenc#sha384'
/** IANA private enterprise number of NVIDIA. */
const NVIDIA = '5703'
const NVIDIA_NAME = 'NVIDIA Corporation'

export type RimKind = 'driver' | 'vbios' | 'switch_bios'

/** One measurement, by its RIM index: one below the index of the SPDM block. */
export interface GoldenMeasurement {
  /** Whether the RIM speaks for this index. What it holds at others binds nobody. */
  readonly active: boolean
  /** At least one; {@link GOLDEN_BYTES} each. */
  readonly alternatives: readonly Uint8Array[]
}

export interface SoftwareIdentity {
  /** The tagId: 96 lower-case hex digits. */
  readonly id: string
  readonly kind: RimKind
  /** Of the firmware, e.g. `550.144.03` or `96.00.5E.00.01`, upper case. */
  readonly version: string
  readonly measurements: ReadonlyMap<number, GoldenMeasurement>
}

export type SoftwareIdentityResult =
  | { readonly ok: true; readonly identity: SoftwareIdentity }
  | {
      readonly ok: false
      readonly code: 'rim_malformed' | 'rim_unsupported'
      readonly detail: string
    }

type Refusal = Extract<SoftwareIdentityResult, { ok: false }>

function malformed(detail: string): Refusal {
  return { ok: false, code: 'rim_malformed', detail }
}

const TAG_ID = /^[0-9a-f]{96}$/
const DIGITS = /^[0-9]{1,8}$/
const DOTTED = /^[0-9]{1,4}(?:\.[0-9]{1,4}){0,3}$/
const LABEL = /^[\w.-]{1,64}$/
const HEX_VALUE = /^[0-9A-Fa-f]{96}$/
const DRIVER_VERSION = /^[0-9]{3,4}\.[0-9]{1,3}(?:\.[0-9]{1,3})?$/
const VBIOS_VERSION = /^[0-9A-F]{2}(?:\.[0-9A-F]{2}){4}$/

type Rule = string | RegExp
type Rules = Readonly<Record<string, Rule>>

const ROOT_RULES: Rules = {
  corpus: 'false',
  name: LABEL,
  patch: 'false',
  supplemental: 'false',
  tagId: TAG_ID,
  version: DOTTED,
  tagVersion: DIGITS,
}
const ENTITY_RULES: Rules = { name: NVIDIA_NAME, role: 'softwareCreator tagCreator' }
const META_RULES: Rules = {
  colloquialVersion: /^[0-9A-Fa-f.]{1,32}$/,
  edition: LABEL,
  product: LABEL,
  revision: LABEL,
  PayloadType: 'direct',
  [`{${TCG_RIM}}BindingSpec`]: 'RIMIM',
  [`{${TCG_RIM}}BindingSpecVersion`]: DOTTED,
  [`{${TCG_RIM}}PlatformManufacturerId`]: NVIDIA,
  [`{${TCG_RIM}}PlatformManufacturerStr`]: NVIDIA_NAME,
  [`{${TCG_RIM}}PlatformModel`]: LABEL,
  [`{${TCG_RIM}}FirmwareManufacturer`]: NVIDIA_NAME,
  [`{${TCG_RIM}}FirmwareManufacturerId`]: NVIDIA,
}
const RESOURCE_RULES: Rules = {
  type: 'Measurement',
  index: DIGITS,
  active: /^(?:True|False)$/,
  alternatives: DIGITS,
  name: LABEL,
  size: String(GOLDEN_BYTES),
}

/** @returns what is wrong about the attributes, which have to be exactly those of `rules` */
function attributesFault(attributes: ReadonlyMap<string, string>, rules: Rules): string | null {
  for (const [name, rule] of Object.entries(rules)) {
    const value = attributes.get(name)
    if (value === undefined) return `no ${name}`
    if (typeof rule === 'string' ? value !== rule : !rule.test(value)) return `${name} is not right`
  }
  const known = Object.keys(rules).length
  return attributes.size === known ? null : 'an attribute that is not known'
}

/** The values `Hash0` to `Hash(count − 1)`. */
function readAlternatives(
  attributes: ReadonlyMap<string, string>,
  count: number,
): readonly Uint8Array[] | null {
  const alternatives: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const text = attributes.get(`{${SHA384}}Hash${i}`) ?? ''
    const value = HEX_VALUE.test(text) ? fromHex(text.toLowerCase()) : null
    if (value === null) return null
    alternatives.push(value)
  }
  return alternatives
}

function readMeasurement(resource: XmlElement, index: number): GoldenMeasurement | string {
  if (expandedName(resource) !== `{${SWID}}Resource` || resource.children.length !== 0) {
    return 'not an empty Resource'
  }
  const attributes = attributesOf(resource)
  const own = new Map([...attributes].filter(([name]) => !name.startsWith(`{${SHA384}}`)))
  const fault = attributesFault(own, RESOURCE_RULES)
  if (fault !== null) return fault
  // NVIDIA counts them through. A gap or a repetition could give two readers two values for one index.
  if (own.get('index') !== String(index)) return 'out of order'
  const count = Number(own.get('alternatives'))
  if (count < 1 || count > MAX_ALTERNATIVES) return `${count} alternatives`
  const alternatives = readAlternatives(attributes, count)
  if (alternatives === null || attributes.size !== own.size + count) {
    return `not exactly ${count} hashes of ${GOLDEN_BYTES} bytes`
  }
  return { active: own.get('active') === 'True', alternatives }
}

function readPayload(payload: XmlElement): ReadonlyMap<number, GoldenMeasurement> | Refusal {
  const resources = payload.attributes.length === 0 ? elementsOf(payload) : null
  if (resources === null || resources.length === 0) return malformed('no plain Payload')
  if (resources.length > MAX_GOLDEN_MEASUREMENTS) {
    return malformed(`more than ${MAX_GOLDEN_MEASUREMENTS} measurements`)
  }
  const measurements = new Map<number, GoldenMeasurement>()
  for (const [index, resource] of resources.entries()) {
    const measurement = readMeasurement(resource, index)
    if (typeof measurement === 'string') return malformed(`measurement ${index}: ${measurement}`)
    measurements.set(index, measurement)
  }
  return measurements
}

/** Driver and VBIOS RIMs of a GPU differ in nothing but their measurements and the form of their version. */
function kindOf(product: string, edition: string, version: string): RimKind | null {
  if (product === 'LS10' && edition === 'SWITCH') {
    return VBIOS_VERSION.test(version) ? 'switch_bios' : null
  }
  if (product !== 'GH100' || edition !== 'GPU') return null
  if (VBIOS_VERSION.test(version)) return 'vbios'
  return DRIVER_VERSION.test(version) ? 'driver' : null
}

/**
 * @param root of the tree whose canonical form is signed: what is read here is what the signature covers
 * @param signature the child of `root` that is left out of that form, and so is not read. Never throws
 */
export function readSoftwareIdentity(
  root: XmlElement,
  signature: XmlElement,
): SoftwareIdentityResult {
  if (expandedName(root) !== `{${SWID}}SoftwareIdentity`) return malformed('no SoftwareIdentity')
  const [entity, meta, payload, last, ...rest] = elementsOf(root) ?? []
  if (
    entity === undefined ||
    meta === undefined ||
    payload === undefined ||
    last !== signature ||
    rest.length !== 0 ||
    expandedName(entity) !== `{${SWID}}Entity` ||
    expandedName(meta) !== `{${SWID}}Meta` ||
    expandedName(payload) !== `{${SWID}}Payload` ||
    entity.children.length !== 0 ||
    meta.children.length !== 0
  ) {
    return malformed('not exactly Entity, Meta, Payload and Signature')
  }
  const about = attributesOf(meta)
  const own = attributesOf(root)
  const fault =
    attributesFault(own, ROOT_RULES) ??
    attributesFault(attributesOf(entity), ENTITY_RULES) ??
    attributesFault(about, META_RULES)
  if (fault !== null) return malformed(fault)
  const measurements = readPayload(payload)
  if ('ok' in measurements) return measurements
  const version = (about.get('colloquialVersion') ?? '').toUpperCase()
  const product = about.get('product') ?? ''
  const kind = kindOf(product, about.get('edition') ?? '', version)
  if (kind === null) {
    const detail = `${product} ${about.get('edition')} ${version}`
    return { ok: false, code: 'rim_unsupported', detail }
  }
  return { ok: true, identity: { id: own.get('tagId') ?? '', kind, version, measurements } }
}
