/** Every way to have simulated evidence, or another's, taken for a machine's own: each is tried (the table in SECURITY.md). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import { parsePolicy, requirePolicy } from '../../attestation/appraiser/policy.ts'
import { TEE_MARKS } from '../../attestation/attester/dstack/tee-machine.ts'
import {
  NVML_LIBRARIES,
  findNvmlLibrary,
} from '../../attestation/attester/nvml/find-nvml-library.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import type { DcapCollateral } from '../../attestation/protocol/dcap-collateral.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { alterationOf } from '../../src/cli/check-process.ts'
import { loadPolicy } from '../../src/cli/load-policy.ts'
import { findMachine } from '../../src/cli/find-machine.ts'
import { loadConfig } from '../../src/cli/serve.ts'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import { parseConfig } from '../../src/config/config.ts'
import { createGate } from '../../src/service/gate.ts'
import { ASK, caught, openStage, user } from '../client/client.helpers.ts'
import type { Stage } from '../client/client.helpers.ts'
import { chat, chatBody, get, header, jsonObject } from '../harness/chat.ts'

const REAL = '/var/run/dstack.sock'
const BARE = { agent: null, tapp: null, mark: null }
const DSTACK = { agent: REAL, tapp: null, mark: REAL }
const NONCE = toHex32(new Uint8Array(32).fill(0x5c))

let stage: Stage
let document: Buffer
beforeAll(async () => {
  stage = await openStage({ gpus: 1 })
  document = (await get(stage.at, `/attestation?nonce=${NONCE}`)).body
})
afterAll(() => stage.close())

const upstreams = [{ name: 'u', url: 'http://127.0.0.1:1' }]
const problems = (value: object): string => {
  const parsed = parseConfig({ upstreams, ...value })
  return parsed.ok ? '' : parsed.problems.join('; ')
}

function file(value: unknown): string {
  const folder = mkdtempSync(join(tmpdir(), 'cs-override-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'file.json')
  writeFileSync(path, JSON.stringify(value))
  return path
}

describe('a machine that could be real', () => {
  test.each(TEE_MARKS)('refuses to simulate where %s exists', (mark) => {
    expect(() => findMachine({ simulate: true }, {}, { ...BARE, mark })).toThrow(`${mark} exists`)
  })

  test.each(['COUNTERSIGN_AGENT_SOCKET', 'DSTACK_SIMULATOR_ENDPOINT', 'TAPPD_SIMULATOR_ENDPOINT'])(
    'is not led to another agent by %s, and neither to that one by --simulate',
    (name) => {
      const environment = { [name]: '/tmp/another.sock' }
      expect(() => findMachine({}, environment, DSTACK)).toThrow(`${name} is set`)
      expect(() => findMachine({ simulate: true }, environment, DSTACK)).toThrow('is refused')
    },
  )

  test.each([
    ...['NODE_OPTIONS', 'NODE_PATH', 'NODE_TLS_REJECT_UNAUTHORIZED', 'NODE_USE_ENV_PROXY'],
    ...['NODE_DEBUG', 'NODE_V8_COVERAGE', 'OPENSSL_CONF', 'SSLKEYLOGFILE'],
    ...['LD_PRELOAD', 'LD_LIBRARY_PATH', 'LD_AUDIT', 'DEBUG'],
    // Compiled code from a folder, which Node believes by checksums that stand beside it; and what a later Node may bring.
    ...['NODE_COMPILE_CACHE', 'NODE_OF_THE_FUTURE'],
  ])('does not serve with %s, and does not repeat its value', (name) => {
    const start = () => findMachine({}, { [name]: '/tmp/evil' }, DSTACK)
    expect(start).toThrow(`started with ${name}`)
    expect(start).not.toThrow('/tmp/evil')
  })

  test('is not kept from serving by what the image sets, nor by a variable that is empty', () => {
    const environment = { NODE_ENV: 'production', NODE_VERSION: '24.0.0', NODE_OPTIONS: '' }
    expect(alterationOf({ environment, nodeArguments: [], debuggerUrl: undefined })).toBeNull()
  })

  test.each([
    ['--inspect=0.0.0.0:9229', '--inspect'],
    ['--require=/tmp/evil.js', '--require'],
    ['--import', '--import'],
    ['-r', '-r'],
    ['--tls-keylog=/tmp/keys', '--tls-keylog'],
  ])('does not serve under node %s', (argument, named) => {
    const started = { environment: {}, nodeArguments: [argument], debuggerUrl: undefined }
    expect(alterationOf(started)).toBe(named)
    expect(alterationOf({ ...started, nodeArguments: ['--max-old-space-size=512'] })).toBeNull()
  })

  test('does not serve while a debugger listens', () => {
    const started = { environment: {}, nodeArguments: [], debuggerUrl: 'ws://127.0.0.1:9229/x' }
    expect(alterationOf(started)).toBe('an open debugger')
  })

  test('serves nothing on simulated evidence, whatever it says of itself', () => {
    const gate = createGate(null)
    expect(gate(document.toString()).cause).toBe('simulation_not_allowed')
    const liar = document.toString().replace('"simulation":true', '"simulation":false')
    expect(gate(liar).cause).toBe('simulation_undeclared')
  })

  test.each([
    ['simulation', { simulate: true }],
    ['a gate', { gate: null }],
    ['its roots', { roots: { sgx: '00'.repeat(32) } }],
    ['allowSimulated', { allowSimulated: true }],
    ['the socket of an agent', { agent_socket: '/tmp/another.sock' }],
    ['the library of the driver', { gpu: { required: 1, library: '/tmp/libnvidia-ml.so.1' } }],
    ['a stub of the driver', { gpu: { required: 1, stub: true } }],
    ['roots of the vendors', { collateral: { roots: ['00'.repeat(32)] } }],
    ['a clock', { now: 1 }],
  ])('does not take %s from its configuration', (_what, members) => {
    expect(problems(members)).toContain('Unrecognized key')
  })

  test('lets no LD_LIBRARY_PATH and no working directory choose the library that speaks for the GPUs', () => {
    const folder = dirname(file({}))
    for (const name of ['libnvidia-ml.so.1', 'libnvidia-ml.so'])
      writeFileSync(join(folder, name), '')
    vi.stubEnv('LD_LIBRARY_PATH', folder)
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(findNvmlLibrary() ?? '').not.toContain(folder)
    expect(NVML_LIBRARIES.every((path) => isAbsolute(path) && !path.startsWith(tmpdir()))).toBe(
      true,
    )
    // The process that loads it inherits no variable at all: nvml.test.ts.
    expect(problems({ gpu: { required: 1, nvattest: 'nvattest' } })).toContain('absolute path')
  })
})

describe('a simulation says so', () => {
  test('in every id that it makes, in the configuration, and in its own roots', async () => {
    const { keyset } = stage.at.service.keys
    const ids = keyset.receipt_signing_keys.map(({ key_id }) => key_id)
    const reply = await chat(stage.at, chatBody('x'))
    for (const id of [...ids, keyset.subject ?? '', header(reply, 'x-receipt-id')]) {
      expect(id).toMatch(/^sim-/)
    }
    expect(jsonObject(document)['config']).toMatchObject({ simulation: true })
  })
})

describe('a verifier', () => {
  const roots = () => ({ sgxRoots: stage.policy.sgxRoots, nvidiaRoots: stage.policy.nvidiaRoots })
  const judged = (policy: unknown): readonly string[] => {
    const parsed = parsePolicy(policy)
    if (!parsed.ok) return [`policy: ${parsed.detail}`]
    const { verdict } = appraiseDocument(document, {
      crypto: nodeCrypto,
      at: Math.floor(Date.now() / 1000),
      nonce: NONCE,
      policy: parsed.policy,
    })
    const failed = verdict.checks.filter(({ status }) => status === 'fail')
    return verdict.verdict === 'accepted' ? ['accepted'] : failed.map(({ code }) => code)
  }

  test('accepts this simulation where it was told to, under its roots or any', () => {
    expect(judged({ allowSimulated: true, ...roots() })).toEqual(['accepted'])
    expect(judged({ allowSimulated: true, simulatedRoots: 'any' })).toEqual(['accepted'])
  })

  test.each<[string, () => object]>([
    ['by its mock roots alone', () => roots()],
    ['by any root alone', () => ({ simulatedRoots: 'any' })],
    ['by both', () => ({ simulatedRoots: 'any', ...roots() })],
    [
      'by doing without every check that can be left out',
      () => ({ acceptUnchecked: ['*', '*.*', '*.*.*'], ...roots() }),
    ],
  ])('refuses a simulation %s', (_how, policy) => {
    expect(judged(policy())).toContain('simulation_not_allowed')
  })

  // Any root will do in each: where the permission were taken, nothing else would stand in the way.
  const any = { simulatedRoots: 'any' }
  const told = { allowSimulated: true, ...any }
  test.each<[string, unknown]>([
    ['the text true', { ...any, allowSimulated: 'true' }],
    ['the number 1', { ...any, allowSimulated: 1 }],
    ['a misspelt member', { ...any, allowSimulation: true }],
    ['members of a prototype', Object.create(told)],
    ['a member of a prototype beside its own', Object.assign(Object.create(told), any)],
    [
      'a getter',
      Object.defineProperty({ ...any }, 'allowSimulated', { get: () => true, enumerable: true }),
    ],
    [
      'a member __proto__',
      JSON.parse('{"__proto__":{"allowSimulated":true,"simulatedRoots":"any"}}'),
    ],
    [
      'a member __proto__ beside its own',
      JSON.parse('{"simulatedRoots":"any","__proto__":{"allowSimulated":true}}'),
    ],
  ])('does not take %s for a policy that allows it', (_what, policy) => {
    expect(judged(policy)).toEqual([expect.stringMatching(/^(?:simulation_not_allowed$|policy: )/)])
  })

  test('is not told by its environment', async () => {
    const read = new Set<string>()
    const environment = process.env
    process.env = new Proxy(environment, {
      get: (target, name) => {
        read.add(String(name))
        return target[String(name)]
      },
      has: (target, name) => {
        read.add(String(name))
        return Reflect.has(target, name)
      },
      ownKeys: (target) => {
        read.add('all of it')
        return Reflect.ownKeys(target)
      },
    })
    onTestFinished(() => {
      process.env = environment
    })
    const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    onTestFinished(() => out.mockRestore())
    const run = (options: VerifyOptions) => verify(stage.at.url, options)
    const given = file(stage.at.simulation?.roots)
    expect(await run({})).toBe(10)
    expect(await run({ roots: given })).toBe(10)
    expect(await run({ acceptUnchecked: true, roots: given })).toBe(10)
    expect(await run({ allowSimulated: true, roots: given })).toBe(0)
    const policy = await loadPolicy({ roots: given })
    expect([policy.allowSimulated, policy.simulatedRoots]).toEqual([false, 'listed'])
    expect([...read]).toEqual([])
    expect(process.env['PATH']).toBeDefined()
    expect([...read]).toEqual(['PATH'])
  })

  test('refuses collateral of the mock vendors for evidence that is not theirs, from any hand', () => {
    const failed = (collateral: DcapCollateral | null) =>
      appraiseDocument(document, {
        crypto: nodeCrypto,
        at: Math.floor(Date.now() / 1000),
        nonce: NONCE,
        collateral,
        policy: requirePolicy(stage.policy),
      }).verdict.checks.filter(({ status }) => status === 'fail')
    expect(failed(stage.at.simulation?.guest.pki.collateral ?? null)).toEqual([])
    const codes = failed(createIntelPki({ now: new Date() }).collateral).map(({ code }) => code)
    expect(codes).toContain('collateral_chain_untrusted_root')
  })

  test('the verified fetch refuses a simulation by default, and one that is not the one it was told', async () => {
    const { sgxRoots = [], nvidiaRoots = [] } = roots()
    for (const policy of [
      {},
      { sgxRoots, nvidiaRoots },
      { allowSimulated: true },
      { allowSimulated: true, sgxRoots: ['00'.repeat(32)], nvidiaRoots },
    ]) {
      const me = user(stage, 'direct', { policy })
      const error = await caught(me.openai.chat.completions.create(ASK))
      expect(error.verdict.accepted).toBe(false)
    }
  })
})

describe('a remote model server', () => {
  test('needs the flag, is attested, and fails who did not accept it', async () => {
    const named = ['m=http://models.example:8000']
    await expect(loadConfig({ upstream: named })).rejects.toThrow(
      'neither a unix socket nor a loopback address',
    )
    const config = await loadConfig({ upstream: named, allowRemoteUpstream: true })
    expect(config.allow_remote_upstream).toBe(true)
    const remote = await openStage({ gpus: 1, config: { allow_remote_upstream: true } })
    onTestFinished(() => remote.close())
    const { body } = await get(remote.at, '/attestation')
    // Its own gate lets it serve, and warns: who relies on it decides.
    const { cause, warnings } = createGate('any')(body.toString())
    expect(cause).toBeNull()
    expect(warnings).toContainEqual({ code: 'remote_upstream', detail: 'config.upstreams' })
    const { config: attested } = jsonObject(body)
    expect(isJsonObject(attested) && attested['allow_remote_upstream']).toBe(true)
    const me = user(remote, 'direct')
    const error = await caught(me.openai.chat.completions.create(ASK))
    expect(error.code).toBe('remote_upstream')
    const willing = user(remote, 'direct', {
      policy: { ...remote.policy, allowRemoteUpstream: true },
    })
    await willing.openai.chat.completions.create(ASK)
    expect(willing.verdicts[0]?.accepted).toBe(true)
  })
})
