/** No command may end as if all had gone well because nothing was left to wait for. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { keysRotate, keysShow } from '../../src/cli/keys.ts'
import { Refusal } from '../../src/cli/refusal.ts'
import { serve } from '../../src/cli/serve.ts'
import { verify } from '../../src/cli/verify.ts'
import { HOSTILE_ANSWERS, startHostile } from '../harness/hostile-answers.ts'
import { transpile } from '../harness/transpile.ts'
import { readText } from '../project/source-tree.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-silence-'))
const socketPath = join(folder, 'dstack.sock')
afterEach(() => vi.unstubAllEnvs())
afterAll(() => rmSync(folder, { recursive: true }))

test('a command whose last promise nobody keeps ends as a fault, and says so', async () => {
  const built = await transpile('src/cli/refuse-silence.ts')
  const script = fileURLToPath(new URL('drained.mjs', built.url))
  writeFileSync(
    script,
    `import { refuseSilence } from ${JSON.stringify(built.url)}
     refuseSilence()
     new Promise(() => {}).then(() => process.exit(0))`,
  )
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const code = await new Promise((resolve) => child.once('close', resolve))
  await built.remove()
  expect([code, said]).toEqual([
    1,
    'The command ended without a result, which is a fault of its own.\n',
  ])
})

test('every command is under that rule, and ends by an exit of its own', () => {
  const main = readText('src/cli/main.ts')
  const armed = main.indexOf('\nrefuseSilence()\n')
  expect(armed).toBeGreaterThan(0)
  expect(armed).toBeLessThan(main.indexOf('program.parseAsync('))
  for (const path of ['src/cli/main.ts', 'src/cli/node-commands.ts', 'src/cli/proxy-command.ts']) {
    const text = readText(path)
    const actions = text.split('.action(').slice(1)
    expect(actions.length, path).toBeGreaterThan(0)
    for (const action of actions) {
      expect(action.slice(0, action.indexOf('\n  })') + 1 || undefined)).toContain('process.exit(')
    }
  }
})

describe('one answer that switches the protocol does not end in success, nor never', () => {
  const switching = HOSTILE_ANSWERS['a switched protocol'] ?? (() => undefined)

  test.each([
    ['keys show', () => keysShow({ simulate: true })],
    ['keys rotate', () => keysRotate({ simulate: true, addressKey: 'sealed' })],
    [
      'serve --print-config',
      () => serve({ simulate: true, printConfig: true, upstream: ['unix:/none.sock'] }),
    ],
  ])('%s, from the guest agent', async (_, act) => {
    vi.stubEnv('COUNTERSIGN_AGENT_SOCKET', socketPath)
    vi.stubEnv('COUNTERSIGN_TOKENS', 'alice:token-of-alice-0123456789')
    const agent = await startHostile(switching, socketPath)
    const ended: unknown = await act().catch((error: unknown) => error)
    await agent.close()
    expect(ended).toBeInstanceOf(Refusal)
    expect(String(ended)).toContain('protocol_switched')
  })

  test('verify, from the service', async () => {
    const server = await startHostile(switching)
    const url = `http://127.0.0.1:${String(server.port)}`
    const ended: unknown = await verify(url, {}).catch((error: unknown) => error)
    await server.close()
    expect(ended).not.toBe(0)
    expect(ended).toBeInstanceOf(Error)
  })
})
