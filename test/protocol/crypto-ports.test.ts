import { createECDH, createHash, createSign, generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { createSecp256k1Signer } from '../../enclave/keys/secp256k1-signer.ts'

const ports = [
  ['node', nodeCrypto],
  ['noble', nobleCrypto],
] as const

describe('the two cryptography ports', () => {
  test('give the same hashes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 80 }), (a, b) => {
        for (const name of ['sha256', 'sha384', 'sha512', 'keccak256'] as const) {
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
        const jwk = privateKey.export({ format: 'jwk' })
        const point = Buffer.concat([
          Buffer.from(jwk.x ?? '', 'base64url'),
          Buffer.from(jwk.y ?? '', 'base64url'),
        ])
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
