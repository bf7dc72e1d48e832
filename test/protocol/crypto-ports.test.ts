import {
  createECDH,
  createHash,
  createPublicKey,
  createSign,
  generateKeyPairSync,
  sign,
} from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { isSoundEd25519Key } from '../../attestation/protocol/ed25519-key.ts'
import { createSecp256k1Signer } from '../../enclave/keys/secp256k1-signer.ts'

const ports = [
  ['node', nodeCrypto],
  ['noble', nobleCrypto],
] as const

describe('the two cryptography ports', () => {
  test('give the same hashes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 80 }), (a, b) => {
        for (const name of ['sha1', 'sha256', 'sha384', 'sha512', 'keccak256'] as const) {
          expect(Buffer.from(nobleCrypto[name](a))).toEqual(Buffer.from(nodeCrypto[name](a)))
        }
        expect(Buffer.from(nobleCrypto.hmacSha256(b, a))).toEqual(
          Buffer.from(nodeCrypto.hmacSha256(b, a)),
        )
      }),
    )
  })

  test('hash texts as the bytes they stand for, short and longer than the reused buffer', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.string({ unit: 'grapheme', maxLength: 100 }),
        fc.constantFrom(1, 3_000),
        (prefix, text, times) => {
          const long = text.repeat(times)
          const expected = createHash('sha256').update(prefix).update(long, 'utf8').digest('hex')
          for (const [, crypto] of ports) expect(crypto.sha256Text(prefix, long)).toBe(expected)
        },
      ),
      { numRuns: 50 },
    )
  })

  test.each(ports)(
    '%s verifies ECDSA of OpenSSL on both curves, and nothing else',
    (_name, crypto) => {
      for (const [curve, openssl, hash] of [
        ['P-256', 'prime256v1', 'sha256'],
        ['P-384', 'secp384r1', 'sha384'],
      ] as const) {
        const { privateKey } = generateKeyPairSync('ec', { namedCurve: openssl })
        const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
        const point = spki.subarray(curve === 'P-256' ? -64 : -96)
        const message = Buffer.from('message')
        const signature = createSign(hash)
          .update(message)
          .sign({ key: privateKey, dsaEncoding: 'ieee-p1363' })
        expect(crypto.verifyEcdsa(curve, point, message, signature)).toBe(true)
        const flip = (bytes: Buffer, at: number) => {
          const copy = Buffer.from(bytes)
          copy[at] = (copy[at] ?? 0) ^ 1
          return copy
        }
        expect(crypto.verifyEcdsa(curve, point, Buffer.from('massage'), signature)).toBe(false)
        expect(crypto.verifyEcdsa(curve, point, message, flip(signature, 3))).toBe(false)
        expect(crypto.verifyEcdsa(curve, flip(point, 5), message, signature)).toBe(false)
        expect(crypto.verifyEcdsa(curve, point.subarray(1), message, signature)).toBe(false)
        expect(crypto.verifyEcdsa(curve, point, message, signature.subarray(1))).toBe(false)
        expect(crypto.verifyEcdsa(curve, point, message, Buffer.alloc(signature.length))).toBe(
          false,
        )
      }
    },
  )

  test.each(ports)('%s verifies Ed25519 of OpenSSL, and nothing else', (_name, crypto) => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const key = publicKey.export({ format: 'der', type: 'spki' }).subarray(12)
    const message = Buffer.from('message')
    const signature = sign(null, message, privateKey)
    expect(crypto.verifyEd25519(key, message, signature)).toBe(true)
    expect(crypto.verifyEd25519(key, Buffer.from('massage'), signature)).toBe(false)
    expect(crypto.verifyEd25519(key.subarray(1), message, signature)).toBe(false)
    expect(crypto.verifyEd25519(key, message, signature.subarray(1))).toBe(false)
    // The all-zero point has small order: with a lax verifier one signature of it fits every message.
    const zero = new Uint8Array(32)
    expect(crypto.verifyEd25519(zero, message, new Uint8Array(64))).toBe(false)
  })

  test('refuse Ed25519 keys of small order or not reduced, under which one signature fits many messages', () => {
    const last = (low: string, high: string): string => `${low}${'ff'.repeat(30)}${high}`
    const torsion = [
      `01${'00'.repeat(31)}`,
      '00'.repeat(32),
      last('ec', '7f'),
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
      last('ed', '7f'),
      last('ee', '7f'),
      last('ff', '7f'),
    ].flatMap((key) => {
      const signed = Buffer.from(key, 'hex')
      signed[31] = (signed[31] ?? 0) | 0x80
      return [Buffer.from(key, 'hex'), signed]
    })
    // R neutral or of small order, s zero: verifies whenever k·A vanishes.
    const signatures = torsion.map((r) => Buffer.concat([r, new Uint8Array(32)]))
    for (const key of torsion) {
      expect(isSoundEd25519Key(key), key.toString('hex')).toBe(false)
      for (const signature of signatures) {
        for (let message = 0; message < 4; message++) {
          for (const [, crypto] of ports) {
            expect(crypto.verifyEd25519(key, Uint8Array.of(message), signature)).toBe(false)
          }
        }
      }
    }
    expect(isSoundEd25519Key(Buffer.from(last('eb', '7f'), 'hex'))).toBe(true)
  })

  test('agree on Ed25519 keys and signatures with a part of small order', () => {
    const { Point } = ed25519
    const order8 = Point.fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05')
    const number = (bytes: Uint8Array): bigint =>
      BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
    const bytes = (value: bigint): Buffer =>
      Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse()
    const { Fn } = Point
    const verdicts = new Set<string>()
    fc.assert(
      fc.property(
        fc.bigInt({ min: 1n, max: Fn.ORDER - 1n }),
        fc.bigInt({ min: 1n, max: Fn.ORDER - 1n }),
        fc.nat(7),
        fc.nat(7),
        fc.uint8Array({ maxLength: 8 }),
        (secret, nonce, inKey, inR, message) => {
          const key = Point.BASE.multiply(secret).add(order8.multiplyUnsafe(BigInt(inKey)))
          const r = Point.BASE.multiply(nonce)
            .add(order8.multiplyUnsafe(BigInt(inR)))
            .toBytes()
          const hash = createHash('sha512').update(r).update(key.toBytes()).update(message)
          const s = Fn.create(nonce + Fn.create(number(hash.digest())) * secret)
          const [node, noble] = ports.map(([, crypto]) =>
            crypto.verifyEd25519(key.toBytes(), message, Buffer.concat([r, bytes(s)])),
          )
          expect(noble).toBe(node)
          if (inKey === 0) expect(noble).toBe(inR === 0)
          verdicts.add(`${inKey === 0 && inR === 0} ${noble}`)
        },
      ),
      {
        numRuns: 100,
        examples: [
          [7n, 9n, 0, 0, new Uint8Array(1)],
          [7n, 9n, 0, 4, new Uint8Array(1)],
        ],
      },
    )
    expect(verdicts).toContain('true true')
    expect(verdicts).toContain('false false')
  })

  test.each(ports)('%s refuses an Ed25519 signature whose s is not reduced', (_name, crypto) => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const key = publicKey.export({ format: 'der', type: 'spki' }).subarray(12)
    const signature = sign(null, Buffer.from('m'), privateKey)
    const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`)
    const more = (s + ed25519.Point.Fn.ORDER).toString(16).padStart(64, '0')
    const malleable = Buffer.concat([signature.subarray(0, 32), Buffer.from(more, 'hex').reverse()])
    expect(crypto.verifyEd25519(key, Buffer.from('m'), signature)).toBe(true)
    expect(crypto.verifyEd25519(key, Buffer.from('m'), malleable)).toBe(false)
  })

  test.each(ports)('%s recovers secp256k1 keys', (_name, crypto) => {
    const ecdh = createECDH('secp256k1')
    const point = ecdh.generateKeys().subarray(1)
    const signer = createSecp256k1Signer(ecdh.getPrivateKey())
    const digest = crypto.sha256(Buffer.from('message'))
    const { signature, recovery } = signer.sign(digest)
    expect(Buffer.from(crypto.recoverSecp256k1(digest, signature, recovery) ?? [])).toEqual(point)
    expect(crypto.recoverSecp256k1(digest, signature, 1 - recovery)).not.toEqual(point)
    expect(crypto.recoverSecp256k1(digest, new Uint8Array(64), 0)).toBeNull()
    expect(crypto.recoverSecp256k1(digest, signature, 2)).toBeNull()
    expect(crypto.recoverSecp256k1(digest.subarray(1), signature, recovery)).toBeNull()
  })

  test.each(ports)('%s compares bytes', (_name, crypto) => {
    expect(crypto.equal(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
    expect(crypto.equal(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
    expect(crypto.equal(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false)
    expect(crypto.equal(new Uint8Array(0), new Uint8Array(0))).toBe(true)
  })
})
