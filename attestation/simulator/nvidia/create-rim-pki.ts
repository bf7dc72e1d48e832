/**
 * A mock of the PKI under which NVIDIA signs RIM files: root, CA of the product, a third level, and a signer that lives for
 * two years. All P-384 with SHA-384; the root carries the critical mark of the simulator.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { systemEntropy } from '../entropy.ts'
import type { Entropy } from '../entropy.ts'
import { oid, sequence, taggedBytes, toDer } from '../../x509/der.ts'
import type { CertificateExtension } from '../../x509/build-certificate.ts'
import { issueCertificate } from '../x509/issue-certificate.ts'
import type { IssuedCertificate, IssueRequest } from '../x509/issue-certificate.ts'
import { simulationExtension } from '../x509/simulation-extension.ts'

export interface RimPki {
  readonly root: IssuedCertificate
  /** SHA-256 of the root: what a verifier must be given beside `allowSimulated`. */
  readonly rootSha256: Uint8Array
  readonly ca: IssuedCertificate
  readonly l3: IssuedCertificate
  readonly signer: IssuedCertificate
  /** DER, signer first, root last. */
  readonly chain: readonly Uint8Array[]
}

export interface RimPkiOptions {
  /** Certificates are valid from a day before. */
  readonly now: Date
  readonly entropy?: Entropy
}

const DAY_MS = 86_400_000
const ORGANIZATION = 'SIMULATED - NOT NVIDIA'
/** Days from `now` on; the shape of the real ones, each outlived by its issuer. */
const DAYS = { root: 10_950, ca: 3_650, l3: 1_277, signer: 729 } as const
const OCSP_URL = 'http://ocsp.simulated.invalid'

/** Authority information access (RFC 5280 §4.2.2.1) with an OCSP address that leads nowhere. */
function ocspAddress(): CertificateExtension {
  const uri = taggedBytes(6, Buffer.from(OCSP_URL, 'ascii'))
  const value = toDer(sequence(sequence(oid('1.3.6.1.5.5.7.48.1'), uri)))
  return { oid: '1.3.6.1.5.5.7.1.1', critical: false, value }
}

export function createRimPki({ now, entropy = systemEntropy }: RimPkiOptions): RimPki {
  const issue = (
    level: keyof typeof DAYS,
    commonName: string,
    issuer: IssuedCertificate | null,
    template: Pick<IssueRequest, 'ca' | 'keyUsage'>,
  ): IssuedCertificate =>
    issueCertificate({
      ...template,
      name: { commonName, organization: ORGANIZATION, country: 'US' },
      issuer,
      entropy,
      notBefore: new Date(now.getTime() - DAY_MS),
      notAfter: new Date(now.getTime() + DAYS[level] * DAY_MS),
      extensions: [issuer === null ? simulationExtension() : ocspAddress()],
    })
  const authority = ['keyCertSign', 'crlSign'] as const
  const root = issue('root', 'SIMULATED CoRIM signing Root CA', null, {
    ca: { pathLength: null },
    keyUsage: authority,
  })
  const ca = issue('ca', 'SIMULATED Reference Value GH100 CA', root, {
    ca: { pathLength: null },
    keyUsage: authority,
  })
  const l3 = issue('l3', 'SIMULATED Reference Value L3 GH100 002', ca, {
    ca: { pathLength: 0 },
    keyUsage: authority,
  })
  const signer = issue('signer', 'SIMULATED HCC RIM L4 Signer', l3, {
    keyUsage: ['digitalSignature'],
  })
  return {
    root,
    rootSha256: Uint8Array.from(createHash('sha256').update(root.der).digest()),
    ca,
    l3,
    signer,
    chain: [signer, l3, ca, root].map(({ der }) => der),
  }
}
