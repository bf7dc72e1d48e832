import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { parseTappEvidence } from '../../attestation/attester/tapp/parse-tapp-evidence.ts'
import { measureCompose } from '../../attestation/simulator/tapp/compose-measurement.ts'
import { createSimulatedTapp } from '../../attestation/simulator/tapp/create-simulated-tapp.ts'
import { agentEvent } from '../../attestation/simulator/tapp/tcg2-log.ts'

const sha512 = (data: Uint8Array) => Uint8Array.from(createHash('sha512').update(data).digest())
const now = new Date(Date.UTC(2026, 10, 23))
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('a simulated machine of TAPP', () => {
  test('an event has the digest that the attestation agent gives the same text in its own tests', () => {
    // guest-components, attestation-agent/src/eventlog/mod.rs, `test_event_digest`, SHA-384.
    expect(hex(agentEvent('domain', 'operation', 'content').digest)).toBe(
      'dad5f0e226318ffa9839b75a472c6aa7fdb5834949d0a0a22990cf04d5692440fb00f3aa0609db7e49cd8d793f670d02',
    )
  })

  test('its evidence is what the client of TAPP takes, over the nonce that was sent', () => {
    const tapp = createSimulatedTapp({ composeText: 'services: {}\n', now })
    const nonce = sha512(Buffer.from('a statement'))
    const evidence = parseTappEvidence(tapp.evidenceJson(nonce), nonce, sha512)
    expect(evidence.signer).toBe(`0x${hex(tapp.signer)}`)
    expect(hex(evidence.eventLog.slice(-8))).toBe('ff'.repeat(8))
  })

  test('quoting and spacing of a compose text are not measured', () => {
    const plain = measureCompose("version: '3.8'\nservices:\n  web:\n    image: nginx\n")
    const quoted = measureCompose('version: "3.8"\nservices:\n\n  web:\n    image: "nginx"\n')
    expect(hex(quoted)).toBe(hex(plain))
  })

  test('whatever is measured changes the register that it is measured into', () => {
    const tapp = createSimulatedTapp({ composeText: 'services: {}\n', now })
    const before = tapp.rtmrs().map(hex)
    tapp.stopApp()
    const after = tapp.rtmrs().map(hex)
    expect(after.slice(0, 3)).toEqual(before.slice(0, 3))
    expect(after[3]).not.toBe(before[3])
  })
})
