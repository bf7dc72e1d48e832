/**
 * What the service says about one device, judged more strictly than NVIDIA's default policy does: every statement has to
 * hold, not the three certificate chains and the measurements alone.
 *
 * Claims that are not known here are tolerated, because NVIDIA adds some without a new version (the request that asks for 3.0
 * cannot ask for no more than that), but not blindly: a boolean among them must be true, records of mismatches must be empty,
 * and a certificate chain must be good.
 *
 * @module
 */
import { isJsonObject } from '../../../protocol/json.ts'
import type { JsonObject, JsonValue } from '../../../protocol/json.ts'
import type { CheckCode } from '../../codes.ts'
import { DEVICE_CLAIMS } from './device-claims.ts'
import type { DeviceClaimNames } from './device-claims.ts'
import type { NrasClaimsVersion, NrasPolicy } from './nras-policy.ts'
import type { NrasKind } from './parse-nras-answer.ts'

/** Characters of a claim that are quoted in a detail. */
const MAX_SHOWN = 64
/** NVIDIA's number at the IANA, as the service spells it. */
const NVIDIA_OEM_ID = '5703'
/** 20 bytes of serial number in decimal. */
const UEID = /^[1-9][0-9]{0,48}$/
const DRIVER = /^[0-9]{1,8}(?:\.[0-9]{1,8}){1,3}$/
const BIOS = /^[0-9A-F]{2}(?:\.[0-9A-F]{2}){4}$/
/** Of `x-nvidia-gpu-switch-pdis`: places where no switch is connected. */
const NO_PDI = /^(?:0x)?0*$/

export interface Refusal {
  readonly code: CheckCode
  readonly detail: string
}

function shown(value: JsonValue | undefined): string {
  if (value === undefined) return 'missing'
  return (JSON.stringify(value) ?? '').slice(0, MAX_SHOWN)
}

function refuse(code: CheckCode, name: string, value: JsonValue | undefined): Refusal {
  return { code, detail: `${name} is ${shown(value)}` }
}

/** `x-nvidia-error-details` stands in place of the claims, inside an answer with status 200. */
export function errorDetails(claims: JsonObject): Refusal | null {
  const details = claims['x-nvidia-error-details']
  if (details === undefined || details === null) return null
  if (!isJsonObject(details)) {
    return refuse('nras_service_error', 'x-nvidia-error-details', details)
  }
  const { code, message, description } = details
  const parts = [code, message, description].flatMap((part) =>
    typeof part === 'number' || typeof part === 'string' ? [String(part).slice(0, MAX_SHOWN)] : [],
  )
  return { code: 'nras_service_error', detail: parts.join(', ') }
}

function judgeState(claims: JsonObject): Refusal | null {
  const { measres, dbgstat, secboot } = claims
  if (measres !== 'success') return refuse('nras_measurements_mismatch', 'measres', measres)
  if (dbgstat !== 'disabled') return refuse('nras_debug_enabled', 'dbgstat', dbgstat)
  if (secboot !== true) return refuse('nras_secure_boot_off', 'secboot', secboot)
  return null
}

function isMismatchRecord(name: string): boolean {
  return name.startsWith('x-nvidia-mismatch-')
}

function isEmpty(value: JsonValue): boolean {
  return value === null || (Array.isArray(value) && value.length === 0)
}

/** `{x-nvidia-cert-status, x-nvidia-cert-ocsp-status, …-revocation-reason, …-ocsp-nonce-matches, …-ocsp-response-valid}`. */
function judgeChain(name: string, value: JsonValue | undefined): Refusal | null {
  if (!isJsonObject(value)) return refuse('nras_certificate_refused', name, value)
  const { 'x-nvidia-cert-status': status, 'x-nvidia-cert-ocsp-status': ocsp } = value
  if (status !== 'valid') return refuse('nras_certificate_refused', `${name}: status`, status)
  if (ocsp !== 'good') return refuse('nras_certificate_refused', `${name}: OCSP status`, ocsp)
  // A certificate on hold may still be called valid where the request allowed that.
  const reason = value['x-nvidia-cert-revocation-reason'] ?? null
  if (reason !== null) return refuse('nras_certificate_refused', `${name}: revocation`, reason)
  const odd = Object.entries(value).find(([, member]) => member === false)
  return odd === undefined ? null : refuse('nras_certificate_refused', `${name}: ${odd[0]}`, false)
}

function judgeStatements(claims: JsonObject, names: DeviceClaimNames): Refusal | null {
  const untrue = names.booleans.find((name) => claims[name] !== true)
  if (untrue !== undefined) return refuse('nras_claim_refused', untrue, claims[untrue])
  for (const name of names.chains) {
    const fault = judgeChain(name, claims[name])
    if (fault !== null) return fault
  }
  for (const [name, value] of Object.entries(claims)) {
    if (!name.startsWith('x-nvidia-')) continue
    if (value === false) return refuse('nras_claim_refused', name.slice(0, MAX_SHOWN), value)
    if (isMismatchRecord(name) && !isEmpty(value)) {
      return refuse('nras_measurements_mismatch', name.slice(0, MAX_SHOWN), value)
    }
    if (isJsonObject(value) && Object.hasOwn(value, 'x-nvidia-cert-status')) {
      const fault = judgeChain(name.slice(0, MAX_SHOWN), value)
      if (fault !== null) return fault
    }
  }
  const warning = claims['x-nvidia-attestation-warning'] ?? null
  return warning === null ? null : refuse('nras_warning', 'x-nvidia-attestation-warning', warning)
}

/** Part by part; a part that is missing counts as zero. */
export function isAtLeast(version: string, floor: string, radix: 10 | 16): boolean {
  const parts = version.split('.').map((part) => Number.parseInt(part, radix))
  const floors = floor.split('.').map((part) => Number.parseInt(part, radix))
  for (let i = 0; i < Math.max(parts.length, floors.length); i++) {
    const difference = (parts[i] ?? 0) - (floors[i] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}

function judgeVersion(
  name: string,
  value: JsonValue | undefined,
  form: RegExp,
  accepted: readonly string[] | null,
  floor: string | null,
  radix: 10 | 16,
): Refusal | null {
  if (typeof value !== 'string' || !form.test(value))
    return refuse('nras_claim_refused', name, value)
  const known = accepted === null || accepted.includes(value)
  if (known && (floor === null || isAtLeast(value, floor, radix))) return null
  return refuse('nras_version_refused', name, value)
}

function judgeVersions(
  claims: JsonObject,
  kind: NrasKind,
  names: DeviceClaimNames,
  policy: NrasPolicy,
): Refusal | null {
  if (names.driverVersion !== null) {
    const driver = claims[names.driverVersion]
    const { drivers, minDriver } = policy
    const fault = judgeVersion(names.driverVersion, driver, DRIVER, drivers, minDriver, 10)
    if (fault !== null) return fault
  }
  const [accepted, floor] =
    kind === 'gpu' ? [policy.vbioses, policy.minVbios] : [policy.switchBioses, policy.minSwitchBios]
  return judgeVersion(names.biosVersion, claims[names.biosVersion], BIOS, accepted, floor, 16)
}

/** Whether the claims of a GPU name a switch; null where the list has another form. */
function namesSwitches(claims: JsonObject): boolean | null {
  const pdis = claims['x-nvidia-gpu-switch-pdis'] ?? null
  if (pdis === null) return false
  if (!Array.isArray(pdis)) return null
  const texts = (pdis as readonly JsonValue[]).filter((pdi) => typeof pdi === 'string')
  return texts.length === pdis.length ? texts.some((pdi) => !NO_PDI.test(pdi)) : null
}

function judgeMode(claims: JsonObject, kind: NrasKind, policy: NrasPolicy): Refusal | null {
  if (kind !== 'gpu') return null
  const protectedPcie = namesSwitches(claims)
  const name = 'x-nvidia-gpu-switch-pdis'
  if (protectedPcie === null) return refuse('nras_claim_refused', name, claims[name])
  const fits =
    policy.protectedPcie === 'any' || (policy.protectedPcie === 'required') === protectedPcie
  return fits
    ? null
    : {
        code: 'nras_mode_refused',
        detail: protectedPcie ? 'the GPU names NVSwitches' : 'the GPU names no NVSwitch',
      }
}

function judgeIdentity(
  claims: JsonObject,
  names: DeviceClaimNames,
  version: NrasClaimsVersion,
  policy: NrasPolicy,
): Refusal | null {
  const { oemid, ueid, hwmodel } = claims
  const type = claims['x-nvidia-device-type'] ?? names.deviceType
  if (type !== names.deviceType) return refuse('nras_claim_refused', 'x-nvidia-device-type', type)
  const versionName = `${names.prefix}claims-version`
  const own = claims[versionName] ?? version
  if (own !== version) return refuse('nras_claim_refused', versionName, own)
  if (oemid !== NVIDIA_OEM_ID) return refuse('nras_claim_refused', 'oemid', oemid)
  if (typeof ueid !== 'string' || !UEID.test(ueid)) {
    return refuse('nras_claim_refused', 'ueid', ueid)
  }
  return typeof hwmodel === 'string' && policy.hardwareModels.includes(hwmodel)
    ? null
    : refuse('nras_model_refused', 'hwmodel', hwmodel)
}

/**
 * @param claims of a token whose signature, digest, times, issuer and nonce are judged elsewhere
 * @returns the first claim that is refused, or null
 */
export function judgeDeviceClaims(
  claims: JsonObject,
  kind: NrasKind,
  version: NrasClaimsVersion,
  policy: NrasPolicy,
): Refusal | null {
  const names = DEVICE_CLAIMS[kind][version]
  return (
    judgeState(claims) ??
    judgeStatements(claims, names) ??
    judgeIdentity(claims, names, version, policy) ??
    judgeVersions(claims, kind, names, policy) ??
    judgeMode(claims, kind, policy)
  )
}
