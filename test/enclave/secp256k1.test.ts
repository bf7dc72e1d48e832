import { randomBytes } from 'node:crypto'
import { verifyMessage, SigningKey, computeAddress } from 'ethers'
import { describe, expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { recoverEip191 } from '../../attestation/protocol/legacy-text.ts'
import { createAddressKey, createEphemeralAddressKey } from '../../enclave/keys/address-key.ts'
import {
  DEFAULT_SECP256K1_BACKEND,
  createSecp256k1Signer,
} from '../../enclave/keys/secp256k1-signer.ts'

const KAT_KEY = new Uint8Array(32).fill(0x11)
const KAT_ADDRESS = '0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A'
const TEXT = `${'a'.repeat(64)}:${'b'.repeat(64)}`
const ORDER = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141'

describe('the address key', () => {
  test('of 32 times 0x11 has the known address, for ethers as for us', () => {
    const key = createAddressKey(KAT_KEY, { source: 'ephemeral' }, nodeCrypto)
    expect(key.address).toBe(KAT_ADDRESS)
    expect(computeAddress(`0x${'11'.repeat(32)}`)).toBe(KAT_ADDRESS)
  })

  test('signs what ethers verifies, and exactly what ethers signs', () => {
    const key = createAddressKey(KAT_KEY, { source: 'ephemeral' }, nodeCrypto)
    for (const text of [TEXT, '', 'Grüße 東京 👩‍🚀', 'x'.repeat(1000)]) {
      const signature = key.signText(text)
      expect(signature).toMatch(/^0x[0-9a-f]{128}1[bc]$/)
      expect(verifyMessage(text, signature)).toBe(KAT_ADDRESS)
      expect(recoverEip191(text, signature, nodeCrypto)).toBe(KAT_ADDRESS.toLowerCase())
    }
  })

  test('is another one with each start when it is ephemeral', () => {
    const keys = [createEphemeralAddressKey(nodeCrypto), createEphemeralAddressKey(nodeCrypto)]
    expect(keys[0]?.address).not.toBe(keys[1]?.address)
    for (const key of keys) expect(verifyMessage(TEXT, key.signText(TEXT))).toBe(key.address)
  })

  test.each([
    ['zero', new Uint8Array(32)],
    ['the group order', Buffer.from(ORDER, 'hex')],
    ['too short', new Uint8Array(31).fill(1)],
    ['too long', new Uint8Array(33).fill(1)],
  ])('is refused when it is %s', (_, key) => {
    expect(() => createAddressKey(key, { source: 'ephemeral' }, nodeCrypto)).toThrow()
  })
})

describe('native and noble signers', () => {
  test('agree bit for bit on 1,000 random digests, and with ethers', (context) => {
    if (DEFAULT_SECP256K1_BACKEND !== 'native') {
      context.skip('SKIPPED: the native secp256k1 addon did not load, nothing to compare with')
      return
    }
    const key = Uint8Array.from(randomBytes(32))
    const native = createSecp256k1Signer(key, 'native')
    const noble = createSecp256k1Signer(key, 'noble')
    const ethers = new SigningKey(key)
    expect(Buffer.from(native.publicKey)).toEqual(Buffer.from(noble.publicKey))
    for (let i = 0; i < 1000; i++) {
      const digest = randomBytes(32)
      const [a, b] = [native.sign(digest), noble.sign(digest)]
      expect(Buffer.from(a.signature).equals(b.signature)).toBe(true)
      expect(a.recovery).toBe(b.recovery)
      if (i >= 50) continue
      const c = ethers.sign(digest)
      expect(`0x${Buffer.from(a.signature).toString('hex')}`).toBe(c.r + c.s.slice(2))
      expect(a.recovery).toBe(c.yParity)
    }
  })

  test('noble alone signs what ethers verifies', () => {
    const noble = createSecp256k1Signer(KAT_KEY, 'noble')
    const digest = randomBytes(32)
    const { signature, recovery } = noble.sign(digest)
    const c = new SigningKey(KAT_KEY).sign(digest)
    expect(`0x${Buffer.from(signature).toString('hex')}`).toBe(c.r + c.s.slice(2))
    expect(recovery).toBe(c.yParity)
  })
})
