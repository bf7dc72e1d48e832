/** The whole service behind every release of the guest agent: its document is verified, and its address is the app's. */
import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import { POLICIES } from '../../attestation/appraiser/policies.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { GuestAgentError } from '../../attestation/attester/dstack/guest-agent-error.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { AGENT_RELEASES } from '../../attestation/simulator/dstack/agent-releases.ts'
import type { AgentReleaseName } from '../../attestation/simulator/dstack/agent-releases.ts'
import { createGate } from '../../src/service/gate.ts'
import { openSimulation } from '../../src/service/open-simulation.ts'
import type { Simulation } from '../../src/service/open-simulation.ts'
import { chat, chatBody, get } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

let at: TestService | null = null
afterEach(async () => {
  await at?.close()
  at = null
})

function simulationOf(service: TestService): Simulation {
  if (service.simulation === null) throw new Error('no simulation')
  return service.simulation
}

describe.each(AGENT_RELEASES.filter((release) => release !== '0.3.6'))('release %s', (release) => {
  async function start(addressKey: 'derived' | 'ephemeral'): Promise<TestService> {
    at = await startTestService({ gpus: 1, addressKey, release })
    return at
  }

  test('its document is accepted, with the address led to the KMS, and it serves', async () => {
    const service = await start('derived')
    const { roots } = simulationOf(service)
    const nonce = toHex32(randomBytes(32))
    const { body, status } = await get(service, `/attestation?nonce=${nonce}`)
    expect(status).toBe(200)
    const { verdict } = appraiseDocument(Buffer.from(body), {
      crypto: nodeCrypto,
      at: Math.floor(Date.now() / 1000),
      nonce,
      policy: {
        ...POLICIES.node,
        allowSimulated: true,
        sgxRoots: [roots.sgx],
        nvidiaRoots: [roots.nvidia],
        kmsRoots: [roots.kms ?? ''],
      },
    })
    expect(verdict.checks.filter(({ status: how }) => how === 'fail')).toEqual([])
    expect(verdict.verdict).toBe('accepted')
    const passed = verdict.checks.filter(({ status: how }) => how === 'pass').map(({ id }) => id)
    for (const id of ['eventlog.rtmr3', 'eventlog.system_events', 'custody.kms_root']) {
      expect(passed).toContain(id)
    }
    expect((await chat(service, chatBody('x'))).status).toBe(200)
    expect(createGate(roots)(body.toString()).cause).toBeNull()
  })
})

test('a guest of 0.3 is refused before any key is asked for: its log does not say where the system ends', async () => {
  const release: AgentReleaseName = '0.3.6'
  for (const addressKey of ['derived', 'ephemeral'] as const) {
    const opened = openSimulation({ composeText: '{}', gpus: 1, addressKey, release })
    const error: unknown = await opened.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(GuestAgentError)
    expect(error).toMatchObject({ code: 'agent_unsupported' })
  }
})
