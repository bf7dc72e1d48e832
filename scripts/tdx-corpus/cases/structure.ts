/**
 * Quotes that do not follow their layout, and kinds of quote that are not judged. Offsets: Intel TDX DCAP Quoting Library API,
 * appendix A.
 *
 * @module
 */
import { toHex } from '../collateral.ts'
import { bytes, flipped, join, layoutOf, makeQuote, patched, QE_AUTH, u16, u32 } from '../quote.ts'
import type { QuoteLayout, QuoteParts } from '../quote.ts'
import { malformed, unsupported } from '../vector.ts'
import type { Vector } from '../vector.ts'

const V4 = makeQuote()
const V4_LAYOUT = layoutOf(V4)
const V5_PARTS: QuoteParts = { version: 5, body: 'td15' }
const V5 = makeQuote(V5_PARTS)
const V5_LAYOUT = layoutOf(V5, V5_PARTS)

/** Cut at every boundary of the layout and one byte before it. */
function truncations(
  name: string,
  quote: Uint8Array,
  boundaries: Partial<QuoteLayout> & { readonly 'header-end': number },
): Vector[] {
  return Object.entries(boundaries).flatMap(([part, offset]) => {
    const label = part.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    const cut = (id: string, length: number, title: string): Vector =>
      malformed(`quote-${name}-cut-${id}`, 'quote_malformed', title, {
        quote: quote.slice(0, length),
      })
    const before = cut(`before-${label}`, offset - 1, `cut one byte before the boundary ${part}`)
    // At its end nothing is cut off, and version 4 has header end and body start in one place.
    if (part === 'end' || (part === 'body' && offset === 48)) return part === 'end' ? [before] : []
    return [before, cut(`at-${label}`, offset, `cut at the boundary ${part}`)]
  })
}

const HUGE_32 = 0xffffffff

/** Each length field off by one, zero and huge; everything else as it was. */
function lengths(): Vector[] {
  const field = (
    name: string,
    quote: Uint8Array,
    offset: number,
    size: 2 | 4,
    codes: readonly [string, number, 'malformed' | 'unsupported'][],
  ): Vector[] =>
    codes.map(([how, value, verdict]) => {
      const evidence = {
        quote: patched(quote, offset, size === 2 ? u16(value) : u32(value)),
      }
      const id = `quote-length-${name}-${how}`
      const title = `the length of ${name} is ${how.replaceAll('-', ' ')}`
      return verdict === 'malformed'
        ? malformed(id, 'quote_malformed', title, evidence)
        : unsupported(id, 'quote_unsupported', title, evidence)
    })
  const four = (name: string, quote: Uint8Array, offset: number, length: number): Vector[] =>
    field(name, quote, offset, 4, [
      ['one-more', length + 1, 'malformed'],
      ['one-less', length - 1, 'malformed'],
      ['zero', 0, 'malformed'],
      ['huge', HUGE_32, 'malformed'],
    ])
  const { authLength, signature, outerSize, qeReport, qeAuthLength, innerSize, pem, end } =
    V4_LAYOUT
  return [
    ...four('signature-data', V4, authLength, end - signature),
    ...four('certification-data', V4, outerSize, end - qeReport),
    ...four('pck-chain', V4, innerSize, end - pem),
    ...four('v5-body', V5, 50, 648),
    // The type behind the authentication data is then read from bytes that are none: not 5, so an unknown kind.
    ...field('qe-auth', V4, qeAuthLength, 2, [
      ['one-more', QE_AUTH.length + 1, 'unsupported'],
      ['one-less', QE_AUTH.length - 1, 'unsupported'],
      ['zero', 0, 'unsupported'],
      ['huge', 0xffff, 'malformed'],
    ]),
  ]
}

/** One byte inserted or dropped, with all lengths around it put right: the parts no longer fit. */
function resized(): Vector[] {
  const { authLength, signature, outerSize, pem, end } = V4_LAYOUT
  const more = join(V4, Uint8Array.of(0x0a))
  const padded = patched(more, authLength, u32(end - signature + 1))
  return [
    malformed(
      'quote-signature-data-longer-than-its-parts',
      'quote_malformed',
      'one byte stands inside the signature data and inside none of its parts',
      { quote: padded },
    ),
    malformed(
      'quote-certification-data-longer-than-its-parts',
      'quote_malformed',
      'one byte stands inside the certification data and outside the PCK chain',
      { quote: patched(padded, outerSize, u32(end - V4_LAYOUT.qeReport + 1)) },
    ),
    malformed(
      'quote-signature-data-of-a-signature-alone',
      'quote_malformed',
      'the signature data ends behind the signature, and so does the quote',
      { quote: patched(V4.slice(0, signature + 64), authLength, u32(64)) },
    ),
    malformed('quote-pck-chain-not-text', 'quote_malformed', 'the PCK chain is not UTF-8', {
      quote: patched(V4, pem + 40, bytes('ff')),
    }),
  ]
}

function behindTheEnd(): Vector[] {
  const cases: readonly (readonly [string, string, Uint8Array])[] = [
    ['junk-one-byte', 'one byte follows the quote', join(V4, Uint8Array.of(1))],
    ['junk-text', 'text follows the quote', join(V4, new Uint8Array(Buffer.from('{"tcb":1}')))],
    ['junk-second-quote', 'a second quote follows the first', join(V4, V4)],
    ['junk-behind-padding', 'zero padding, then a byte', join(V4, bytes('0000000000000001'))],
    ['padding-over-limit', 'zero padding up to 32 KiB and one byte', padTo(V4, 32 * 1024 + 1)],
  ]
  return cases.map(([id, title, quote]) =>
    malformed(`quote-${id}`, 'quote_malformed', title, { quote }),
  )
}

function padTo(quote: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length)
  out.set(quote)
  return out
}

function kinds(): Vector[] {
  const kind = (id: string, title: string, quote: Uint8Array): Vector =>
    unsupported(`quote-${id}`, 'quote_unsupported', title, { quote })
  const header = (offset: number, value: Uint8Array): Uint8Array =>
    makeQuote({ putHeader: { [offset]: value } })
  return [
    ...[0, 1, 2, 3, 6, 0xffff].map((version) =>
      kind(`version-${version}`, `a quote of version ${version}`, header(0, u16(version))),
    ),
    ...[0, 1, 3, 0xffff].map((type) =>
      kind(`key-type-${type}`, `an attestation key of type ${type}`, header(2, u16(type))),
    ),
    ...[0, 1, 0x80, 0x82, HUGE_32].map((type) =>
      kind(`tee-type-${type}`, `TEE type ${type}`, header(4, u32(type))),
    ),
    kind('vendor-other', 'a quoting enclave of another vendor', flipped(makeQuote(), 12)),
    kind('vendor-zero', 'a quoting enclave without vendor', header(12, new Uint8Array(16))),
    ...[1, 2, 3, 4, 5, 7].map((outerType) =>
      kind(
        `certification-type-${outerType}`,
        `certification data of type ${outerType} where type 6 stands`,
        makeQuote({ outerType }),
      ),
    ),
    ...[1, 2, 3, 4, 6, 7].map((innerType) =>
      kind(
        `inner-certification-type-${innerType}`,
        `certification data of type ${innerType} inside type 6, where type 5 stands`,
        makeQuote({ innerType }),
      ),
    ),
    ...[0, 1, 4, 0xffff].map((bodyType) =>
      kind(
        `v5-body-type-${bodyType}`,
        `version 5 with a body of type ${bodyType}`,
        makeQuote({ ...V5_PARTS, bodyType }),
      ),
    ),
  ]
}

function mixedLayouts(): Vector[] {
  return [
    malformed('quote-v5-td10-with-size-of-td15', 'quote_malformed', 'body type 2 of 648 bytes', {
      quote: { ...V5_PARTS, bodyType: 2 },
    }),
    malformed('quote-v5-td15-with-size-of-td10', 'quote_malformed', 'body type 3 of 584 bytes', {
      quote: { version: 5, body: 'td10', bodyType: 3 },
    }),
    malformed('quote-v5-called-v4', 'quote_malformed', 'a version 5 quote that says version 4', {
      quote: patched(V5, 0, u16(4)),
    }),
    // The module's SVN 11 and version 1 stand where version 5 has its body type: 0x010b is none.
    unsupported(
      'quote-v4-called-v5',
      'quote_unsupported',
      'a version 4 quote that says version 5',
      {
        quote: patched(V4, 0, u16(5)),
      },
    ),
  ]
}

/** What cannot be read as an input of the command at all. */
function inputs(): Vector[] {
  const hex = toHex(V4)
  const input = (id: string, title: string, raw: object): Vector =>
    malformed(`input-${id}`, 'report_malformed', title, { raw })
  const quote = (id: string, title: string, text: string): Vector =>
    malformed(`quote-${id}`, 'quote_malformed', title, { raw: { quote: text } })
  return [
    quote('empty', 'no byte at all', ''),
    quote('upper-case-hex', 'upper-case hex', hex.toUpperCase()),
    quote('odd-hex', 'half a byte too many', `${hex}0`),
    quote('prefixed-hex', 'hex that starts with 0x', `0x${hex}`),
    input('quote-absent', 'null in place of the quote', { quote: null }),
    input('time-absent', 'null in place of the time', { at: null }),
    input('time-fraction', 'a time between two seconds', { at: 1_793_491_200.5 }),
    input('time-negative', 'a time before 1970', { at: -1 }),
    input('unknown-member', 'a member that the format does not have', { pccs_url: 'https://x' }),
    input('policy-unknown-member', 'a policy member that does not exist', {
      policy: { tdx: { accept: true } },
    }),
    input('policy-accepts-revoked', 'a policy that accepts the status Revoked', {
      policy: { tdx: { acceptedStatuses: ['UpToDate', 'Revoked'] } },
    }),
    input('policy-debug-by-attributes', 'a policy that allows the debug bit beside allowDebug', {
      policy: { tdx: { tdAttributesAllowed: '0100000000000000' } },
    }),
  ]
}

export function structureCases(): Vector[] {
  const { body, authLength, signature, end } = V5_LAYOUT
  return [
    ...truncations('v4', V4, { 'header-end': 48, ...V4_LAYOUT }),
    // Behind its body version 5 has the layout of version 4.
    ...truncations('v5', V5, { 'header-end': 48, body, authLength, signature, end }),
    ...lengths(),
    ...resized(),
    ...behindTheEnd(),
    ...kinds(),
    ...mixedLayouts(),
    ...inputs(),
  ]
}
