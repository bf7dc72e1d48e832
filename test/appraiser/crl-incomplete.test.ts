/** Lists that do not speak of all certificates of their issuer, and do not say so as they must. */
import { describe, expect, test } from 'vitest'
import { parseCrl } from '../../attestation/appraiser/x509/parse-crl.ts'
import {
  octetString,
  oid,
  sequence,
  smallInteger,
  tagged,
  time,
  unsigned,
} from '../../attestation/x509/der.ts'
import { distinguishedName, signatureAlgorithm, signDer } from '../../attestation/x509/sign-der.ts'
import { AT, hex, keyPair } from './x509.helpers.ts'

const { privateKey } = keyPair()
const extension = (id: string, content: string) => sequence(oid(id), octetString(hex(content)))
const NUMBER = extension('2.5.29.20', '020101')

type Node = ReturnType<typeof sequence>

function read(ofList: readonly Node[], ofEntry: readonly Node[] = []): boolean {
  const inEntry = ofEntry.length === 0 ? [] : [sequence(...ofEntry)]
  const tbs = sequence(
    smallInteger(1),
    signatureAlgorithm(privateKey),
    distinguishedName({ commonName: 'x' }),
    time(new Date((AT - 60) * 1000)),
    time(new Date((AT + 60) * 1000)),
    sequence(sequence(unsigned(Uint8Array.of(7)), time(new Date(AT * 1000)), ...inEntry)),
    tagged(0, sequence(NUMBER, ...ofList)),
  )
  return parseCrl(signDer(tbs, privateKey)).ok
}

describe('a revocation list', () => {
  test('with extensions that change nothing is read', () => {
    expect(read([])).toBe(true)
    // Where a delta could be had (§5.2.6), and why a certificate was revoked (§5.3.1).
    expect(read([extension('2.5.29.46', '3000')])).toBe(true)
    expect(read([], [extension('2.5.29.21', '0a0101')])).toBe(true)
  })

  test('that hides in a non-critical extension that it is partial, a delta or indirect is refused', () => {
    expect(read([extension('2.5.29.28', '30038201ff')])).toBe(false)
    expect(read([extension('2.5.29.27', '020101')])).toBe(false)
    expect(read([], [extension('2.5.29.29', '3000')])).toBe(false)
  })
})
