/** A mirror that answers with the genuine PCK CRL of the wrong authority: Intel's two stand under one root. */
import { afterEach, expect, test } from 'vitest'
import { parsePemChain } from '../../attestation/appraiser/x509/parse-pem-chain.ts'
import { nameAuthority } from '../../attestation/collateral/name-authority.ts'
import { readPlatform } from '../../attestation/collateral/read-platform.ts'
import { createStapler } from '../../attestation/collateral/staple/create-stapler.ts'
import type { Stapler } from '../../attestation/collateral/staple/create-stapler.ts'
import { vetDcap } from '../../attestation/collateral/staple/vet-dcap.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { systemEntropy } from '../../attestation/simulator/entropy.ts'
import { buildRevocationList } from '../../attestation/simulator/x509/build-revocation-list.ts'
import { issueCertificate } from '../../attestation/simulator/x509/issue-certificate.ts'
import { toPem } from '../../attestation/x509/build-certificate.ts'

const NOW = Math.floor(Date.UTC(2026, 10, 26) / 1000)
const DAY_S = 86_400
const now = new Date(NOW * 1000)
const { pki, quote } = createSimulatedGuest({ composeText: '{}', now })
const right = pki.collateral
const shown = { quote: quote(new Uint8Array(64)), gpu: null }
const roots = { sgx: [pki.rootSha256], nvidia: [], rim: [], allowSimulated: true }
const retry = { fetchMs: 100, firstRetryMs: 5, maxRetryMs: 5, minRefreshMs: 5, maxRefreshMs: 5 }

const open: Stapler[] = []
afterEach(() => {
  for (const stapler of open.splice(0)) stapler.close()
})

/** The true set, but for a genuine and newer list of another authority under the same root. */
function swapped(commonName: string): DcapCollateral {
  const { root } = pki.issuers
  const authority = issueCertificate({
    name: { commonName, organization: 'Countersign Simulation' },
    issuer: root,
    entropy: systemEntropy,
    notBefore: now,
    notAfter: new Date((NOW + 400 * DAY_S) * 1000),
    ca: { pathLength: 0 },
    keyUsage: ['keyCertSign', 'crlSign'],
  })
  const list = buildRevocationList({
    issuer: authority.name,
    issuerKey: authority.key,
    thisUpdate: new Date((NOW + 60) * 1000),
    nextUpdate: new Date((NOW + 30 * DAY_S) * 1000),
    revoked: [],
  })
  return {
    ...right,
    pck_crl_issuer_chain: toPem(authority.der) + toPem(root.der),
    pck_crl: Buffer.from(list).toString('hex'),
  }
}

test.each([
  ['of another authority', 'Simulated SGX PCK Processor CA'],
  ['of another key of the same name', 'Simulated SGX PCK Platform CA'],
])(
  'a genuine PCK CRL %s under the same root is refused, and the right one is served when the mirror is honest again',
  async (_, name) => {
    const lie = swapped(name)
    let given = lie
    const stapler = createStapler({
      source: {
        dcap: () => Promise.resolve(given),
        gpu: () => Promise.reject(new Error('there are none')),
      },
      roots,
      now: () => NOW,
      timing: retry,
    })
    open.push(stapler)
    const served = () => stapler.entries().map(({ value }) => value)
    const refused = [{ code: 'staple_refused', detail: 'DCAP: crl_issuer_mismatch' }]
    stapler.observe(shown)
    await stapler.attempted
    expect(stapler.warnings()).toEqual(refused)
    expect(served()).toEqual([])
    given = right
    await expect.poll(() => stapler.warnings()).toEqual([])
    expect(served()).toEqual([right])
    given = lie
    await expect.poll(() => stapler.warnings()).toEqual(refused)
    expect(served()).toEqual([right])
  },
)

test('the list of one authority is not held against the older list of another', () => {
  const lie = swapped('Simulated SGX PCK Processor CA')
  const read = readPlatform(shown.quote)
  if (!read.ok) throw new Error(read.detail)
  const { fmspc } = read.platform
  const chain = parsePemChain(lie.pck_crl_issuer_chain, 2)
  const [authority] = chain.ok ? chain.certificates : []
  if (authority === undefined) throw new Error('no authority')
  // As a machine that the other authority certifies would hold it.
  const other = vetDcap(lie, { fmspc, pckIssuer: nameAuthority(authority) }, null, roots)
  if (!other.ok) throw new Error(other.warning.detail)
  const own = { fmspc, pckIssuer: read.pckIssuer }
  expect(vetDcap(right, own, other.held, roots).ok).toBe(true)
  expect(vetDcap(lie, own, null, roots).ok).toBe(false)
})
