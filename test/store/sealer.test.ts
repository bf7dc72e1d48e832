import { createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { createSealer } from '../../enclave/store/sealer.ts'

const key = randomBytes(32)
const BOOT = toHex32(randomBytes(32))
const ID = Buffer.from('id')
const HEADER = Buffer.from('head')

function sealed() {
  const sealer = createSealer(key, BOOT)
  return { sealer, value: sealer.seal('records', ID, HEADER, Buffer.from('a receipt')) }
}

describe('an entry opens in its own place and in no other', () => {
  const { sealer, value } = sealed()
  const other = toHex32(randomBytes(32))
  test.each([
    ['as it was sealed', true, () => sealer.open('records', ID, HEADER, BOOT, value)],
    ['in another table', false, () => sealer.open('documents', ID, HEADER, BOOT, value)],
    [
      'under another id',
      false,
      () => sealer.open('records', Buffer.from('ie'), HEADER, BOOT, value),
    ],
    [
      'with another time',
      false,
      () => sealer.open('records', ID, Buffer.from('hexd'), BOOT, value),
    ],
    ['for another boot', false, () => sealer.open('records', ID, HEADER, other, value)],
    [
      'id and header parted elsewhere',
      false,
      () => sealer.open('records', Buffer.from('idh'), Buffer.from('ead'), BOOT, value),
    ],
    [
      'under another root key',
      false,
      () => createSealer(randomBytes(32), BOOT).open('records', ID, HEADER, BOOT, value),
    ],
    [
      'by a later boot of that root key',
      true,
      () => createSealer(key, other).open('records', ID, HEADER, BOOT, value),
    ],
  ] as const)('%s: %s', (_what, opens, open) => {
    expect(open()?.toString() ?? null).toBe(opens ? 'a receipt' : null)
  })

  test('nor with any bit changed, nor cut or longer', () => {
    for (let bit = 0; bit < value.length * 8; bit++) {
      const flipped = Buffer.from(value)
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(sealer.open('records', ID, HEADER, BOOT, flipped)).toBeNull()
    }
    for (let length = 0; length < value.length; length++) {
      expect(sealer.open('records', ID, HEADER, BOOT, value.subarray(0, length))).toBeNull()
    }
    const longer = Buffer.concat([value, Buffer.of(0)])
    expect(sealer.open('records', ID, HEADER, BOOT, longer)).toBeNull()
  })

  test('nor is anything that was never sealed opened', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(sealer.open('records', ID, HEADER, BOOT, bytes)).toBeNull()
      }),
    )
  })
})

test('the key of a boot is HKDF-SHA-256 of the root key and the boot id, spelled out here once more', () => {
  const { value } = sealed()
  const info = 'countersign.store.v1.seal'
  const own = Buffer.from(hkdfSync('sha256', key, Buffer.from(BOOT, 'hex'), info, 32))
  const decipher = createDecipheriv('aes-256-gcm', own, value.subarray(0, 12))
  const name = Buffer.from('countersign.store.v1\0records\0')
  decipher.setAAD(Buffer.concat([name, Buffer.of(2, 4), ID, Buffer.from(BOOT, 'hex'), HEADER]))
  decipher.setAuthTag(value.subarray(-16))
  const plain = Buffer.concat([decipher.update(value.subarray(12, -16)), decipher.final()])
  expect(plain.toString()).toBe('a receipt')
})

describe('no key meets one nonce twice', () => {
  test('within a boot', () => {
    const { sealer } = sealed()
    const tables = ['records', 'documents', 'boots', 'admissions'] as const
    const nonces = Array.from({ length: 1000 }, (_, i) =>
      sealer
        .seal(tables[i % 4] ?? 'records', ID, HEADER, Buffer.of(1))
        .subarray(0, 12)
        .toString('hex'),
    )
    expect(new Set(nonces).size).toBe(1000)
  })

  test('across boots on one volume, its clones and its earlier states: every boot has a key of its own', () => {
    // The nonces are equal, and so are the plain texts: were the keys equal too, the sealed texts would be.
    const all = Array.from({ length: 64 }, () =>
      createSealer(key, toHex32(randomBytes(32))).seal('records', ID, HEADER, Buffer.alloc(64)),
    )
    expect(new Set(all.map((value) => value.toString('hex', 0, 12))).size).toBe(1)
    expect(new Set(all.map((value) => value.toString('hex', 12, 76))).size).toBe(64)
  })
})

test('what an entry is found by says nothing without the key, and kinds are kept apart', () => {
  const { sealer } = sealed()
  const other = createSealer(randomBytes(32), BOOT)
  expect(sealer.indexKey('receipt', 'x')).toHaveLength(16)
  expect(sealer.indexKey('receipt', 'x').equals(other.indexKey('receipt', 'x'))).toBe(false)
  expect(sealer.indexKey('receipt', 'x').equals(sealer.indexKey('chat', 'x'))).toBe(false)
  const later = createSealer(key, toHex32(randomBytes(32)))
  expect(sealer.indexKey('receipt', 'x').equals(later.indexKey('receipt', 'x'))).toBe(true)
  expect([sealer.check === later.check, sealer.check === other.check]).toEqual([true, false])
})
