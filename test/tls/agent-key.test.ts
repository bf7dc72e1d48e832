/** A TLS key from the guest agent, with a certificate that carries its evidence (RA-TLS). */
import { describe, expect, test } from 'vitest'
import { appraiseRaTls } from '../../attestation/appraiser/ratls/appraise-ratls.ts'
import type { GuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { createTlsKey } from '../../enclave/keys/tls-key.ts'
import { parseConfig } from '../../src/config/config.ts'
import { gunzip } from '../../src/gunzip.ts'
import { nodePolicy } from '../../src/service/gate.ts'
import { openSimulation } from '../../src/service/open-simulation.ts'
import { openAgentTlsKey } from '../../src/service/tls/open-agent-tls-key.ts'
import { openTls } from '../../src/service/tls/open-tls.ts'
import { strangerCertificate } from './middle-box.ts'
import { run, startTlsService } from './tls.helpers.ts'

const at = Math.floor(Date.now() / 1000)
const openGuest = (composeText = '{"name":"countersign-test"}') =>
  openSimulation({ composeText, gpus: 1, addressKey: 'ephemeral' })

function configured(key: 'boot' | 'agent') {
  const parsed = parseConfig({
    upstreams: [{ name: 'demo', url: 'http://127.0.0.1:9' }],
    tls: { port: 0, key, names: ['app.example'] },
  })
  if (!parsed.ok) throw new Error(parsed.problems.join())
  return parsed.config
}

test('a client that reads RA-TLS certificates accepts what openssl is shown', async () => {
  const started = await startTlsService({ gpus: 1, tls: { key: 'agent', names: ['app.example'] } })
  const { stdout } = await run('openssl', [
    ...['s_client', '-connect', `127.0.0.1:${started.securePort}`, '-showcerts'],
  ])
  const chain = stdout.match(/-----BEGIN CERTIFICATE-----[^]+?-----END CERTIFICATE-----/g) ?? []
  expect(chain).toHaveLength(3)
  const { verdict, spki } = appraiseRaTls(`${chain.join('\n')}\n`, {
    crypto: nodeCrypto,
    at,
    policy: nodePolicy(started.simulation?.roots ?? null),
    collateral: null,
    gunzip,
  })
  expect(verdict.verdict, verdict.sentence).toBe('accepted')
  const seen = Buffer.from(nodeCrypto.sha256(spki ?? new Uint8Array())).toString('hex')
  expect(seen).toBe(started.spkiSha256)
  expect(started.service.config).toMatchObject({ listeners: { tls: { key: 'agent' } } })
  await started.close()
})

describe('a key of the agent', () => {
  const open = async (change: (agent: GuestAgent, other: GuestAgent) => Partial<GuestAgent>) => {
    const [own, other] = await Promise.all([openGuest(), openGuest()])
    const agent = connectGuestAgent(own.socketPath)
    const doctored = { ...agent, ...change(agent, connectGuestAgent(other.socketPath)) }
    try {
      return await openAgentTlsKey(doctored, configured('agent'), {
        facts: own.cpu.facts,
        roots: 'any',
        at,
      })
    } finally {
      await own.close()
      await other.close()
    }
  }

  test('is another one each time it is asked for', async () => {
    const keys = await Promise.all([open(() => ({})), open(() => ({}))])
    expect(new Set(keys.map((key) => key?.spkiSha256)).size).toBe(2)
    expect(keys[0]?.source).toBe('agent')
  })

  test('is refused where its certificate is for another one', async () => {
    const swapped = open((agent) => ({
      async getTlsKey(request) {
        const [one, two] = [await agent.getTlsKey(request), await agent.getTlsKey(request)]
        return { key: one.key, chain: two.chain }
      },
    }))
    await expect(swapped).rejects.toMatchObject({ code: 'agent_tls_unproven' })
  })

  test('is refused with a certificate that carries no evidence', async () => {
    const { key, cert } = strangerCertificate()
    const plain = open(() => ({ getTlsKey: () => Promise.resolve({ key, chain: cert }) }))
    await expect(plain).rejects.toMatchObject({
      code: 'agent_tls_unproven',
      message: expect.stringContaining('ratls_no_evidence') as unknown,
    })
  })

  test('is refused where it is of another guest', async () => {
    const other = await openGuest('{"name":"another"}')
    const relayed = open(() => ({
      getTlsKey: (request) => connectGuestAgent(other.socketPath).getTlsKey(request),
    }))
    await expect(relayed).rejects.toMatchObject({ code: 'agent_tls_unproven' })
    await other.close()
  })

  test('is not to be had from the socket of tappd', async () => {
    const asked = connectGuestAgent('/nowhere/tappd.sock').getTlsKey({ subject: 'x', altNames: [] })
    await expect(asked).rejects.toMatchObject({ code: 'agent_unsupported' })
  })

  test('is never taken for one made at boot, nor the reverse', async () => {
    const made = createTlsKey(true)
    const options = { key: made, simulated: true, nowMs: Date.now }
    await expect(openTls(configured('agent').tls, options)).rejects.toThrow(TypeError)
    await expect(openTls(configured('agent').tls, { ...options, key: null })).rejects.toThrow(
      TypeError,
    )
    expect((await openTls(configured('boot').tls, options))?.key).toBe(made)
  })
})
