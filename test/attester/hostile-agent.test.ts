import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { callGuestAgent } from '../../attestation/attester/dstack/call-guest-agent.ts'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { GuestAgentError } from '../../attestation/attester/dstack/guest-agent-error.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { startGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import type { AgentFaults } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import { getOnce } from '../../src/channel/get-once.ts'
import { HOSTILE_ANSWERS, startHostile } from '../harness/hostile-answers.ts'
import type { HostileServer } from '../harness/hostile-answers.ts'
import { transpile } from '../harness/transpile.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-hostile-'))
afterAll(() => rmSync(folder, { recursive: true }))

let server: HostileServer | null = null
afterEach(async () => {
  await server?.close()
  server = null
})

const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'answered',
    (error: unknown) => (error instanceof GuestAgentError ? error.code : error),
  )

/** Of all the shapes of an answer; `agent_timeout` would mean that nothing but the deadline ended it. */
const CODES: Readonly<Record<string, string>> = {
  'a switched protocol': 'agent_malformed',
  'a switched protocol, the connection left open': 'agent_malformed',
  // Node takes it for an answer of status 101.
  'a switched protocol that nobody named': 'agent_refused',
  'interim answers without end': 'agent_malformed',
  'a body without end': 'agent_malformed',
}

describe.each(Object.entries(HOSTILE_ANSWERS))('%s in place of an answer', (name, act) => {
  test('ends a call of the guest agent, with a name', async () => {
    const path = join(folder, 'dstack.sock')
    server = await startHostile(act, path)
    const code = await outcome(callGuestAgent(path, 'Info', {}, { deadlineMs: 5_000 }))
    expect(code).toBe(CODES[name] ?? 'agent_unreachable')
  })

  test('ends the fetch of an attestation document, with an error or a status that nobody takes', async () => {
    server = await startHostile(act)
    const asked = getOnce(`http://127.0.0.1:${String(server.port)}/`, {
      maxBytes: 1024,
      timeoutMs: 5_000,
    })
    const ended = await asked.then(
      ({ status, body }) => ({ status, body: body?.length ?? null }),
      (error: unknown) => error,
    )
    if (name === 'a body without end') expect(ended).toEqual({ status: 413, body: null })
    else if (name === 'a switched protocol that nobody named') {
      expect(ended).toEqual({ status: 101, body: 0 })
    } else expect(ended).toBeInstanceOf(Error)
    expect(ended).not.toMatchObject({ name: 'TimeoutError' })
  })
})

const root = process.getuid?.() === 0
test.skipIf(!root)(
  `a socket that this user may not use is agent_denied${root ? '' : ' (SKIPPED: needs root, to be another user)'}`,
  async () => {
    const path = join(folder, 'denied.sock')
    server = await startHostile((socket) => socket.end(), path)
    chmodSync(path, 0o600)
    chmodSync(folder, 0o755)
    const built = await transpile('attestation/attester/dstack/call-guest-agent.ts')
    chmodSync(fileURLToPath(new URL('../../..', built.url)), 0o755)
    const script = `import { callGuestAgent } from ${JSON.stringify(built.url)}
      await callGuestAgent(${JSON.stringify(path)}, 'Info', {}).catch((error) => console.log(error.code, error.message))`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      uid: 65_532,
      gid: 65_532,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await new Promise((resolve) => child.once('close', resolve))
    await built.remove()
    expect(said).toBe('agent_denied Info: guest agent unreachable (EACCES)\n')
  },
)

test('one answer that switches the protocol does not keep later quotes from being made', async () => {
  const guest = createSimulatedGuest({ composeText: '{}', now: new Date() })
  const faults: AgentFaults = {}
  const path = join(folder, 'dstack.sock')
  const agent = await startGuestAgent(guest, { socketPath: path, faults })
  const client = connectGuestAgent(path)
  faults.switchProtocol = true
  expect(await outcome(client.getQuote(new Uint8Array(64)))).toBe('agent_malformed')
  faults.switchProtocol = false
  expect(await outcome(client.getQuote(new Uint8Array(64)))).toBe('answered')
  await agent.close()
})
