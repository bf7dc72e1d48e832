import { Quote as OracleQuote } from '@phala/dcap-qvl'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_QUOTE_BYTES, parseQuote } from '../../attestation/appraiser/quote/parse-quote.ts'
import type { Quote } from '../../attestation/appraiser/quote/parse-quote.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { forgeQuote, makePlatform } from './quote.helpers.ts'
import { fixtureBytes, haveFixtures } from './x509.helpers.ts'

function parsed(bytes: Uint8Array): Quote {
  const result = parseQuote(bytes)
  if (!result.ok) throw new Error(`${result.code}: ${result.detail}`)
  return result.quote
}

function code(bytes: Uint8Array): string {
  const result = parseQuote(bytes)
  return result.ok ? 'ok' : result.code
}

function withBytes(bytes: Uint8Array, offset: number, ...values: number[]): Uint8Array {
  const out = new Uint8Array(bytes)
  out.set(values, offset)
  return out
}

const platform = makePlatform()
const v4 = forgeQuote({ platform })
const v5 = forgeQuote({ platform, version: 5, body: 'td15' })
/** Offsets in a version 4 quote: signature data, its certification data type, the inner type after 32 bytes of QE data. */
const AUTH = 636
const OUTER_TYPE = AUTH + 128
const QE_AUTH_LENGTH = OUTER_TYPE + 6 + 384 + 64
const INNER_TYPE = QE_AUTH_LENGTH + 2 + 32

/** A version 5 quote with 237 bytes more behind its TD 1.5 body, as body type 4 has them. */
function extended(): Uint8Array {
  const bodyEnd = 48 + 6 + 648
  const more = new Uint8Array(885 - 648).fill(1)
  const out = Buffer.concat([v5.subarray(0, bodyEnd), more, v5.subarray(bodyEnd)])
  return withBytes(out, 48, 4, 0, 885 & 0xff, 885 >> 8, 0, 0)
}

describe('quote layout', () => {
  test('reads versions 4 and 5 with bodies of TDX 1.0 and 1.5', () => {
    expect(parsed(v4)).toMatchObject({
      version: 4,
      bodyType: 'td10',
      mrServiceTd: null,
      teeTcbSvn2: null,
    })
    expect(parsed(forgeQuote({ platform, version: 5 }))).toMatchObject({
      version: 5,
      bodyType: 'td10',
    })
    const service = new Uint8Array(48).fill(7)
    const quote = parsed(forgeQuote({ platform, version: 5, body: 'td15', put: { 600: service } }))
    expect(quote).toMatchObject({ version: 5, bodyType: 'td15', mrServiceTd: service })
    expect(quote.signedBytes.length).toBe(48 + 6 + 648)
  })

  test('QE authentication data may have any length', () => {
    for (const length of [0, 1, 32, 1000]) {
      const quote = parsed(forgeQuote({ platform, qeAuth: new Uint8Array(length).fill(3) }))
      expect(quote.qeAuth).toEqual(new Uint8Array(length).fill(3))
    }
  })

  test.each([
    ['version 4', v4],
    ['version 5', v5],
  ])('every truncation of %s is malformed', (_, quote) => {
    for (let length = 0; length < quote.length; length++) {
      expect(code(quote.subarray(0, length)), `${length} bytes`).toBe('quote_malformed')
    }
  })

  test('tolerates zero padding and nothing else after the end', () => {
    expect(code(Uint8Array.of(...v4, ...new Uint8Array(700)))).toBe('ok')
    expect(code(Uint8Array.of(...v4, 1))).toBe('quote_malformed')
    expect(code(Uint8Array.of(...v4, 0, 0, 1))).toBe('quote_malformed')
    expect(code(Uint8Array.of(...v4, ...v4))).toBe('quote_malformed')
    expect(code(new Uint8Array(MAX_QUOTE_BYTES + 1))).toBe('quote_malformed')
  })

  test.each([
    ['version 3', withBytes(v4, 0, 3)],
    ['version 6', withBytes(v4, 0, 6)],
    ['version 260, whose low byte is 4', withBytes(v4, 1, 1)],
    ['a P-384 attestation key', withBytes(v4, 2, 3)],
    ['an SGX quote', withBytes(v4, 4, 0)],
    ['another vendor', withBytes(v4, 12, 0)],
    ['an SGX body in version 5', withBytes(v5, 48, 1)],
    ['an unknown body type', withBytes(v5, 48, 5)],
    ['the extended body of TD 1.5', extended()],
    ['an extended body of the size of a TD 1.5 body', withBytes(v5, 48, 4)],
    ['an ML-DSA attestation key over an extended body', withBytes(extended(), 2, 5)],
    ['a PCK chain straight in the outer certification data', withBytes(v4, OUTER_TYPE, 5)],
    ['an encrypted PPID instead of a PCK chain', withBytes(v4, INNER_TYPE, 3)],
  ])('does not judge %s', (_, quote) => {
    expect(code(quote)).toBe('quote_unsupported')
  })

  test.each([
    ['a TD 1.0 body that claims the size of TD 1.5', withBytes(v5, 48, 2)],
    ['a body size one too large', withBytes(v5, 50, 0x89)],
    ['certification data shorter than the rest', withBytes(v4, OUTER_TYPE + 2, 0, 1)],
    ['QE authentication data beyond the end', withBytes(v4, QE_AUTH_LENGTH, 0xff, 0xff)],
    ['a certificate chain shorter than the rest', withBytes(v4, INNER_TYPE + 2, 1, 0)],
    ['a certificate chain that is not text', withBytes(v4, INNER_TYPE + 6, 0xff)],
    ['signature data of zero bytes', withBytes(v4, 632, 0, 0, 0, 0)],
    ['signature data of 4 GiB', withBytes(v4, 632, 0xff, 0xff, 0xff, 0xff)],
  ])('refuses %s', (_, quote) => {
    expect(code(quote)).toBe('quote_malformed')
  })

  test('does not alias the input', () => {
    const input = new Uint8Array(v4)
    const quote = parsed(input)
    input.fill(0)
    expect(quote.signedBytes).toEqual(v4.subarray(0, 632))
  })

  test('random bytes and random edits never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1500 }), (bytes) => {
        expect(['quote_malformed', 'quote_unsupported']).toContain(code(bytes))
      }),
    )
    fc.assert(
      fc.property(fc.nat(v5.length - 1), fc.uint8Array({ maxLength: 8 }), (offset, bytes) => {
        const edited = withBytes(v5, offset, ...bytes.subarray(0, v5.length - offset))
        expect(['ok', 'quote_malformed', 'quote_unsupported']).toContain(code(edited))
      }),
      { numRuns: 2000 },
    )
  })
})

describe.runIf(haveFixtures('tdx'))('recorded quotes', () => {
  const names = ['v4-td10', 'v5-td15', 'v5-td15-outdated']

  test.each(names)('%s reads as dcap-qvl reads it', (name) => {
    const bytes = fixtureBytes(`tdx/${name}.quote.bin`)
    const quote = parsed(bytes)
    const oracle = OracleQuote.parse(bytes)
    const report = oracle.report.asTd10() ?? oracle.report.asTd15()?.base
    const fields: Record<string, unknown> = { ...report }
    const read = (name: string): string => {
      const value = fields[name]
      return value instanceof Uint8Array ? toHex(value) : 'absent'
    }
    const expected = {
      teeTcbSvn: quote.teeTcbSvn,
      mrSeam: quote.mrSeam,
      mrSignerSeam: quote.mrSignerSeam,
      seamAttributes: quote.seamAttributes,
      tdAttributes: quote.tdAttributes,
      xfam: quote.xfam,
      mrTd: quote.mrtd,
      mrConfigId: quote.mrConfigId,
      mrOwner: quote.mrOwner,
      mrOwnerConfig: quote.mrOwnerConfig,
      rtMr0: quote.rtmrs[0],
      rtMr1: quote.rtmrs[1],
      rtMr2: quote.rtmrs[2],
      rtMr3: quote.rtmrs[3],
      reportData: quote.reportData,
    }
    for (const [name, bytesRead] of Object.entries(expected)) {
      expect([name, toHex(bytesRead)]).toEqual([name, read(name)])
    }
    expect([quote.qeSvn, quote.pceSvn]).toEqual([oracle.header.qeSvn, oracle.header.pceSvn])
    expect(toHex(quote.userData)).toBe(toHex(oracle.header.userData))
  })

  test.each(names)('every truncation of %s before its padding is malformed', (name) => {
    const bytes = fixtureBytes(`tdx/${name}.quote.bin`)
    const end = bytes.findLastIndex((byte) => byte !== 0) + 1
    for (let length = 0; length < end; length++) {
      expect(code(bytes.subarray(0, length)), `${length} bytes`).toBe('quote_malformed')
    }
    expect(code(bytes)).toBe('ok')
  })

  test('the padding of 5,006-byte quotes may hold nothing', () => {
    const bytes = fixtureBytes('tdx/v4-td10.quote.bin')
    expect(code(withBytes(bytes, bytes.length - 1, 1))).toBe('quote_malformed')
  })
})
