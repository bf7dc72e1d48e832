import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { checkMachineConfig, findMachine } from '../../src/cli/find-machine.ts'
import { keysRotate, keysShow } from '../../src/cli/keys.ts'
import { parseConfig } from '../../src/config/config.ts'
import { newFolder } from '../store/store.helpers.ts'

const REAL = '/var/run/dstack.sock'
const BARE = { agent: null, tapp: null, mark: null }
const DSTACK = { agent: REAL, tapp: null, mark: REAL }
const TAPP = { agent: null, tapp: '/run/tapp/tapp.sock', mark: '/run/tapp/tapp.sock' }

describe('a machine', () => {
  test('is asked by the platform that the operator named, never by the one that happens to be there', () => {
    const tapp = { tappAppId: 'countersign' }
    // Chosen, and only then refused: the process of a test has code loaded into it.
    expect(() => findMachine(tapp, {}, TAPP)).toThrow('This process was started with')
    expect(() => findMachine({}, {}, DSTACK)).toThrow('This process was started with')
    expect(() => findMachine({}, {}, TAPP)).toThrow(/tapp\.sock is TAPP's, which --tapp-app-id/)
    expect(() => findMachine(tapp, {}, DSTACK)).toThrow(/tapp\.sock is not mounted.*dstack\.sock/)
    const both = { ...TAPP, agent: REAL }
    expect(() => findMachine({}, {}, both)).toThrow('is mounted beside')
    expect(() => findMachine(tapp, {}, both)).toThrow('mount one of the two')
    expect(() => findMachine(tapp, {}, BARE)).toThrow('nothing to attest with')
  })

  test('takes no other socket of TAPP, and no simulated TAPP beside an agent', () => {
    const other = { tappAppId: 'countersign', tappSocket: '/tmp/another.sock' }
    expect(() => findMachine(other, {}, TAPP)).toThrow(
      '--tapp-socket has a meaning with --simulate',
    )
    expect(() => findMachine({ ...other, simulate: true }, {}, TAPP)).toThrow('is refused')
    expect(findMachine({ ...other, simulate: true }, {}, BARE)).toMatchObject({
      kind: 'simulator',
      socketPath: '/tmp/another.sock',
    })
    const environment = { COUNTERSIGN_AGENT_SOCKET: '/tmp/agent.sock' }
    const simulated = { tappAppId: 'countersign', simulate: true }
    expect(() => findMachine(simulated, environment, BARE)).toThrow('one or the other')
    expect(() => findMachine({ ...simulated, tappAppId: 'an app' }, {}, BARE)).toThrow('spaces')
    expect(() => findMachine({ ...simulated, tappSocket: 'tapp.sock' }, {}, BARE)).toThrow(
      'absolute',
    )
  })

  test.each([
    ['derived', /^The address key cannot be derived: TAPP gives new keys at each start/],
    ['sealed', /^The address key cannot be sealed: .* Possible: --address-key ephemeral\.$/],
    [undefined, /^The machine was started by TAPP: .* Choose in words: --address-key ephemeral\.$/],
  ])('of TAPP is served under no %s address, before TAPP is asked', (source, sentence) => {
    const place = { kind: 'real', socketPath: TAPP.tapp, tappAppId: 'countersign' } as const
    const config = (members: object) => {
      const parsed = parseConfig({
        upstreams: [{ name: 'u', url: 'http://127.0.0.1:1' }],
        gpu: { required: 0 },
        ...members,
      })
      if (!parsed.ok) throw new Error(parsed.problems.join('; '))
      return parsed.config
    }
    expect(() => checkMachineConfig(place, config({ address_key: source }))).toThrow(sentence)
    const ephemeral = { address_key: 'ephemeral' }
    expect(() => checkMachineConfig(place, config(ephemeral))).not.toThrow()
    const agentTls = { ...ephemeral, tls: { key: 'agent' } }
    expect(() => checkMachineConfig(place, config(agentTls))).toThrow("cannot be the agent's")
  })
})

describe('a simulator that nobody started', () => {
  test('is looked for where it was named, and the sentence says where', async () => {
    const nowhere = join(newFolder(), 'no.sock')
    const keys = { addressKey: 'derived', simulate: true }
    vi.stubEnv('COUNTERSIGN_AGENT_SOCKET', nowhere)
    try {
      await expect(keysShow(keys)).rejects.toThrow(
        `Nobody answers at ${nowhere}, which COUNTERSIGN_AGENT_SOCKET names.`,
      )
    } finally {
      vi.unstubAllEnvs()
    }
    const tapp = { tappAppId: 'sim-app', simulate: true, tappSocket: nowhere }
    await expect(keysShow({ ...tapp, addressKey: 'ephemeral' })).rejects.toThrow(
      `Nobody answers at ${nowhere}, which --tapp-socket names.`,
    )
  })
})

describe('keys show on a machine of TAPP', () => {
  const asked = { tappAppId: 'sim-app', simulate: true, json: true }
  test('has no address to show, and says that none survives', async () => {
    let out = ''
    const spies = (['stdout', 'stderr'] as const).map((stream) =>
      vi.spyOn(process[stream], 'write').mockImplementation((chunk) => {
        if (stream === 'stdout') out += String(chunk)
        return true
      }),
    )
    try {
      await keysShow({ ...asked, addressKey: 'ephemeral' })
    } finally {
      for (const spy of spies) spy.mockRestore()
    }
    expect(JSON.parse(out)).toEqual({
      source: 'ephemeral',
      generation: 0,
      address: null,
      key_provider: { measured: null, counts_as: 'tapp' },
      agent: { family: 'tapp', version: null },
      survives: { restart: false, upgrade: false, recreation: false },
    })
  })

  test('refuses the sources that are impossible there, and rotates nothing', async () => {
    await expect(keysShow({ ...asked, addressKey: 'derived' })).rejects.toThrow('cannot be derived')
    await expect(keysShow(asked)).rejects.toThrow('Choose in words: --address-key ephemeral')
    const sealed = { ...asked, addressKey: 'sealed' }
    await expect(keysRotate(sealed)).rejects.toThrow('cannot be sealed')
  })
})
