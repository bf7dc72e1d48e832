import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, inject, vi } from 'vitest'
import type { EvidenceFile } from '../../attestation/protocol/evidence-file.ts'
import { onDisk } from '../store/store.helpers.ts'
import { evidenceSave } from '../../src/cli/evidence-save.ts'
import type { EvidenceSaveOptions } from '../../src/cli/evidence-save.ts'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import { parseConfig } from '../../src/config/config.ts'
import { readTokens } from '../../src/config/read-tokens.ts'
import { startDemoModel } from '../../src/demo/model/start-demo-model.ts'
import { SILENT_LOG } from '../../src/operations/open-log.ts'
import { createGate } from '../../src/service/gate.ts'
import { openSimulation } from '../../src/service/open-simulation.ts'
import { openSimulatedStapler } from '../../src/service/open-stapler.ts'
import { startService } from '../../src/service/start-service.ts'

export const TOKEN = '0123456789abcdef'
export const REQUEST = JSON.stringify({
  model: 'demo/countersign-words',
  seed: 3,
  messages: [{ role: 'user', content: 'Hello' }],
})

/** One answered request: its receipt id, and files with both bodies. */
export interface Exchange {
  readonly id: string
  readonly request: string
  readonly response: string
}

export interface Boot {
  readonly url: string
  readonly keysetDigest: string
  ask(request?: string): Promise<Exchange>
  /** Publishes a head of the log that covers all answers so far. */
  publish(): Promise<void>
  close(): Promise<void>
}

export interface Machine {
  /** Starts the service on the machine's disk, as after a restart. */
  boot(): Promise<Boot>
  /** Path of a file of the test. */
  file(name: string, content: string | Uint8Array): string
  save(boot: Boot, name: string, options?: EvidenceSaveOptions): Promise<EvidenceFile>
  /** Judges a file with the machine's roots, as of the time it was saved unless told otherwise. */
  judge(file: EvidenceFile | string, options?: VerifyOptions): Promise<Judged>
  close(): Promise<void>
}

export interface Judged {
  readonly exit: number
  readonly out: string
  readonly last: string
}

let files = 0

export async function startMachine(): Promise<Machine> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'))
  const model = await startDemoModel()
  const simulation = await openSimulation({
    composeText: '{"name":"sim-test"}',
    gpus: 1,
    addressKey: 'derived',
  })
  const rootKey = new Uint8Array(32).fill(9)
  const file = (name: string, content: string | Uint8Array): string => {
    const path = join(folder, name)
    writeFileSync(path, content)
    return path
  }
  const roots = file('roots.json', JSON.stringify(simulation.roots))

  async function boot(): Promise<Boot> {
    const config = parseConfig({
      listen: { port: 0 },
      upstreams: [{ name: 'demo', url: model.url }],
      metrics: null,
    })
    const tokens = readTokens(`alice:${TOKEN},broker:broker-${TOKEN}:relay`)
    if (!config.ok || !tokens.ok) throw new Error('the test configures itself')
    const service = await startService({
      config: config.config,
      principals: tokens.principals,
      cpu: simulation.cpu,
      gpu: simulation.gpu,
      gpuRequired: 1,
      address: simulation.address,
      simulated: true,
      weights: null,
      log: SILENT_LOG,
      gate: createGate(simulation.roots),
      stapler: openSimulatedStapler(simulation, config.config),
      bodyWorker: new URL(inject('bodyWorker')),
      store: onDisk(join(folder, 'store'), rootKey).openStore,
    })
    await service.ready
    return {
      url: service.url,
      keysetDigest: service.keys.keysetDigest,
      ask: async (request = REQUEST) => {
        const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
        const init = { method: 'POST', headers, body: request }
        const answer = await fetch(`${service.url}/v1/chat/completions`, init)
        const id = answer.headers.get('x-receipt-id') ?? ''
        return {
          id,
          request: file(`${id}.request`, request),
          response: file(`${id}.response`, await answer.text()),
        }
      },
      publish: async () => {
        await service.records?.publish()
      },
      close: () => service.close(),
    }
  }

  return {
    boot,
    file,
    async save(from, name, options = {}) {
      const out = join(folder, name)
      await evidenceSave(from.url, { out, ...options }, { COUNTERSIGN_TOKEN: TOKEN })
      return JSON.parse(await readFile(out, 'utf8')) as EvidenceFile
    },
    async judge(given, options = {}) {
      const text = typeof given === 'string' ? given : JSON.stringify(given)
      const at = typeof given === 'string' ? Math.floor(Date.now() / 1000) : given.saved_at
      const path = file(`judged-${String(files++)}.json`, text)
      let out = ''
      const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
        out += String(chunk)
        return true
      })
      try {
        const base = { allowSimulated: true, roots, at: String(at) }
        const exit = await verify(path, { ...base, ...options })
        return { exit, out, last: out.trimEnd().split('\n').at(-1) ?? '' }
      } finally {
        stdout.mockRestore()
      }
    },
    async close() {
      await simulation.close()
      await model.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** One machine and one boot of it, for the tests of the block that calls this. */
export function bootedMachine(): { readonly machine: Machine; readonly boot: Boot } {
  let started: { readonly machine: Machine; readonly boot: Boot } | null = null
  beforeAll(async () => {
    const machine = await startMachine()
    started = { machine, boot: await machine.boot() }
  })
  afterAll(async () => {
    await started?.boot.close()
    await started?.machine.close()
  })
  const now = () => {
    if (started === null) throw new Error('asked before the first test')
    return started
  }
  return {
    get machine() {
      return now().machine
    },
    get boot() {
      return now().boot
    },
  }
}
