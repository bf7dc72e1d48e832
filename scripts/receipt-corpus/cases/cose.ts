/** COSE receipts in another form than theirs, under a genuine signature wherever one is possible. */
import { byteStringHead } from '../../../attestation/protocol/cbor.ts'
import { coseToBeSigned } from '../../../attestation/protocol/cose-receipt.ts'
import { vectorsOf } from '../../corpus/vector.ts'
import type { Vector } from '../../corpus/vector.ts'
import { aciReceipt, coseMessage, inputOf, KEYS } from '../world.ts'

const { malformed, rejected } = vectorsOf(inputOf)

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const string = (content: Uint8Array): Buffer =>
  Buffer.concat([byteStringHead(content.length), content])

const GOOD = Buffer.from(coseMessage({ bodies: null }))
/** d2 84, header (58 nn), a0, payload (59 nnnn), signature (58 40 and 64 bytes). */
const HEADER = GOOD.subarray(4, 4 + GOOD.readUInt8(3))
const PAYLOAD = GOOD.subarray(8 + HEADER.length, GOOD.length - 66)

function replace(given: Buffer, from: string, to: string): Buffer {
  const at = given.indexOf(bytes(from))
  if (at === -1) throw new TypeError(`no ${from} there`)
  return Buffer.concat([given.subarray(0, at), bytes(to), given.subarray(at + from.length)])
}

interface Parts {
  readonly header?: Buffer
  readonly payload?: Buffer
  readonly signed?: (header: Buffer, payload: Buffer) => Uint8Array
}

function message({ header = HEADER, payload = PAYLOAD, signed = coseToBeSigned }: Parts): Buffer {
  const signature = KEYS.cose.sign(signed(header, payload))
  const parts = [string(header), bytes('\xa0'), string(payload), string(signature)]
  return Buffer.concat([bytes('\xd2\x84'), ...parts])
}

const VIEW = { level: 'content' }

function bad(id: string, title: string, receipt: Uint8Array): Vector {
  return malformed(`cose-form-${id}`, 'receipt_malformed', title, { receipt, more: VIEW })
}

const payload = (from: string, to: string): Buffer =>
  message({ payload: replace(PAYLOAD, from, to) })
const header = (from: string, to: string): Buffer => message({ header: replace(HEADER, from, to) })

export function coseCases(): Vector[] {
  const STATUS = 'status\x18\xc8'
  const unbound = (given: Buffer, content: Buffer): Buffer =>
    Buffer.concat([bytes('\x84jSignature1'), string(given), bytes('\x40'), string(content)])
  return [
    bad('long-map', 'a longer head than the map needs', payload('\xa3', '\xb8\x03')),
    bad(
      'long-number',
      'a number in more bytes than it needs',
      payload(STATUS, 'status\x19\x00\xc8'),
    ),
    bad(
      'endless-map',
      'a map without a length',
      message({ payload: Buffer.concat([replace(PAYLOAD, '\xa3', '\xbf'), bytes('\xff')]) }),
    ),
    bad('endless-text', 'a text in pieces', payload('fmethoddPOST', 'fmethod\x7fdPOST\xff')),
    bad('key-twice', 'a key twice', payload('frecord', 'fbodies')),
    bad('tag', 'a tag in front of a value', payload('fbodies\xf6', 'fbodies\xc0\xf6')),
    bad('float', 'a float in place of a whole number', payload(STATUS, 'status\xfaCH\x00\x00')),
    bad('half-float', 'the same in two bytes', payload(STATUS, 'status\xf9\x5a\x40')),
    bad('undefined', 'undefined in place of null', payload('fbodies\xf6', 'fbodies\xf7')),
    bad('bytes-for-text', 'bytes in place of a text', payload('dPOST', 'DPOST')),
    bad('key-of-bytes', 'a key that is a byte string', payload('fbodies', 'Fbodies')),
    bad('utf8', 'a text that is not UTF-8', payload('dPOST', 'dPO\xffT')),
    bad('negative', 'a negative number', payload(STATUS, 'status\x38\xc8')),
    bad('bignum', 'a number as a bignum', payload(STATUS, 'status\xc2A\xc8')),
    bad(
      'beyond-2-53',
      'a number beyond 2^53',
      payload(STATUS, 'status\x1b\x00\x20\x00\x00\x00\x00\x00\x00'),
    ),
    bad(
      'payload-trailing',
      'bytes behind the payload',
      message({ payload: Buffer.concat([PAYLOAD, bytes('\x00')]) }),
    ),
    bad(
      'payload-member',
      'a member more in the payload',
      payload('\xa3fbodies', '\xa4an\xf6fbodies'),
    ),
    bad(
      'record-member',
      'a member of the record under another name',
      payload('fstatus', 'fstatuz'),
    ),
    bad(
      'purpose',
      'a record of another purpose',
      payload('countersign.record.v1', 'countersign.record.v2'),
    ),
    bad(
      'nested',
      'containers beyond any depth',
      payload('fbodies\xf6', `fbodies${'\x81'.repeat(99)}\xf6`),
    ),
    bad(
      'count',
      'a count that no bytes stand behind',
      payload('\xa3', '\xbb\x00\x0f\xff\xff\xff\xff\xff\xff'),
    ),
    bad(
      'payload-json',
      'the receipt’s JSON as the payload',
      message({ payload: Buffer.from(aciReceipt()) }),
    ),
    bad('payload-empty', 'an empty payload', message({ payload: Buffer.alloc(0) })),
    bad('algorithm', 'another algorithm in the header', header('\x01\x27', '\x01\x26')),
    bad('content-type', 'another content type', header('application/cbor', 'application/cose')),
    bad(
      'header-more',
      'a header more',
      message({ header: Buffer.concat([replace(HEADER, '\xa3', '\xa4'), bytes('\x05\x00')]) }),
    ),
    bad(
      'kid-absent',
      'no kid',
      message({ header: Buffer.concat([bytes('\xa2'), HEADER.subarray(1, 21)]) }),
    ),
    bad('header-empty', 'an empty header', message({ header: Buffer.alloc(0) })),
    bad('untagged', 'without the tag', GOOD.subarray(1)),
    bad('tagged-twice', 'under the tag twice', Buffer.concat([bytes('\xd2'), GOOD])),
    bad('mac0', 'under the tag of COSE_Mac0', Buffer.concat([bytes('\xd1'), GOOD.subarray(1)])),
    bad('unprotected', 'with a header that nobody signs', replace(GOOD, '\xa0', '\xa1\x04A1')),
    bad('trailing', 'bytes behind it', Buffer.concat([GOOD, bytes('\x00')])),
    bad('cut', 'without its last byte', GOOD.subarray(0, -1)),
    bad('empty', 'no bytes at all', Buffer.alloc(0)),
    bad('json', 'the bytes of the ACI receipt', Buffer.from(aciReceipt())),
    bad(
      'array-of-three',
      'without a signature',
      Buffer.concat([bytes('\xd2\x83'), GOOD.subarray(2, GOOD.length - 66)]),
    ),
    rejected(
      'cose-without-external-data',
      'receipt_signature_invalid',
      'signed without the external data',
      {
        receipt: message({ signed: unbound }),
        more: VIEW,
      },
    ),
    rejected(
      'cose-payload-signed-bare',
      'receipt_signature_invalid',
      'the payload signed by itself',
      {
        receipt: message({ signed: (_header, content) => content }),
        more: VIEW,
      },
    ),
    rejected(
      'cose-signature-bit',
      'receipt_signature_invalid',
      'one bit of the signature differs',
      {
        receipt: Buffer.concat([
          GOOD.subarray(0, -1),
          Buffer.of(GOOD.readUInt8(GOOD.length - 1) ^ 1),
        ]),
        more: VIEW,
      },
    ),
  ]
}
