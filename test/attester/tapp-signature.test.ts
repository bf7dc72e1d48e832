import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { openTappGuest } from '../../attestation/attester/tapp/open-tapp-guest.ts'
import type { Tapp, TappKey } from '../../attestation/attester/tapp/open-tapp.ts'
import { parseTappEvidence } from '../../attestation/attester/tapp/parse-tapp-evidence.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { recoverTappStatement } from '../../attestation/protocol/tapp-statement.ts'
import { measureCompose } from '../../attestation/simulator/tapp/compose-measurement.ts'
import type { SimulatedTapp } from '../../attestation/simulator/tapp/create-simulated-tapp.ts'
import { createSecp256k1Signer } from '../../enclave/keys/secp256k1-signer.ts'
import { COMPOSE, newTapp } from '../appraiser/tapp.helpers.ts'

const sign = (secret: Uint8Array, digest: Uint8Array) => createSecp256k1Signer(secret).sign(digest)
const digest = Uint8Array.from(createHash('sha512').update('a statement').digest())
const keyOf = ({ secret, signer }: SimulatedTapp): TappKey => ({
  key: secret,
  address: `0x${toHex(signer)}`,
})

function connected(machine: SimulatedTapp, keys: readonly TappKey[]): Tapp {
  let asked = 0
  return {
    appId: machine.appId,
    version: () => Promise.resolve('0.9.0'),
    app: () =>
      Promise.resolve({ composeText: COMPOSE, composeHash: toHex(measureCompose(COMPOSE)) }),
    evidence: (nonce) =>
      Promise.resolve(
        parseTappEvidence(machine.evidenceJson(nonce), nonce, (data) => nodeCrypto.sha512(data)),
      ),
    secretKey: () => {
      const key = keys[Math.min(asked++, keys.length - 1)]
      return key === undefined ? Promise.reject(new Error('no key')) : Promise.resolve(key)
    },
    close: () => {},
  }
}

describe('the signature over a statement under TAPP', () => {
  test('is by the key that the quote names, in both implementations of it', async () => {
    const machine = newTapp()
    const { cpu } = await openTappGuest(connected(machine, [keyOf(machine)]), sign)
    const { tapp } = await cpu.quote(digest)
    expect(tapp?.signature).toBe(machine.signStatement(digest))
    expect(recoverTappStatement(digest, tapp?.signature ?? '', nodeCrypto)).toBe(
      keyOf(machine).address,
    )
  })

  test('follows a service of TAPP that was started anew and derives other keys', async () => {
    const machine = newTapp()
    const old = keyOf(newTapp())
    const { cpu } = await openTappGuest(connected(machine, [old, keyOf(machine)]), sign)
    expect((await cpu.quote(digest)).tapp?.signature).toBe(machine.signStatement(digest))
  })

  test('is not made with a key that the quote does not name', async () => {
    const machine = newTapp()
    const { cpu } = await openTappGuest(connected(machine, [keyOf(newTapp())]), sign)
    await expect(cpu.quote(digest)).rejects.toMatchObject({ code: 'tapp_wrong_key' })
  })
})
