import { describe, expect, test } from 'vitest'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { decodeBase64, encodeBase64 } from '../../attestation/protocol/base64.ts'
import { toHex, toHex32, toSha256Digest } from '../../attestation/protocol/hex.ts'
import {
  isSignedCheckpoint,
  noteKeyId,
  parseCheckpoint,
  signCheckpoint,
} from '../../attestation/protocol/log/checkpoint.ts'
import {
  bootLeaf,
  bootRecordBytes,
  paddingLeaf,
  parseBootRecord,
} from '../../attestation/protocol/log/leaves.ts'
import {
  isLogOrigin,
  logOrigin,
  parseLogOrigin,
} from '../../attestation/protocol/log/log-origin.ts'
import { createEd25519Signer } from '../../enclave/keys/ed25519-signer.ts'
import { LACKS, askStranger } from './log.helpers.ts'

const signer = createEd25519Signer(Buffer.alloc(32, 7))
const other = createEd25519Signer(Buffer.alloc(32, 8))
const BOOT = toHex32(Buffer.alloc(32, 0xb0))
const ROOT = toHex32(Buffer.alloc(32, 0x0f))
const head = { origin: logOrigin('example.test/node-1', BOOT), root: ROOT, size: 20_852_224 }
const note = signCheckpoint(head, signer, nodeCrypto)

const isSigned = (text: string, key = signer.publicKey): boolean => {
  const parsed = parseCheckpoint(text)
  return parsed !== null && isSignedCheckpoint(parsed, key, nodeCrypto)
}

describe('a checkpoint', () => {
  test('has the form of C2SP and reads back', () => {
    const lines = note.split('\n')
    expect(lines).toHaveLength(6)
    expect(lines.slice(0, 4)).toEqual([head.origin, '20852224', 'Dw8P'.repeat(10) + 'Dw8=', ''])
    expect(lines[4]).toMatch(/^\u2014 example\.test\/node-1\/b0+(?:b0)+ [A-Za-z0-9+/]{91}=$/)
    expect(parseCheckpoint(note)?.head).toEqual(head)
    expect(isSigned(note)).toBe(true)
    const parsed = parseCheckpoint(note)
    expect(parsed !== null && isSignedCheckpoint(parsed, signer.publicKey, nobleCrypto)).toBe(true)
  })

  test('has the key id that the checksum database of Go publishes with its key', () => {
    // `name+id+base64(type ‖ key)`, from the go command's own source.
    const [name = '', id, key = ''] =
      /^(.*)\+([0-9a-f]{8})\+(.*)$/
        .exec('sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8')
        ?.slice(1) ?? []
    const bytes = Buffer.from(key, 'base64')
    expect(bytes[0]).toBe(1)
    expect(toHex(noteKeyId(name, bytes.subarray(1), nodeCrypto))).toBe(id)
  })

  test.skipIf(LACKS !== null)('verifies in Python with openssl', () => {
    const question = { kind: 'checkpoint', public_key: toHex(signer.publicKey) }
    const forged = note.replace('20852224', '20852225')
    const [own, changed, strange] = askStranger([
      { ...question, note },
      { ...question, note: forged },
      { ...question, note, public_key: toHex(other.publicKey) },
    ])
    expect(own).toEqual(head)
    expect(changed).toHaveProperty('refused')
    expect(strange).toHaveProperty('refused')
  })

  test('with another size, root, origin or key is not signed', () => {
    expect(isSigned(note.replace('20852224', '20852225'))).toBe(false)
    expect(isSigned(note.replace('Dw8P', 'Ew8P'))).toBe(false)
    expect(isSigned(note.replaceAll('node-1', 'node-2'))).toBe(false)
    expect(isSigned(note, other.publicKey)).toBe(false)
  })

  test('may carry signatures of witnesses, but none that is ours and does not verify', () => {
    const witness = `\u2014 witness.example/w1 ${encodeBase64(Buffer.alloc(76, 4))}\n`
    expect(isSigned(note + witness)).toBe(true)
    const bad = decodeBase64(note.trimEnd().split(' ').at(-1) ?? '') ?? new Uint8Array()
    bad[10] = (bad[10] ?? 0) ^ 1
    expect(isSigned(`${note}\u2014 ${head.origin} ${encodeBase64(bad)}\n`)).toBe(false)
    const [text] = note.split('\n\n')
    expect(isSigned(`${text}\n\n${witness}`)).toBe(false)
  })

  test.each([
    ['no end of line', note.slice(0, -1)],
    ['no signature', `${head.origin}\n5\n${'A'.repeat(43)}=\n\n`],
    ['an extension line', note.replace('\n\n', '\nextension\n\n')],
    ['a size with a leading zero', note.replace('\n2', '\n02')],
    ['a size of nothing', note.replace('20852224', '0')],
    ['a size beyond exact numbers', note.replace('20852224', '9999999999999999')],
    ['a hyphen for the dash', note.replace('\u2014', '-')],
    ['a short root', note.replace('Dw8PDw8P', 'Dw8P')],
    ['a root in another spelling', note.replace('Dw8=', 'Dw9=')],
    ['a carriage return', note.replace('\n', '\r\n')],
    ['an origin without a boot', note.replaceAll(`/${BOOT}`, '')],
    ['too many signatures', note + (note.split('\n')[4] + '\n').repeat(32)],
    ['nothing', ''],
  ])('with %s is refused', (_what, text) => {
    expect(parseCheckpoint(text)).toBeNull()
  })
})

describe('an origin', () => {
  test('ends in the boot id', () => {
    expect(parseLogOrigin(head.origin)).toEqual({ name: 'example.test/node-1', bootId: BOOT })
  })

  test.each([
    `/${BOOT}`,
    `a/${BOOT.toUpperCase()}`,
    `a b/${BOOT}`,
    `a+b/${BOOT}`,
    `https://a/${BOOT}`,
    `a//${BOOT}`,
    `a/b/c/d/${BOOT}`,
    `a/${BOOT}\n`,
    BOOT,
    'a/b',
    null,
  ])('is not %j', (text) => {
    expect(isLogOrigin(text)).toBe(false)
  })
})

describe('leaves', () => {
  const record = {
    boot_id: BOOT,
    config_digest: toSha256Digest(Buffer.alloc(32, 1)),
    generation: 3,
    keyset_digest: toSha256Digest(Buffer.alloc(32, 2)),
    predecessor: { ...head, size: 512 },
  }

  test('a boot record reads back, and any other text is refused', () => {
    const text = new TextDecoder().decode(bootRecordBytes(record))
    expect(parseBootRecord(text)).toEqual(record)
    expect(parseBootRecord(text.replace('"generation":3', '"generation":0'))).toBeNull()
    expect(parseBootRecord(text.replace('"size":512', '"size":0'))).toBeNull()
    expect(parseBootRecord(text.replace('boot_record', 'record'))).toBeNull()
    expect(parseBootRecord(text.replace('{', '{"more":1,'))).toBeNull()
    expect(parseBootRecord(text.replace('"generation":3,', ''))).toBeNull()
    expect(parseBootRecord(`${text}${' '.repeat(2048)}`)).toBeNull()
    expect(parseBootRecord('null')).toBeNull()
  })

  test.skipIf(LACKS !== null)('are the digests that Python computes', () => {
    const nonce = toHex32(Buffer.alloc(32, 9))
    const answers = askStranger([
      { kind: 'digest', value: { ...record, purpose: 'countersign.boot_record.v1' } },
      {
        kind: 'digest',
        value: { boot_id: BOOT, index: 77, nonce, purpose: 'countersign.log_padding.v1' },
      },
    ])
    expect(answers).toEqual([
      toHex(bootLeaf(record, nodeCrypto)),
      toHex(paddingLeaf(BOOT, 77, nonce, nodeCrypto)),
    ])
  })
})
