import { describe, expect, test } from 'vitest'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { byteStringHead } from '../../attestation/protocol/cbor.ts'
import { coseToBeSigned, MAX_COSE_RECEIPT_BYTES } from '../../attestation/protocol/cose-receipt.ts'
import type { ReceiptVerdict } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import type { Ed25519Signer } from '../../enclave/keys/ed25519-signer.ts'
import { failures, makeWorld, trust } from './document.helpers.ts'
import { check, issue, randomOpening } from './receipt.helpers.ts'

const world = makeWorld()
const trusted = await trust(world)
const issued = issue(world)
const { cose, coseView, opening } = issued

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const string = (content: Uint8Array): Buffer =>
  Buffer.concat([byteStringHead(content.length), content])

/** Takes a message apart at the places where its form is known. */
function partsOf(message: Uint8Array): { header: Buffer; payload: Buffer } {
  const all = Buffer.from(message)
  // d2 84, header (58 nn), a0, payload (59 nnnn), signature (58 40 and 64 bytes).
  const header = all.subarray(4, 4 + all.readUInt8(3))
  const payload = all.subarray(4 + header.length + 4, all.length - 66)
  expect(
    Buffer.concat([bytes('\xd2\x84'), string(header), bytes('\xa0'), string(payload)]),
  ).toEqual(all.subarray(0, all.length - 66))
  return { header, payload }
}

interface Forged {
  readonly header?: (header: Buffer) => Buffer
  readonly payload?: (payload: Buffer) => Buffer
  readonly signer?: Ed25519Signer
  readonly signed?: (header: Buffer, payload: Buffer) => Uint8Array
  readonly of?: Uint8Array
}

/** A message of other parts under a genuine signature, so that nothing but its form can be refused. */
function resign({ of = coseView, signer = world.keys.cose, ...edit }: Forged): Buffer {
  const parts = partsOf(of)
  const header = edit.header?.(parts.header) ?? parts.header
  const payload = edit.payload?.(parts.payload) ?? parts.payload
  const signature = signer.sign((edit.signed ?? coseToBeSigned)(header, payload))
  const tail = Buffer.from(signature)
  return Buffer.concat([
    bytes('\xd2\x84'),
    string(header),
    bytes('\xa0'),
    string(payload),
    string(tail),
  ])
}

function replace(from: string, to: string) {
  return (given: Buffer): Buffer => {
    const at = given.indexOf(bytes(from))
    if (at === -1) throw new Error(`no ${from}`)
    return Buffer.concat([given.subarray(0, at), bytes(to), given.subarray(at + from.length)])
  }
}

function wrap(given: Buffer, end: string): Buffer {
  return Buffer.concat([given, bytes(end)])
}

/** `bodies` (null in a view) and `record` change places. */
function withKeysTurned(given: Buffer): Buffer {
  const end = given.indexOf(bytes('krecord_hash'))
  const first = bytes('fbodies\xf6')
  const start = 1 + first.length
  return Buffer.concat([
    given.subarray(0, 1),
    given.subarray(start, end),
    first,
    given.subarray(end),
  ])
}

/** The record's map with one member less, and a head that says so. */
function withoutStatus(given: Buffer): Buffer {
  const at = given.indexOf(bytes('frecord')) + 'frecord'.length
  // b8 nn: a map of 24 to 255 members, or a0 + n below.
  const count = Buffer.from(given)
  const place = count.readUInt8(at) === 0xb8 ? at + 1 : at
  count.writeUInt8(count.readUInt8(place) - 1, place)
  return replace('fstatus\x18\xc8', '')(count)
}

function detached(message: Buffer): Buffer {
  const { header } = partsOf(message)
  const signature = message.subarray(message.length - 66)
  return Buffer.concat([bytes('\xd2\x84'), string(header), bytes('\xa0\xf6'), signature])
}

function shortened(message: Buffer): Buffer {
  const { header, payload } = partsOf(message)
  const signature = message.subarray(message.length - 64, message.length - 1)
  const parts = [string(header), bytes('\xa0'), string(payload), string(signature)]
  return Buffer.concat([bytes('\xd2\x84'), ...parts])
}

/** Each failed check as `id code`. */
const failed = ({ checks }: ReceiptVerdict): string[] =>
  Object.entries(failures(checks)).map(([id, code]) => `${id} ${code}`)

const judged = (message: Uint8Array) =>
  check(message, trusted, world, { opening, level: 'signer', expected: {} })

describe('a COSE receipt', () => {
  test('shows as much as the ACI receipt of the same answer, in either cryptography', () => {
    const text = check(issued.full, trusted, world, { opening, level: 'bytes' })
    const same = check(cose, trusted, world, { opening, level: 'bytes' })
    expect(same).toEqual(text)
    expect(same).toMatchObject({ accepted: true, level: 'bytes' })
    const crypto = nobleCrypto
    expect(check(cose, trusted, world, { opening, level: 'bytes', crypto })).toEqual(same)
  })

  test('as a view shows no body hash, and content with the opening', () => {
    const text = check(issued.view, trusted, world, { opening })
    expect(check(coseView, trusted, world, { opening })).toEqual(text)
    expect(text).toMatchObject({ accepted: true, level: 'content' })
    const hash = text.record?.bodies
    expect(Buffer.from(coseView).includes('returned')).toBe(false)
    expect(Buffer.from(coseView).includes(hash ?? '-')).toBe(true)
  })

  test('that is resealed unchanged by the helper of these tests verifies', () => {
    expect(resign({})).toEqual(Buffer.from(coseView))
    expect(judged(resign({ of: cose }))).toMatchObject({ accepted: true })
  })

  test('is refused with any one bit changed, and at any shorter length', () => {
    for (const message of [cose, coseView]) {
      for (let at = 0; at < message.length; at++) {
        const changed = Uint8Array.from(message)
        changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
        expect(judged(changed).accepted, `bit of byte ${at}`).toBe(false)
        expect(judged(message.subarray(0, at)).accepted, `${at} bytes`).toBe(false)
      }
    }
  })

  const forms: readonly (readonly [string, string, Forged])[] = [
    ['a longer head than it needs', 'a head longer', { payload: replace('\xa3', '\xb8\x03') }],
    [
      'a number in more bytes than it needs',
      'a head longer',
      { payload: replace('status\x18\xc8', 'status\x19\x00\xc8') },
    ],
    [
      'a map without a length',
      'an indefinite length',
      { payload: (given) => wrap(replace('\xa3', '\xbf')(given), '\xff') },
    ],
    [
      'a text in pieces',
      'an indefinite length',
      { payload: replace('fmethoddPOST', 'fmethod\x7fdPOST\xff') },
    ],
    ['a key twice', 'not in order', { payload: replace('frecord', 'fbodies') }],
    ['keys in another order', 'not in order', { payload: withKeysTurned }],
    ['a tag in front of a value', 'a tag', { payload: replace('fbodies\xf6', 'fbodies\xc0\xf6') }],
    [
      'a float in place of a whole number',
      'a float',
      { payload: replace('status\x18\xc8', 'status\xfaCH\x00\x00') },
    ],
    [
      'undefined in place of null',
      'a simple value',
      { payload: replace('fbodies\xf6', 'fbodies\xf7') },
    ],
    ['bytes in place of a text', 'holds bytes', { payload: replace('dPOST', 'DPOST') }],
    [
      'a key that is a byte string',
      'neither text nor integer',
      { payload: replace('fbodies', 'Fbodies') },
    ],
    ['a text that is not UTF-8', 'not UTF-8', { payload: replace('dPOST', 'dPO\xffT') }],
    [
      'a negative number',
      'status is malformed',
      { payload: replace('status\x18\xc8', 'status\x38\xc8') },
    ],
    [
      'a number beyond 2^53',
      'beyond 2^53',
      { payload: replace('status\x18\xc8', 'status\x1b\x00\x20\x00\x00\x00\x00\x00\x00') },
    ],
    ['bytes behind it', 'bytes after', { payload: (given) => wrap(given, '\x00') }],
    [
      'a member more in the payload',
      'the payload must not have n',
      { payload: replace('\xa3fbodies', '\xa4an\xf6fbodies') },
    ],
    [
      'a member of the record under another name',
      'the record lacks status',
      { payload: replace('fstatus', 'fstatuz') },
    ],
    ['a member of the record too few', 'the record lacks status', { payload: withoutStatus }],
    [
      'a record of another purpose',
      'another purpose',
      { payload: replace('countersign.record.v1', 'countersign.record.v2') },
    ],
    [
      'containers beyond any depth',
      'too many containers',
      { payload: replace('fbodies\xf6', `fbodies${'\x81'.repeat(99)}\xf6`) },
    ],
    [
      'a count that no bytes stand behind',
      'ends too early',
      { payload: replace('\xa3', '\xbb\x00\x0f\xff\xff\xff\xff\xff\xff') },
    ],
    ['another algorithm', 'another algorithm', { header: replace('\x01\x27', '\x01\x26') }],
    [
      'another content type',
      'another content type',
      { header: replace('application/cbor', 'application/cose') },
    ],
    [
      'a header more',
      'exactly three',
      { header: (given) => wrap(replace('\xa3', '\xa4')(given), '\x05\x00') },
    ],
    // 1: -8 and 3: "application/cbor" take twenty bytes.
    [
      'no kid',
      'exactly three',
      { header: (given) => Buffer.concat([bytes('\xa2'), given.subarray(1, 21)]) },
    ],
    [
      'headers that are spelled longer',
      'a head longer',
      { header: replace('\xa3\x01', '\xa3\x18\x01') },
    ],
  ]

  test.each(forms)('with %s is malformed (%s) although its key signed it', (_, detail, forged) => {
    const verdict = judged(resign(forged))
    expect(failed(verdict)).toContain('receipt.structure receipt_malformed')
    expect(verdict.checks[0]?.detail).toContain(detail)
    expect(verdict.level).toBe('none')
  })

  test.each([
    ['without its tag', (message: Buffer) => message.subarray(1)],
    ['under its tag twice', (message: Buffer) => Buffer.concat([bytes('\xd2'), message])],
    [
      'under the tag of COSE_Mac0',
      (message: Buffer) => Buffer.concat([bytes('\xd1'), message.subarray(1)]),
    ],
    [
      'with a header that nobody signs',
      (message: Buffer) => replace('\xa0', '\xa1\x04A1')(message),
    ],
    ['with bytes behind it', (message: Buffer) => wrap(message, '\x00')],
    ['with a payload that is detached', detached],
    ['with a signature of another length', shortened],
  ])('%s is malformed', (_, change) => {
    const verdict = judged(change(resign({})))
    expect(failed(verdict)).toContain('receipt.structure receipt_malformed')
  })

  test('is refused under a signature of another role, for another purpose or of another boot', () => {
    const invalid = 'receipt.signature receipt_signature_invalid'
    const byAci = resign({ signer: world.keys.receipt })
    expect(failed(judged(byAci))).toContain(invalid)
    const otherBoot = resign({ signer: makeWorld().keys.cose })
    expect(failed(judged(otherBoot))).toContain(invalid)
    const unnamed = resign({
      signed: (header, payload) =>
        Buffer.concat([bytes('\x84jSignature1'), string(header), bytes('\x40'), string(payload)]),
    })
    expect(failed(judged(unnamed))).toContain(invalid)
    const bare = resign({ signed: (_header, payload) => payload })
    expect(failed(judged(bare))).toContain(invalid)
  })

  test('that names the key of another role is refused before its signature counts', () => {
    const named = (id: string) => (given: Buffer) =>
      Buffer.concat([given.subarray(0, 22), string(Buffer.from(id))])
    const { coseKeyId, receiptKeyId } = world.keys
    expect(judged(resign({ header: named(coseKeyId) })).accepted).toBe(true)
    const other = judged(resign({ header: named(receiptKeyId) }))
    expect(failed(other)).toContain('receipt.keyset receipt_other_keyset')
  })

  test('whose members are not those of its record hash is refused', () => {
    const verdict = judged(resign({ payload: replace('dPOST', 'cPUT') }))
    expect(failed(verdict)).toContain('receipt.record_hash record_hash_mismatch')
  })

  test('with the opening of another receipt, or of another exchange, is refused', () => {
    const wrong = check(cose, trusted, world, { opening: randomOpening(), level: 'bytes' })
    expect(failed(wrong)).toContain('receipt.bodies opening_mismatch')
    const other = issue(world, { request: '{"model":"demo"}' })
    const swapped = check(other.cose, trusted, world, { opening, level: 'bytes' })
    expect(failed(swapped)).toContain('receipt.request_bytes request_hash_mismatch')
  })

  test('is not taken for an ACI receipt, nor one for it', () => {
    const asText = Buffer.from(cose).toString('latin1')
    expect(failed(judged(Buffer.from(issued.full)))).toContain(
      'receipt.structure receipt_malformed',
    )
    const options = { opening, level: 'signer', expected: {} } as const
    expect(failed(check(asText, trusted, world, options))).toContain(
      'receipt.structure receipt_malformed',
    )
  })

  test('of any length beyond the limit is not read', () => {
    const verdict = judged(new Uint8Array(MAX_COSE_RECEIPT_BYTES + 1))
    expect(verdict.checks[0]).toMatchObject({ code: 'receipt_malformed', detail: 'too long' })
  })

  test('of a keyset without such a key is refused', () => {
    const keys = trusted.keyset.receipt_signing_keys.filter(({ algo }) => !algo.includes('cose'))
    const keyset = { ...trusted.keyset, receipt_signing_keys: keys }
    const verdict = check(cose, { ...trusted, keyset }, world, { opening })
    expect(failed(verdict)).toContain('receipt.keyset receipt_other_keyset')
  })
})
