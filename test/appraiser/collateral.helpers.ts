import type { KeyObject } from 'node:crypto'
import type { Check } from '../../attestation/appraiser/check.ts'
import { appraiseQuote } from '../../attestation/appraiser/quote/appraise-quote.ts'
import type {
  QuoteAppraisal,
  QuoteInput,
} from '../../attestation/appraiser/quote/appraise-quote.ts'
import { DEFAULT_TDX_POLICY } from '../../attestation/appraiser/quote/tdx-policy.ts'
import type { TdxPolicy } from '../../attestation/appraiser/quote/tdx-policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import type {
  IntelPki,
  IntelPkiOptions,
} from '../../attestation/simulator/intel/create-intel-pki.ts'
import {
  QE_PRODUCT_ID,
  QE_SVN,
  SIMULATED_QE_SIGNER,
  SIMULATED_TEE_TCB_SVN,
} from '../../attestation/simulator/intel/simulated-platform.ts'
import { buildCertificate } from '../../attestation/x509/build-certificate.ts'
import type { CertificateTemplate } from '../../attestation/x509/build-certificate.ts'
import { forgeQuote } from './quote.helpers.ts'
import type { QuoteParts } from './quote.helpers.ts'
import { AT, hex, keyPair } from './x509.helpers.ts'

export interface IntelWorld {
  readonly pki: IntelPki
  /** A quote of the simulated platform; by default one that is up to date under the collateral. */
  readonly quote: (parts?: Partial<QuoteParts>) => Uint8Array
  readonly appraise: (change?: WorldChange) => QuoteAppraisal
}

export interface WorldChange {
  readonly quote?: Uint8Array
  readonly parts?: Partial<QuoteParts>
  readonly collateral?: Partial<DcapCollateral> | null
  readonly policy?: Partial<TdxPolicy>
  readonly input?: Partial<QuoteInput>
}

export const DAY = 86_400

const u16 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, value >> 8)

/** Attributes INIT, PROVISION_KEY and MODE64BIT, debug off. */
export const QE_FIELDS: Readonly<Record<number, Uint8Array>> = {
  48: hex('1500000000000000e700000000000000'),
  128: SIMULATED_QE_SIGNER,
  256: u16(QE_PRODUCT_ID),
  258: u16(QE_SVN),
}

/** A whole simulated Intel at {@link AT}, with a quote and its collateral. */
export function makeIntelWorld(options: Partial<IntelPkiOptions> = {}): IntelWorld {
  const pki = createIntelPki({ now: new Date(AT * 1000), ...options })
  const quote: IntelWorld['quote'] = (parts = {}) =>
    forgeQuote({
      ...parts,
      platform: { pem: pki.pckChain, rootSha256: pki.rootSha256, pckKey: pki.pckKey },
      put: {
        0: SIMULATED_TEE_TCB_SVN,
        ...(parts.body === 'td15' ? { 584: SIMULATED_TEE_TCB_SVN } : {}),
        ...parts.put,
      },
      putQe: { ...QE_FIELDS, ...parts.putQe },
    })
  return {
    pki,
    quote,
    appraise: (change = {}) =>
      appraiseQuote({
        quote: change.quote ?? quote(change.parts),
        collateral: change.collateral === null ? null : { ...pki.collateral, ...change.collateral },
        at: AT,
        policy: { ...DEFAULT_TDX_POLICY, ...change.policy },
        crypto: nodeCrypto,
        rootSha256: [pki.rootSha256],
        allowSimulated: true,
        ...change.input,
      }),
  }
}

/** `ok`, or the failed checks with their codes. */
export function failed({ checks }: { readonly checks: readonly Check[] }): string {
  const found = checks.filter(({ status }) => status === 'fail')
  return found.length === 0 ? 'ok' : found.map(({ id, code }) => `${id} ${code}`).join(', ')
}

/** Changes a signed JSON text as its signer would. */
export function edit(
  change: (document: Record<string, unknown>) => void,
): (text: string) => string {
  return (text) => {
    const document = JSON.parse(text) as Record<string, unknown>
    change(document)
    return JSON.stringify(document)
  }
}

/** Another certificate under the simulated root. */
export function issueUnder(
  pki: IntelPki,
  { noCa = false, ...change }: Partial<CertificateTemplate> & { readonly noCa?: boolean },
): { der: Uint8Array; key: KeyObject } {
  const { publicKey, privateKey } = keyPair()
  const der = buildCertificate({
    subject: { commonName: 'x' },
    issuer: pki.issuers.root.name,
    serial: Uint8Array.of(9),
    notBefore: new Date((AT - DAY) * 1000),
    notAfter: new Date((AT + DAY) * 1000),
    publicKey,
    issuerKey: pki.issuers.root.key,
    ...(noCa ? {} : { ca: { pathLength: 0 } }),
    keyUsage: ['keyCertSign', 'crlSign'],
    ...change,
  })
  return { der, key: privateKey }
}
