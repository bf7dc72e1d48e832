/**
 * What each architecture looks like: by the name that stands beside the evidence, which is unsigned, what certificates and
 * report of such a device must say.
 *
 * @module
 */

export type DeviceKind = 'gpu' | 'switch'

export interface DeviceRules {
  readonly kind: DeviceKind
  /** The chip, as certificates name it. */
  readonly chip: string
  /** The unit of the chip that signs: GPU system processor or firmware security processor. */
  readonly unit: string
  /** Measurement blocks in a full report. */
  readonly blocks: number
}

/** Architectures that are judged. */
const RULES: ReadonlyMap<string, DeviceRules> = new Map([
  ['HOPPER', { kind: 'gpu', chip: 'GH100', unit: 'GSP', blocks: 64 }],
  ['LS10', { kind: 'switch', chip: 'LS_10', unit: 'FSP', blocks: 31 }],
])

/**
 * Blackwell reports have the layout of Hopper's and are read, but not judged: their firmware identity stands in another
 * extension (2.23.133.5.4.1.1, TCG DiceTcbInfo) and their reference values are numbered otherwise, and no recorded report
 * was at hand to hold such checks to.
 */
const READ_ONLY: ReadonlySet<string> = new Set(['BLACKWELL'])

/** @returns null for an architecture that is not judged */
export function rulesOf(arch: string): DeviceRules | null {
  return RULES.get(arch) ?? null
}

/** Why an architecture is not judged, for a person. */
export function describeUnjudged(arch: string): string {
  return READ_ONLY.has(arch)
    ? `architecture ${arch}: the report is well-formed and no rule for it is known`
    : `architecture ${arch}`
}

const SIMULATED_SUFFIX = ' SIMULATED'

/** Model and stepping, e.g. `GH100 A01 GSP`, of a common name that ends in `role`. */
function modelOf(name: string | null, role: string, rules: DeviceRules, simulated: boolean) {
  if (name === null) return null
  const ending = ` ${role}${simulated ? SIMULATED_SUFFIX : ''}`
  if (!name.endsWith(ending)) return null
  const [chip, stepping, unit, ...rest] = name.slice(0, -ending.length).split(' ')
  if (chip !== rules.chip || unit !== rules.unit || rest.length !== 0) return null
  return /^[A-Z]\d{2}$/.test(stepping ?? '') ? `${chip} ${stepping} ${unit}` : null
}

/**
 * Certificate 1 is named `GH100 A01 GSP BROM` and the leaf under it `GH100 A01 GSP FMC LF`; switches `LS_10 A01 FSP …`. Names
 * of simulated devices end in ` SIMULATED`.
 *
 * @returns whether both certificates name one model of this architecture
 */
export function namesOneModel(
  leaf: string | null,
  identity: string | null,
  rules: DeviceRules,
  simulated: boolean,
): boolean {
  const model = modelOf(identity, 'BROM', rules, simulated)
  return model !== null && model === modelOf(leaf, 'FMC LF', rules, simulated)
}
