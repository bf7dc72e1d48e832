/**
 * Names of the claims about one device, by kind and version (NVIDIA, Attestation claims guide, GPU and nvSwitch claims 2.0 and
 * 3.0, read November 2026).
 *
 * @module
 */
import type { JsonObject, JsonValue } from '../../../protocol/json.ts'
import type { NrasClaimsVersion } from './nras-policy.ts'
import type { NrasKind } from './parse-nras-answer.ts'

export interface DeviceClaimNames {
  /** Every claim of the kind starts with it. */
  readonly prefix: string
  /** `x-nvidia-device-type`, where it is given. */
  readonly deviceType: string
  /** Null: the kind has no driver. */
  readonly driverVersion: string | null
  readonly biosVersion: string
  /** Must be there and true. */
  readonly booleans: readonly string[]
  /** Must be there, each the object that describes one certificate chain. */
  readonly chains: readonly string[]
}

const REPORT_2 = ['cert-chain-validated', 'parsed', 'nonce-match', 'signature-verified']
const REPORT_3 = ['cert-chain-fwid-match', 'parsed', 'nonce-match', 'signature-verified']
const RIM_2 = [
  'fetched',
  'schema-validated',
  'cert-validated',
  'signature-verified',
  'measurements-available',
]
const RIM_3 = [
  'fetched',
  'schema-validated',
  'signature-verified',
  'version-match',
  'measurements-available',
]

function namesOf(
  kind: NrasKind,
  rims: readonly string[],
  more: readonly string[],
  version: NrasClaimsVersion,
): DeviceClaimNames {
  const prefix = `x-nvidia-${kind}-`
  const [report, rim] = version === '2.0' ? [REPORT_2, RIM_2] : [REPORT_3, RIM_3]
  return {
    prefix,
    deviceType: kind === 'gpu' ? 'gpu' : 'nvswitch',
    driverVersion: kind === 'gpu' ? `${prefix}driver-version` : null,
    biosVersion: kind === 'gpu' ? `${prefix}vbios-version` : `${prefix}bios-version`,
    booleans: [
      `${prefix}arch-check`,
      ...report.map((name) => `${prefix}attestation-report-${name}`),
      ...rims.flatMap((of) => rim.map((name) => `${prefix}${of}-rim-${name}`)),
      ...more.map((name) => `${prefix}${name}`),
    ],
    chains:
      version === '2.0'
        ? []
        : [
            `${prefix}attestation-report-cert-chain`,
            ...rims.map((of) => `${prefix}${of}-rim-cert-chain`),
          ],
  }
}

export const DEVICE_CLAIMS: Readonly<
  Record<NrasKind, Readonly<Record<NrasClaimsVersion, DeviceClaimNames>>>
> = {
  gpu: {
    '2.0': namesOf('gpu', ['driver', 'vbios'], ['vbios-index-no-conflict'], '2.0'),
    '3.0': namesOf('gpu', ['driver', 'vbios'], ['vbios-index-no-conflict'], '3.0'),
  },
  switch: {
    '2.0': namesOf('switch', ['bios'], [], '2.0'),
    '3.0': namesOf('switch', ['bios'], [], '3.0'),
  },
}

/** What an authentic token says of its device; null where it does not say so in text. */
export interface NrasDevice {
  readonly name: string
  readonly model: string | null
  readonly driver: string | null
  /** VBIOS of a GPU, BIOS of a switch. */
  readonly bios: string | null
  /** Serial number of the attestation certificate, decimal. */
  readonly ueid: string | null
}

function textOf(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null
}

/** What a token says of its device, whatever the version of its claims. */
export function describeDevice(name: string, claims: JsonObject, kind: NrasKind): NrasDevice {
  const names = DEVICE_CLAIMS[kind]['3.0']
  return {
    name,
    model: textOf(claims['hwmodel']),
    driver: names.driverVersion === null ? null : textOf(claims[names.driverVersion]),
    bios: textOf(claims[names.biosVersion]),
    ueid: textOf(claims['ueid']),
  }
}
