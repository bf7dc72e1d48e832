/** A node in good order for the doctor, each part of which a test can spoil. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openNvml } from '../../attestation/attester/nvml/open-nvml.ts'
import type { NvmlSource } from '../../attestation/attester/nvml/open-nvml.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import type {
  KeyProviderName,
  SimulatedGuest,
} from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { startGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import type { AgentFaults } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Config } from '../../src/config/config.ts'
import { readTokens } from '../../src/config/read-tokens.ts'
import type { DoctorRow } from '../../src/doctor/doctor-row.ts'
import { runDoctor } from '../../src/doctor/run-doctor.ts'
import type { DoctorInput } from '../../src/doctor/run-doctor.ts'
import { startDouble, closeDouble } from '../harness/model-double.ts'
import type { Double } from '../harness/model-double.ts'
import { startNvmlStub } from '../harness/nvml-stub.ts'
import type { NvmlStub } from '../harness/nvml-stub.ts'
import { transpile } from '../harness/transpile.ts'

export const GPUS = 8
export const TOKEN = 'relay-token-0123456789'
const TIMING = { initMs: 5_000, callMs: 2_000 }

export function composeOf(
  command: string,
  members: Readonly<Record<string, unknown>> = { secure_time: true },
): string {
  const services = `services:\n  countersign:\n    command:\n      - ${command}\n`
  return JSON.stringify({ name: 'sim', docker_compose_file: services, ...members })
}

export interface GuestOptions {
  readonly composeText?: string
  readonly keyProvider?: KeyProviderName
  readonly gpus?: number
}

export interface DoctorNode {
  readonly folder: string
  readonly socketPath: string
  readonly guest: SimulatedGuest
  readonly faults: AgentFaults
  readonly stub: NvmlStub
  readonly model: Double
  readonly nvml: NvmlSource
  /** A new source over the same driver: the process behind the other one is initialised already. */
  nvmlAnew(): NvmlSource
  /** Another guest on a socket of its own. */
  guestAt(options: GuestOptions): Promise<string>
  /** The agent with some answers changed: by method. */
  altered(change: Readonly<Record<string, (answer: JsonObject) => JsonObject>>): Promise<string>
  config(members?: Readonly<Record<string, unknown>>): Config
  run(input?: Partial<DoctorInput>): Promise<readonly DoctorRow[]>
  input(changes?: Partial<DoctorInput>): DoctorInput
  close(): Promise<void>
}

function readBody(stream: NodeJS.ReadableStream): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('end', () => resolve(Buffer.concat(chunks)))
  })
}

function ask(
  socketPath: string,
  path: string,
  body: Buffer,
): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length }
    const outgoing = request({ socketPath, path, method: 'POST', headers }, (response) => {
      readBody(response).then(
        (read) => resolve({ status: response.statusCode ?? 0, body: read }),
        reject,
      )
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

export async function startNode(): Promise<DoctorNode> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-doctor-'))
  const faults: AgentFaults = {}
  const closing: (() => Promise<unknown>)[] = []
  let sockets = 0
  const nextSocket = async (): Promise<string> => {
    const place = join(folder, `guest-${String(sockets++)}`)
    await mkdir(place)
    return join(place, 'dstack.sock')
  }
  const startGuest = async (options: GuestOptions, given: AgentFaults = {}) => {
    const guest = createSimulatedGuest({
      composeText: composeOf(`--require-gpu=${String(GPUS)}`),
      gpus: GPUS,
      now: new Date(),
      ...options,
    })
    const socketPath = await nextSocket()
    const agent = await startGuestAgent(guest, { socketPath, faults: given })
    closing.push(() => agent.close())
    return { guest, socketPath }
  }
  const { guest, socketPath } = await startGuest({}, faults)
  const stub = await startNvmlStub(GPUS)
  const built = await transpile('attestation/attester/nvml/nvml-process.ts')
  const nvmlAnew = (): NvmlSource => {
    const source = openNvml({
      required: GPUS,
      library: stub.library,
      script: new URL(built.url),
      timing: TIMING,
      retryPauseMs: 0,
    })
    closing.push(() => source.close())
    return source
  }
  const nvml = nvmlAnew()
  const model = await startDouble('demo/words')
  await mkdir(join(folder, 'dev'))
  await mkdir(join(folder, 'run'))
  await mkdir(join(folder, 'volume'))
  const nodes = [
    'nvidiactl',
    ...Array.from({ length: GPUS }, (_, index) => `nvidia${String(index)}`),
  ]
  for (const name of [...nodes, 'null']) await writeFile(join(folder, 'dev', name), '')
  for (const name of ['persistence', 'fabric', 'mounts'])
    await writeFile(join(folder, 'run', name), '')

  const config = (members: Readonly<Record<string, unknown>> = {}): Config => {
    const parsed = parseConfig({
      upstreams: [{ name: 'demo', url: model.url }],
      gpu: { required: GPUS },
      ...members,
    })
    if (!parsed.ok) throw new Error(parsed.problems.join('; '))
    return parsed.config
  }
  const input = (changes: Partial<DoctorInput> = {}): DoctorInput => ({
    configuration: { ok: true, config: config() },
    tokens: readTokens(`broker:${TOKEN}:relay`),
    tappAppId: null,
    socketPath,
    nvml,
    network: null,
    simulated: null,
    volumes: [{ role: 'volume', folder: join(folder, 'volume') }],
    targetUrl: null,
    ...changes,
    places: {
      gpus: {
        devices: join(folder, 'dev'),
        persistence: [join(folder, 'run', 'persistence')],
        fabric: [join(folder, 'run', 'fabric')],
      },
      mounts: join(folder, 'run', 'mounts'),
      agentMs: 2_000,
      upstreamMs: 1_000,
      volume: {
        open: () =>
          Promise.resolve({
            write: () => Promise.resolve(),
            datasync: () => Promise.resolve(),
            close: () => Promise.resolve(),
          }),
        free: () => Promise.resolve(1024 ** 4),
        now: () => 0,
      },
      ...changes.places,
    },
  })
  return {
    folder,
    socketPath,
    guest,
    faults,
    stub,
    model,
    nvml,
    nvmlAnew,
    guestAt: async (options) => (await startGuest(options)).socketPath,
    async altered(change) {
      const path = await nextSocket()
      const server: Server = createServer((req, res) => {
        void (async () => {
          const method = (req.url ?? '').slice(1)
          const answer = await ask(socketPath, req.url ?? '/', await readBody(req))
          const parsed = parseJson(answer.body)
          const alter = change[method]
          const value = parsed.ok && isJsonObject(parsed.value) ? parsed.value : {}
          res.writeHead(answer.status, { 'content-type': 'application/json' })
          res.end(alter === undefined ? answer.body : JSON.stringify(alter(value)))
        })()
      })
      await new Promise<void>((resolve) => server.listen(path, resolve))
      closing.push(() => new Promise((resolve) => server.close(resolve)))
      return path
    },
    config,
    input,
    run: async (changes) => (await runDoctor(input(changes))).rows,
    async close() {
      await Promise.all(closing.map((end) => end()))
      await stub.close()
      await built.remove()
      await closeDouble(model)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The row of a check. */
export function rowOf(rows: readonly DoctorRow[], check: string): DoctorRow {
  const found = rows.filter((row) => row.check === check)
  const [row] = found
  if (row === undefined || found.length > 1) {
    throw new Error(`${String(found.length)} rows of ${check}`)
  }
  return row
}
