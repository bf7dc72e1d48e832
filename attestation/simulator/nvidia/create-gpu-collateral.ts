/**
 * What a verifier of simulated devices needs beside their evidence, as NVIDIA's RIM service and OCSP responder would give it
 * on the day: one RIM file for each firmware, one response for each certificate that can be revoked.
 *
 * @module
 */
import { systemEntropy } from '../entropy.ts'
import type { Entropy } from '../entropy.ts'
import { buildOcspResponse, issueOcspResponder } from '../x509/build-ocsp-response.ts'
import type { OcspStatus, OcspSubject } from '../x509/build-ocsp-response.ts'
import type { IssuedCertificate } from '../x509/issue-certificate.ts'
import { buildRim } from './build-rim.ts'
import type { NvidiaPki } from './create-nvidia-pki.ts'
import type { RimPki } from './create-rim-pki.ts'
import {
  driverRimTemplate,
  rimIdsOf,
  SIMULATED_GPU_FIRMWARE,
  SIMULATED_SWITCH_FIRMWARE,
  SIMULATED_SXM_FIRMWARE,
  switchRimIdOf,
  switchRimTemplate,
  vbiosRimTemplate,
} from './simulated-firmware.ts'
import type { GpuFirmware, SwitchFirmware } from './simulated-firmware.ts'

/** A file under the id by which it was asked for. */
export interface SimulatedRim {
  readonly id: string
  readonly bytes: Uint8Array
}

export interface OcspOptions {
  /** Unix seconds: when the responder answered. */
  readonly at: number
  /** Default good. */
  readonly status?: OcspStatus
  /** Seconds for which the answer is good; null: it says of no end. Default a day. */
  readonly lifetimeS?: number | null
  readonly nonce?: Uint8Array | null
  readonly hash?: 'sha1' | 'sha256' | 'sha384'
  readonly entropy?: Entropy
}

const DAY_S = 86_400
const RESPONDER_DAYS = 30

export function driverRim(
  pki: RimPki,
  firmware: GpuFirmware,
  entropy = systemEntropy,
): SimulatedRim {
  const bytes = buildRim(driverRimTemplate(firmware), { pki, sign: entropy.sign })
  return { id: rimIdsOf(firmware).driver, bytes }
}

export function vbiosRim(
  pki: RimPki,
  firmware: GpuFirmware,
  entropy = systemEntropy,
): SimulatedRim {
  const bytes = buildRim(vbiosRimTemplate(firmware), { pki, sign: entropy.sign })
  return { id: rimIdsOf(firmware).vbios, bytes }
}

export function switchRim(
  pki: RimPki,
  firmware: SwitchFirmware = SIMULATED_SWITCH_FIRMWARE,
  entropy = systemEntropy,
): SimulatedRim {
  const bytes = buildRim(switchRimTemplate(firmware), { pki, sign: entropy.sign })
  return { id: switchRimIdOf(firmware), bytes }
}

/** The certificates of every device chain that OCSP speaks of, each once: all but leaves, which are made on the device, and roots. */
export function revocableOfDevices(pki: NvidiaPki): OcspSubject[] {
  const { root, product, gpuProvisioner, switchProvisioner } = pki.issuers
  const of = (issuer: IssuedCertificate, { serial }: IssuedCertificate): OcspSubject => ({
    issuer,
    serial,
  })
  const switches = pki.switches.map(({ identity }) => of(switchProvisioner, identity))
  return [
    ...pki.gpus.map(({ identity }) => of(gpuProvisioner, identity)),
    of(product, gpuProvisioner),
    ...(switches.length === 0 ? [] : [...switches, of(product, switchProvisioner)]),
    of(root, product),
  ]
}

/** The same of RIM chains, whose signers are made at NVIDIA and can be revoked. */
export function revocableOfRims({ root, ca, l3, signer }: RimPki): OcspSubject[] {
  return [
    { issuer: l3, serial: signer.serial },
    { issuer: ca, serial: l3.serial },
    { issuer: root, serial: ca.serial },
  ]
}

/** DER of the response on one certificate, by a responder of its issuer. */
export function answerOcsp(subject: OcspSubject, options: OcspOptions): Uint8Array {
  const { at, status = { kind: 'good' }, lifetimeS = DAY_S, nonce = null } = options
  const entropy = options.entropy ?? systemEntropy
  const date = (seconds: number): Date => new Date(seconds * 1000)
  const responder = issueOcspResponder({
    issuer: subject.issuer,
    notBefore: date(at - DAY_S),
    notAfter: date(at + RESPONDER_DAYS * DAY_S),
    entropy,
  })
  return buildOcspResponse({
    answers: [
      {
        subject,
        status,
        thisUpdate: date(at),
        nextUpdate: lifetimeS === null ? null : date(at + lifetimeS),
        ...(options.hash === undefined ? {} : { hash: options.hash }),
      },
    ],
    responder,
    producedAt: date(at),
    nonce,
    sign: entropy.sign,
  })
}

export interface SimulatedGpuCollateral {
  readonly rims: readonly { readonly id: string; readonly rim: string }[]
  readonly ocsp: readonly string[]
}

/** Files and good responses for the evidence of `collectSimulatedGpuEvidence`, each in base64. @param at Unix seconds */
export function createGpuCollateral(
  devices: NvidiaPki,
  rims: RimPki,
  at: number,
): SimulatedGpuCollateral {
  const { entropy } = devices
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  const inFabric = devices.switches.length > 0
  const firmware = inFabric ? SIMULATED_SXM_FIRMWARE : SIMULATED_GPU_FIRMWARE
  const files = [
    driverRim(rims, firmware, entropy),
    vbiosRim(rims, firmware, entropy),
    ...(inFabric ? [switchRim(rims, SIMULATED_SWITCH_FIRMWARE, entropy)] : []),
  ]
  return {
    rims: files.map(({ id, bytes }) => ({ id, rim: base64(bytes) })),
    ocsp: [...revocableOfDevices(devices), ...revocableOfRims(rims)].map((subject) =>
      base64(answerOcsp(subject, { at, entropy })),
    ),
  }
}
