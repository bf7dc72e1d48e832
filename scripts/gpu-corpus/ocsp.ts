/**
 * OCSP responses of the corpus, with answer, responder, window and bytes open to a case.
 *
 * @module
 */
import {
  buildOcspResponse,
  issueOcspResponder,
} from '../../attestation/simulator/x509/build-ocsp-response.ts'
import type {
  OcspAnswer,
  OcspResponseTemplate,
  OcspStatus,
  OcspSubject,
} from '../../attestation/simulator/x509/build-ocsp-response.ts'
import type { IssuedCertificate } from '../../attestation/simulator/x509/issue-certificate.ts'
import { revocableOfRims } from '../../attestation/simulator/nvidia/create-gpu-collateral.ts'
import type { GpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import { seededEntropy } from './entropy.ts'
import { AT, base64, DAY, dateOf, gpuOf, HOUR, PKI, RIMS } from './world.ts'

/** What a case changes about one response. */
export interface OcspChange {
  readonly status?: OcspStatus
  readonly thisUpdate?: number
  readonly nextUpdate?: number | null
  readonly producedAt?: number
  readonly nonce?: Uint8Array | null
  readonly hash?: OcspAnswer['hash']
  readonly subject?: OcspSubject
  /** Answers beside the first. */
  readonly more?: readonly OcspAnswer[]
  readonly responder?: IssuedCertificate
  readonly template?: Partial<OcspResponseTemplate>
  /** Changes the bytes after they were signed. */
  readonly after?: (der: Uint8Array) => Uint8Array
}

const { root, product, gpuProvisioner } = PKI.issuers

/** Certificates 1 to 3 of the first GPU. */
export const SUBJECTS = {
  identity: { issuer: gpuProvisioner, serial: gpuOf(0).identity.serial },
  provisioner: { issuer: product, serial: gpuProvisioner.serial },
  product: { issuer: root, serial: product.serial },
} as const satisfies Record<string, OcspSubject>
export type SubjectName = keyof typeof SUBJECTS

const responders = new Map<IssuedCertificate, IssuedCertificate>()

export interface ResponderChange {
  readonly notBefore?: number
  readonly notAfter?: number
  readonly extensions?: Parameters<typeof issueOcspResponder>[0]['extensions']
}

export function makeResponder(
  issuer: IssuedCertificate,
  change: ResponderChange = {},
): IssuedCertificate {
  return issueOcspResponder({
    issuer,
    notBefore: dateOf(change.notBefore ?? AT - DAY),
    notAfter: dateOf(change.notAfter ?? AT + 30 * DAY),
    entropy: seededEntropy,
    ...(change.extensions === undefined ? {} : { extensions: change.extensions }),
  })
}

/** The one that speaks for this issuer. */
export function responderOf(issuer: IssuedCertificate): IssuedCertificate {
  const responder = responders.get(issuer) ?? makeResponder(issuer)
  responders.set(issuer, responder)
  return responder
}

export function ocspResponse(standard: OcspSubject, change: OcspChange = {}): Uint8Array {
  const subject = change.subject ?? standard
  const { status = { kind: 'good' }, thisUpdate = AT - HOUR } = change
  const nextUpdate = change.nextUpdate === undefined ? AT + DAY : change.nextUpdate
  const der = buildOcspResponse({
    answers: [
      {
        subject,
        status,
        thisUpdate: dateOf(thisUpdate),
        nextUpdate: nextUpdate === null ? null : dateOf(nextUpdate),
        ...(change.hash === undefined ? {} : { hash: change.hash }),
      },
      ...(change.more ?? []),
    ],
    responder: change.responder ?? responderOf(standard.issuer),
    producedAt: dateOf(change.producedAt ?? thisUpdate),
    nonce: change.nonce ?? null,
    sign: seededEntropy.sign,
    ...change.template,
  })
  return change.after?.(der) ?? der
}

export function responses(...ders: readonly Uint8Array[]): GpuCollateral {
  return { rims: [], ocsp: ders.map(base64) }
}

/** Good responses on the first GPU, but for what the case changes; null leaves one out. */
export function deviceResponses(
  changes: Partial<Record<SubjectName, OcspChange | null>> = {},
): Uint8Array[] {
  return (['identity', 'provisioner', 'product'] as const).flatMap((name) => {
    const change = changes[name]
    return change === null ? [] : [ocspResponse(SUBJECTS[name], change)]
  })
}

/** Certificates 0 to 2 of a RIM file: signer, third level, CA. */
export function rimResponses(
  changes: readonly (OcspChange | null | undefined)[] = [],
): Uint8Array[] {
  return revocableOfRims(RIMS).flatMap((subject, index) => {
    const change = changes[index]
    return change === null ? [] : [ocspResponse(subject, change)]
  })
}
