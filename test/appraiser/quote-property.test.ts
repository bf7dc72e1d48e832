import fc from 'fast-check'
import forge from 'node-forge'
import { describe, expect, test } from 'vitest'
import { parseQeIdentity } from '../../attestation/appraiser/quote/parse-qe-identity.ts'
import { parseQuote } from '../../attestation/appraiser/quote/parse-quote.ts'
import { parseTcbInfo } from '../../attestation/appraiser/quote/parse-tcb-info.ts'
import { mergeStatuses, TCB_STATUSES } from '../../attestation/appraiser/quote/tcb-status.ts'
import { oidOf, readDer } from '../../attestation/appraiser/x509/der.ts'
import { parseCrl } from '../../attestation/appraiser/x509/parse-crl.ts'
import { parseCollateral, readCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { fromHex, toHex } from '../../attestation/protocol/hex.ts'
import { failed, makeIntelWorld } from './collateral.helpers.ts'
import { hex } from './x509.helpers.ts'

const world = makeIntelWorld()
const { collateral } = world.pki
const bytes = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: max })

/** A good input of which one stretch was replaced by other bytes, more or fewer. */
function spliced(good: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.nat(good.length), fc.nat(40), bytes(40))
    .map(([at, cut, put]) =>
      Uint8Array.of(...good.subarray(0, at), ...put, ...good.subarray(at + cut)),
    )
}

/** A good document in which one value, at any depth, is another. */
function rewritten(text: string): fc.Arbitrary<string> {
  const paths: (string | number)[][] = []
  const walk = (value: unknown, path: (string | number)[]): void => {
    paths.push(path)
    if (typeof value !== 'object' || value === null) return
    for (const [name, member] of Object.entries(value)) walk(member, [...path, name])
  }
  walk(JSON.parse(text), [])
  const put = (value: unknown, [name, ...rest]: (string | number)[], other: unknown): unknown => {
    if (name === undefined) return other
    const copy = structuredClone(value) as Record<string, unknown>
    copy[name] = put(copy[name], rest, other)
    return copy
  }
  return fc
    .tuple(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 2 }))
    .map(([path, other]) => JSON.stringify(put(JSON.parse(text), path, other)) ?? 'null')
}

describe('parsers of what a stranger hands in', () => {
  test('a quote is read whole or not at all', () => {
    const good = world.quote({ version: 5, body: 'td15' })
    fc.assert(
      fc.property(fc.oneof(bytes(2000), spliced(good), spliced(world.quote())), (input) => {
        const parsed = parseQuote(input)
        if (!parsed.ok) return
        const { quote } = parsed
        // What was read, put together again, is what was there: nothing was skipped.
        const auth = Buffer.concat([
          ...[quote.signature, quote.attestationKey, hex('0600')],
          Buffer.alloc(4),
          ...[quote.qeReport, quote.qeReportSignature],
          Uint8Array.of(quote.qeAuth.length & 0xff, quote.qeAuth.length >> 8),
          ...[quote.qeAuth, hex('0500'), Buffer.alloc(4), Buffer.from(quote.pemChain)],
        ])
        const end = quote.signedBytes.length + 4 + auth.length
        auth.writeUInt32LE(auth.length - 134, 130)
        auth.writeUInt32LE(
          Buffer.byteLength(quote.pemChain),
          auth.length - 4 - Buffer.byteLength(quote.pemChain),
        )
        expect(toHex(input.subarray(0, quote.signedBytes.length))).toBe(toHex(quote.signedBytes))
        expect(toHex(input.subarray(quote.signedBytes.length + 4, end))).toBe(toHex(auth))
        expect(input.subarray(end).every((byte) => byte === 0)).toBe(true)
      }),
      { numRuns: 600 },
    )
  })

  test('a changed quote is never accepted, and never an exception', () => {
    const good = world.quote()
    fc.assert(
      fc.property(spliced(good), (quote) => {
        if (toHex(quote) !== toHex(good) && toHex(quote).replace(/(?:00)+$/, '') !== toHex(good)) {
          expect(failed(world.appraise({ quote }))).not.toBe('ok')
        }
      }),
      { numRuns: 300 },
    )
  })

  test('a revocation list is read or refused, whatever the bytes', () => {
    const good = hex(collateral.pck_crl)
    fc.assert(
      fc.property(fc.oneof(bytes(500), spliced(good)), (input) => {
        const parsed = parseCrl(input)
        if (!parsed.ok) expect(parsed.detail).not.toBe('')
      }),
      { numRuns: 1000 },
    )
  })

  test('signed documents are read or refused, whatever stands in them', () => {
    fc.assert(
      fc.property(rewritten(collateral.tcb_info), rewritten(collateral.qe_identity), (tcb, qe) => {
        for (const parsed of [parseTcbInfo(tcb), parseQeIdentity(qe)]) {
          if (!parsed.ok) expect(['malformed', 'unsupported']).toContain(parsed.kind)
        }
      }),
      { numRuns: 1000 },
    )
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseTcbInfo(text).ok).toBe(false)
        expect(parseQeIdentity(text).ok).toBe(false)
      }),
    )
  })

  test('collateral is read or refused, whatever the JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), rewritten(JSON.stringify(collateral)), (value, text) => {
        expect(readCollateral(value).ok).toBe(false)
        const parsed = parseCollateral(Buffer.from(text))
        if (parsed.ok) {
          const again = parseCollateral(Buffer.from(JSON.stringify(parsed.collateral)))
          expect(again).toEqual(parsed)
        }
      }),
    )
    expect(parseCollateral(new Uint8Array(3 * 1024 * 1024)).ok).toBe(false)
    // The member that others prefer to the chain in the quote is allowed to be there, and not read.
    const more = { ...collateral, pck_certificate_chain: 'x' }
    expect(readCollateral(more)).toEqual(readCollateral(collateral))
    expect(readCollateral({ ...collateral, more: 1 }).ok).toBe(false)
  })
})

describe('small parts', () => {
  test('hex has one spelling', () => {
    fc.assert(
      fc.property(bytes(64), (data) => {
        expect(toHex(data)).toBe(Buffer.from(data).toString('hex'))
        expect(toHex(fromHex(toHex(data)) ?? Uint8Array.of(1))).toBe(toHex(data))
      }),
    )
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(fromHex(text) !== null).toBe(/^(?:[0-9a-f]{2})*$/.test(text))
      }),
    )
  })

  test('object identifiers read as node-forge and, where they are too large for it, as arithmetic says', () => {
    const arcs = fc.array(fc.nat(), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(fc.nat(1), fc.nat(39), arcs, (first, second, rest) => {
        const dotted = [first, second, ...rest].join('.')
        const content = Buffer.from(forge.asn1.oidToDer(dotted).getBytes(), 'latin1')
        const parsed = readDer(Uint8Array.of(6, content.length, ...content), 200)
        expect(parsed.ok && oidOf(parsed.node)).toBe(dotted)
      }),
    )
    // 2.25.(2^64): ten digits of seven bits.
    const large = hex('060b6982808080808080808000')
    const parsed = readDer(large, 200)
    expect(parsed.ok && oidOf(parsed.node)).toBe(`2.25.${2n ** 64n}`)
  })

  test('the order in which statuses are merged makes no difference', () => {
    const status = fc.constantFrom(...TCB_STATUSES)
    fc.assert(
      fc.property(status, status, status, (a, b, c) => {
        expect(mergeStatuses([a, b])).toBe(mergeStatuses([b, a]))
        expect(mergeStatuses([a, mergeStatuses([b, c])])).toBe(mergeStatuses([a, b, c]))
        expect(mergeStatuses([a, a])).toBe(a)
      }),
    )
  })
})
