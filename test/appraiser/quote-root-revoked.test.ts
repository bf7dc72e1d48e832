import { QuoteVerifier } from '@phala/dcap-qvl'
import { expect, test } from 'vitest'
import { buildRevocationList } from '../../attestation/simulator/x509/build-revocation-list.ts'
import { failed, makeIntelWorld } from './collateral.helpers.ts'
import { AT } from './x509.helpers.ts'

const world = makeIntelWorld()
const { root } = world.pki.issuers

function rootList(revoked: readonly Uint8Array[]): string {
  const list = buildRevocationList({
    issuer: root.name,
    issuerKey: root.key,
    thisUpdate: new Date((AT - 3600) * 1000),
    nextUpdate: new Date((AT + 3600) * 1000),
    revoked: revoked.map((serial) => ({ serial, at: new Date((AT - 3600) * 1000) })),
  })
  return Buffer.from(list).toString('hex')
}

function oracle(root_ca_crl: string): string {
  const collateral = { ...world.pki.collateral, root_ca_crl }
  const verifier = QuoteVerifier.newWithRootCa(Buffer.from(root.der))
  try {
    return verifier.verify(Buffer.from(world.quote()), collateral, AT).status
  } catch (error) {
    return error instanceof Error ? error.message : 'other'
  }
}

test('a list of the root that names the root itself is refused, as dcap-qvl does', () => {
  const [clean, self] = [rootList([]), rootList([root.serial])]
  expect(oracle(clean)).toBe('UpToDate')
  expect(oracle(self)).toBe('Certificate is revoked')
  expect(failed(world.appraise({ collateral: { root_ca_crl: clean } }))).toBe('ok')
  expect(failed(world.appraise({ collateral: { root_ca_crl: self } }))).toBe(
    'quote.crl pck_ca_revoked',
  )
})
