import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { doctor } from '../../src/cli/doctor.ts'
import type { DoctorMachine, DoctorOptions } from '../../src/cli/doctor.ts'
import { addNodeCommands } from '../../src/cli/node-commands.ts'
import { Refusal } from '../../src/cli/refusal.ts'
import { addServeOptions } from '../../src/cli/serve-options.ts'
import { brokerSnippet, UNKNOWN_ADDRESS, UNKNOWN_URL } from '../../src/doctor/broker-snippet.ts'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { ADDRESS_KEY_PATH } from '../../enclave/keys/address-key.ts'
import { startIntelServer } from '../collateral/intel-server.helpers.ts'
import type { IntelServer } from '../collateral/intel-server.helpers.ts'
import { startNvidiaServer } from '../collateral/nvidia-server.helpers.ts'
import type { NvidiaServer } from '../collateral/nvidia-server.helpers.ts'
import { NO_STUB } from '../harness/nvml-stub.ts'
import { TOKEN, rowOf, startNode } from './doctor.helpers.ts'
import type { DoctorNode } from './doctor.helpers.ts'

interface Printed {
  readonly rows: Parameters<typeof rowOf>[0]
  readonly broker: string
}

/** `service:` of the broker's config.go; the YAML is strict, so that one unknown name keeps it from starting. */
const BROKER_FIELDS: readonly string[] = [
  ...['servingUrl', 'targetUrl', 'inputPrice', 'outputPrice', 'type', 'model', 'upstreamModel'],
  ...['modelAliases', 'canonicalId', 'verifiability', 'additionalSecret', 'verifierUrl'],
  ...['targetTeeAddress', 'targetSeparated', 'providerStake', 'modelInfo', 'providerType'],
  ...[
    'providerIdentity',
    'targetTLSProxy',
    'upstreamDomain',
    'injectBodyFields',
    'stripBodyFields',
  ],
]

/** Two levels of plain mappings, which is all that the snippet may consist of. */
function parseSnippet(yaml: string): Record<string, string | Record<string, string>> {
  const [head, ...lines] = yaml.trimEnd().split('\n')
  expect(head).toBe('service:')
  const service: Record<string, string | Record<string, string>> = {}
  let inner: Record<string, string> = {}
  for (const line of lines) {
    const [, indent = '', name = '', value = ''] =
      /^( {2}| {4})([A-Za-z]+):(?: (.+))?$/.exec(line) ?? []
    expect(name, line).not.toBe('')
    const text = value.startsWith('"') ? (JSON.parse(value) as string) : value
    if (indent.length === 4) inner[name] = text
    else service[name] = value === '' ? (inner = {}) : text
  }
  return service
}

describe('the snippet for the broker', () => {
  const facts = {
    targetUrl: 'http://10.0.0.5:8080/v1',
    address: '0x' + '11'.repeat(20),
    model: 'org/mo"del',
  }

  test('has known members alone, and what makes a separate signer of the sidecar', () => {
    const service = parseSnippet(brokerSnippet(facts))
    for (const name of Object.keys(service)) expect(BROKER_FIELDS).toContain(name)
    expect(service).toMatchObject({
      type: 'chatbot',
      model: 'org/mo"del',
      targetUrl: 'http://10.0.0.5:8080/v1',
      targetSeparated: 'true',
      targetTeeAddress: facts.address,
      providerType: 'decentralized',
      verifiability: 'TeeML',
      additionalSecret: { Authorization: 'Bearer <token of the relay principal>' },
    })
  })

  test('is of the broker alone: nothing of another product', () => {
    expect(brokerSnippet(facts)).not.toMatch(/assay/i)
  })

  test('says where something is still to be filled in', () => {
    const snippet = brokerSnippet({ targetUrl: null, address: null, model: null })
    expect(snippet).toContain(JSON.stringify(UNKNOWN_ADDRESS))
    expect(snippet.match(/"[^"]*<[^>]+>[^"]*"/g)).toHaveLength(4)
  })
})

describe.skipIf(NO_STUB !== null)('countersign doctor', () => {
  let node: DoctorNode
  let intel: IntelServer
  let nvidia: NvidiaServer
  let folder: string
  let services: DoctorOptions
  beforeAll(async () => {
    node = await startNode()
    intel = await startIntelServer(node.guest.pki.collateral)
    nvidia = await startNvidiaServer()
    folder = await mkdtemp(join(tmpdir(), 'countersign-doctor-cli-'))
    await mkdir(join(folder, 'volume'))
    const cas = join(folder, 'ca.pem')
    await writeFile(cas, `${intel.tlsCa}\n${String(nvidia.transport.tlsCa)}`)
    // No collateral of an earlier run counts.
    vi.stubEnv('XDG_CACHE_HOME', folder)
    services = {
      fetchCollateral: true,
      allowSimulated: true,
      pccs: intel.pccs.api,
      rimUrl: nvidia.services.rim,
      ocspUrl: nvidia.services.ocsp,
      tlsCa: cas,
      proxy: 'none',
    }
  })
  afterAll(async () => {
    vi.unstubAllEnvs()
    await node.close()
    await intel.close()
    await nvidia.close()
    await rm(folder, { recursive: true })
  })
  afterEach(async () => {
    intel.serve = () => node.guest.pki.collateral
    await rm(join(folder, 'countersign'), { recursive: true, force: true })
    await node.stub.set()
  })

  const run = async (
    options: DoctorOptions = {},
    machine: Partial<DoctorMachine> = {},
  ): Promise<{ readonly code: number; readonly out: string }> => {
    let out = ''
    const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
      out += String(chunk)
      return true
    })
    const { places } = node.input()
    try {
      const code = await doctor(
        {
          upstream: [`demo=${node.model.url}`],
          requireGpu: '8',
          volume: join(folder, 'volume'),
          ...options,
        },
        {
          environment: { COUNTERSIGN_TOKENS: `broker:${TOKEN}:relay` },
          socketPath: node.socketPath,
          nvml: node.nvml,
          ...(places === undefined ? {} : { places }),
          ...machine,
        },
      )
      return { code, out }
    } finally {
      spy.mockRestore()
    }
  }
  const json = async (options: DoctorOptions = {}, machine: Partial<DoctorMachine> = {}) => {
    const { code, out } = await run({ ...options, json: true }, machine)
    return { code, ...(JSON.parse(out) as Printed) }
  }

  test('exit 20 where nobody outside was asked, 10 where a row fails', async () => {
    expect((await run()).code).toBe(20)
    expect((await run({}, { socketPath: null })).code).toBe(10)
    expect((await run({}, { environment: {} })).code).toBe(10)
  })

  test('asks Intel and NVIDIA where it may: state by both channels, clock, and what is missing', async () => {
    const { code, rows } = await json(services)
    expect(rowOf(rows, 'collateral.intel').status).toBe('ok')
    expect(rowOf(rows, 'tcb.now')).toMatchObject({ status: 'ok' })
    expect(rowOf(rows, 'tcb.now').seen).toMatch(/^UpToDate/)
    expect(rowOf(rows, 'tcb.early').status).toBe('ok')
    expect(rowOf(rows, 'clock.skew').status).toBe('ok')
    // The service knows no RIM of a simulated driver, and the responder nothing.
    expect(rowOf(rows, 'collateral.rim')).toMatchObject({ code: 'collateral_unavailable' })
    expect(rowOf(rows, 'collateral.ocsp')).toMatchObject({ code: 'collateral_unavailable' })
    expect(code).toBe(10)
  })

  test('tcb.early: a platform that the early channel lets fall', async () => {
    const stale = createIntelPki({ now: new Date() }).collateral
    intel.serve = (_, channel) => (channel === 'early' ? stale : node.guest.pki.collateral)
    const { rows } = await json(services)
    expect(rowOf(rows, 'tcb.now').status).toBe('ok')
    expect(rowOf(rows, 'tcb.early')).toMatchObject({
      status: 'warn',
      code: 'tcb_soon_not_accepted',
    })
  })

  test('collateral.intel: the service has none', async () => {
    intel.serve = () => null
    const { rows } = await json(services)
    expect(rowOf(rows, 'collateral.intel')).toMatchObject({
      status: 'fail',
      code: 'collateral_unavailable',
    })
    expect(rowOf(rows, 'collateral.intel').seen).toContain('collateral_not_found')
  })

  test('tcb.now: a simulated platform is none of Intel', async () => {
    const { rows } = await json({ ...services, allowSimulated: false })
    expect(rowOf(rows, 'tcb.now')).toMatchObject({ status: 'fail', code: 'tcb_not_accepted' })
  })

  test('without the word nobody is asked', async () => {
    intel.requests.length = 0
    nvidia.requests.length = 0
    const { rows } = await json({ ...services, fetchCollateral: false })
    expect([...intel.requests, ...nvidia.requests]).toEqual([])
    expect(rowOf(rows, 'tcb.now')).toMatchObject({ status: 'unknown', code: 'not_asked' })
  })

  test('ends with the snippet for this address and this model', async () => {
    const { broker, rows } = await json({ targetUrl: 'http://10.0.0.5:8080' })
    const service = parseSnippet(broker)
    expect(service).toMatchObject({ targetUrl: 'http://10.0.0.5:8080/v1', model: 'demo/words' })
    expect(rowOf(rows, 'key.address').seen).toMatch(
      new RegExp(`^${String(service['targetTeeAddress'])}, derived`),
    )
    const { out } = await run()
    expect(out.trimEnd().split('\n').at(-1)).toMatch(/^ {6}Authorization: /)
  })

  test('a table for people: state, check, what was seen, and below it code and action', async () => {
    await node.stub.set({ ccFeature: 0 })
    const { out } = await run()
    expect(out).toMatch(
      /^fail {4}gpu\.cc +ccFeature 0, .*\n +nvml_cc_off: Confidential computing is off\. /m,
    )
    expect(out).toMatch(/^ok {6}gpu\.devtools +off$/m)
    expect(out).toMatch(/^\d+ ok, 0 warn, 2 fail, 6 unknown\.$/m)
  })

  test('takes every flag of serve', () => {
    const program = new Command()
    addNodeCommands(program)
    const flags = program.commands
      .find((one) => one.name() === 'doctor')
      ?.options.map(({ long }) => long)
    const wanted = addServeOptions(new Command()).options.map(({ long }) => long)
    expect(wanted.length).toBeGreaterThan(10)
    for (const flag of wanted) expect(flags).toContain(flag)
  })

  test('measures the folders of --store and of a sealed key', async () => {
    const store = join(folder, 'volume')
    const { rows } = await json({
      store,
      addressKey: 'sealed',
      addressKeyDir: '/nowhere/at/all',
      volume: store,
    })
    expect(rowOf(rows, 'volume.write')).toMatchObject({ status: 'ok', seen: store })
    expect(rowOf(rows, 'keys.write')).toBeDefined()
    expect(rows.some(({ check }) => check === 'store.write')).toBe(false)
  })

  test('--listen says where the broker reaches it, as far as it does', async () => {
    const at = async (listen: string) => parseSnippet((await json({ listen })).broker)['targetUrl']
    expect(await at('10.1.2.3:9000')).toBe('http://10.1.2.3:9000/v1')
    expect(await at('0.0.0.0:9000')).toBe('http://<address of this machine>:9000/v1')
    expect(await at('127.0.0.1:9000')).toBe(UNKNOWN_URL)
  })

  test('without an agent: what fails comes first, and what was not looked at stands together', async () => {
    const { out } = await run({}, { socketPath: null })
    const lines = out.split('\n')
    expect(lines[0]).toMatch(/^fail {4}agent\.socket/)
    expect(out).toMatch(
      /^unknown agent\.version, agent\.app, agent\.quote, agent\.measured, key\.provider, key\.address$/m,
    )
    expect(out.match(/there is no agent to ask/g)).toHaveLength(1)
  })

  test('can be rehearsed: a guest and GPUs of its own, and that is said', async () => {
    const { rows } = await json({ simulate: true }, { socketPath: null })
    expect(rowOf(rows, 'agent.measured').status).toBe('ok')
    expect(rowOf(rows, 'gpu.simulated')).toMatchObject({ status: 'warn', code: 'gpu_simulated' })
    expect(rowOf(rows, 'gpu.evidence').status).toBe('ok')
    expect(rowOf(rows, 'key.address').seen).toMatch(/^0x[0-9a-fA-F]{40}, derived/)
    await writeFile(join(folder, 'broken.json'), '{')
    for (const compose of ['/nonexistent', join(folder, 'broken.json')]) {
      await expect(doctor({ simulate: true, compose })).rejects.toThrow(Refusal)
    }
  })

  test('no token and no key is printed, whatever fails', async () => {
    const path = ADDRESS_KEY_PATH
    const asked = { path, purpose: path, algorithm: 'secp256k1' } as const
    const { key } = await connectGuestAgent(node.socketPath).getKey(asked)
    const hex = Buffer.from(key).toString('hex')
    for (const options of [{}, { json: true }, { ...services, json: true }]) {
      const { out } = await run(options)
      expect(out).not.toContain(TOKEN)
      expect(out).not.toContain(hex)
    }
    const wrong = { environment: { COUNTERSIGN_TOKENS: `Bad Name:${TOKEN}` } }
    expect((await run({}, wrong)).out).not.toContain(TOKEN)
  })

  test('a variable that nobody reads and a configuration that serve refuses', async () => {
    const environment = { COUNTERSIGN_TOKENS: `a:${TOKEN}`, COUNTERSIGN_TOKEN: 'x' }
    const { rows } = await json({}, { environment })
    expect(rowOf(rows, 'configuration')).toMatchObject({
      status: 'fail',
      code: 'configuration_wrong',
    })
    expect(rowOf(rows, 'configuration').seen).toContain('COUNTERSIGN_TOKEN')
    const remote = await json({ upstream: ['http://vllm:8000'] })
    expect(rowOf(remote.rows, 'configuration').code).toBe('configuration_wrong')
  })
})
