import { computeHmac, getBytes, keccak256, SigningKey, toUtf8Bytes } from 'ethers'
import { describe, expect, test } from 'vitest'
import type { Check } from '../../attestation/appraiser/check.ts'
import { appraiseCustody } from '../../attestation/appraiser/custody/appraise-custody.ts'
import type {
  CustodyEvidence,
  CustodyOptions,
} from '../../attestation/appraiser/custody/appraise-custody.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { hex, PORTS } from './x509.helpers.ts'

const APP_ID = hex('5bb4ff9a3837357f19dc176407a5709c62eb6c56')
const PURPOSE = 'countersign/address/secp256k1/v1'

const key = (seed: string): SigningKey =>
  new SigningKey(computeHmac('sha256', toUtf8Bytes('test'), toUtf8Bytes(seed)))
const compressed = (signer: SigningKey): Uint8Array => getBytes(signer.compressedPublicKey)
const ROOT = key('root')
const APP = key('app')
const DERIVED = key('derived')

/** r ‖ s ‖ recovery id, as the guest agent and the KMS write it; signed by ethers, not by the code under test. */
function signed(signer: SigningKey, message: Uint8Array): Uint8Array {
  const { r, s, yParity } = signer.sign(keccak256(message))
  return Uint8Array.of(...getBytes(r), ...getBytes(s), yParity)
}

function chain(
  publicKey: Uint8Array,
  purpose = PURPOSE,
  appId = APP_ID,
  app = APP,
  root = ROOT,
): Uint8Array[] {
  const text = `${purpose}:${Buffer.from(publicKey).toString('hex')}`
  const issued = Buffer.concat([toUtf8Bytes('dstack-kms-issued:'), appId, compressed(app)])
  return [signed(app, toUtf8Bytes(text)), signed(root, issued)]
}

const GOOD: CustodyEvidence = {
  publicKey: compressed(DERIVED),
  purpose: PURPOSE,
  signatureChain: chain(compressed(DERIVED)),
}
const SYSTEM = { appId: APP_ID, keyProvider: { name: 'kms', id: '3059' } }

function outcome(
  change: Partial<CustodyEvidence>,
  kmsRoots = [compressed(ROOT)],
  crypto = nodeCrypto,
  system: CustodyOptions['system'] = SYSTEM,
): string {
  const checks: Check[] = appraiseCustody({ ...GOOD, ...change }, { crypto, kmsRoots, system })
  expect(checks.map(({ id }) => id)).toEqual(['custody.app_key', 'custody.kms_root'])
  return checks.map(({ status, code }) => `${status} ${code}`).join(', ')
}

const ACCEPTED = 'pass ok, pass ok'
const NOT_THIS_ROOT = 'skip depends_on_failed, fail custody_root_untrusted'

describe('GetKey signature chain', () => {
  test.each(PORTS)('leads a derived key to a pinned KMS root (%s)', (_, crypto) => {
    expect(outcome({}, [compressed(ROOT)], crypto)).toBe(ACCEPTED)
    expect(outcome({}, [compressed(APP), compressed(ROOT)], crypto)).toBe(ACCEPTED)
    const ed25519 = new Uint8Array(32).fill(9)
    expect(outcome({ publicKey: ed25519, signatureChain: chain(ed25519) }, undefined, crypto)).toBe(
      ACCEPTED,
    )
  })

  test.each<[string, Partial<CustodyEvidence>]>([
    ['another key', { publicKey: compressed(key('other')) }],
    ['another purpose', { purpose: 'other' }],
    [
      'another app key in the first signature',
      {
        signatureChain: [
          chain(compressed(DERIVED), PURPOSE, APP_ID, key('x'))[0] ?? APP_ID,
          GOOD.signatureChain[1] ?? APP_ID,
        ],
      },
    ],
    [
      'a root that is not pinned',
      { signatureChain: chain(compressed(DERIVED), PURPOSE, APP_ID, APP, key('x')) },
    ],
    ['the two signatures swapped', { signatureChain: [...GOOD.signatureChain].reverse() }],
  ])('is refused for %s', (_, change) => {
    expect(outcome(change)).toBe(NOT_THIS_ROOT)
  })

  test('a flipped bit in either signature is refused', () => {
    for (const which of [0, 1]) {
      for (const at of [0, 31, 32, 63, 64]) {
        const signatureChain = GOOD.signatureChain.map((signature) => new Uint8Array(signature))
        const signature = signatureChain[which] ?? new Uint8Array()
        signature[at] = (signature[at] ?? 0) ^ 1
        expect(outcome({ signatureChain })).not.toBe(ACCEPTED)
      }
    }
  })

  test.each<[string, Uint8Array]>([
    ['64 bytes', new Uint8Array(64).fill(1)],
    ['66 bytes', new Uint8Array(66).fill(1)],
    ['a recovery id of 27', Uint8Array.of(...new Uint8Array(64).fill(1), 27)],
    ['only zeros', new Uint8Array(65)],
  ])('signatures of %s are malformed', (_, bad) => {
    const [first = bad, second = bad] = GOOD.signatureChain
    expect(outcome({ signatureChain: [bad, second] })).toBe(
      'fail custody_malformed, skip depends_on_failed',
    )
    expect(outcome({ signatureChain: [first, bad] })).toBe(
      'skip depends_on_failed, fail custody_malformed',
    )
    expect(outcome({ signatureChain: [first, second, bad] })).toBe(
      'fail custody_malformed, skip depends_on_failed',
    )
  })

  test('nothing passes without a KMS, a pinned root or a verified app id', () => {
    const [first = APP_ID] = GOOD.signatureChain
    const absent = 'skip not_provided, skip not_provided'
    expect(outcome({ signatureChain: [] })).toBe(absent)
    expect(outcome({ signatureChain: [first] })).toBe(absent)
    expect(outcome({ signatureChain: [first, new Uint8Array(0)] })).toBe(absent)
    expect(outcome({}, [])).toBe(absent)
    const skipped = 'skip depends_on_failed, skip depends_on_failed'
    const of = (system: CustodyOptions['system']): string =>
      outcome({}, undefined, undefined, system)
    expect(of(null)).toBe(skipped)
    expect(of({ ...SYSTEM, appId: new Uint8Array(32) })).toBe(skipped)
  })

  test('of another app is refused: the app id is the measured one, whatever the chain was issued for', () => {
    const other = { ...SYSTEM, appId: new Uint8Array(20) }
    expect(outcome({}, undefined, undefined, other)).toBe(NOT_THIS_ROOT)
    const theirs = chain(compressed(DERIVED), PURPOSE, new Uint8Array(20))
    expect(outcome({ signatureChain: theirs })).toBe(NOT_THIS_ROOT)
  })

  test.each([
    ['local-sgx', { name: 'local-sgx', id: '00' }],
    ['none', { name: 'none', id: '' }],
    ['nobody', null],
  ])('is refused for a guest that took its keys from %s', (_, keyProvider) => {
    expect(outcome({}, undefined, undefined, { appId: APP_ID, keyProvider })).toBe(
      'skip depends_on_failed, fail custody_provider_mismatch',
    )
  })

  test.each(PORTS)(
    'of dstack’s own simulator leads to the root that its SDK expects (%s)',
    (_, crypto) => {
      // Published test data of Dstack-TEE/dstack, read 2026-11-26: app key and the KMS's signature over it from
      // sdk/simulator/appkeys.json, app key and root in public from sdk/go/dstack/client_web3_test.go.
      const app = new SigningKey(
        '0xd6e88992cdeeee35fe70b5db61ab66cdb191fb9b6ec9313757ef162dd7214d5d',
      )
      expect(app.compressedPublicKey).toBe(
        '0x02818494263695e8839122dbd88e281d7380622999df4e60a14befa0f2d096fc7c',
      )
      const kmsSignature = hex(
        '9e618603e72d01fedb82deff6daf2d62a572becf0059eec3f89c1ab40e1f2e59' +
          '4d2a283f843f34e8f39e4cc49a612496ce67223a12ac923f8efe330346dfc6c500',
      )
      const root = hex('0321529e458424ab1f710a3a57ec4dad2fb195ddca572f7469242ba6c7563085b6')
      const [first = APP_ID] = chain(compressed(DERIVED), PURPOSE, APP_ID, app)
      const genuine = { signatureChain: [first, kmsSignature] }
      expect(outcome(genuine, [root], crypto)).toBe(ACCEPTED)
      const other = { ...SYSTEM, appId: new Uint8Array(20) }
      expect(outcome(genuine, [root], crypto, other)).toBe(NOT_THIS_ROOT)
    },
  )
})
