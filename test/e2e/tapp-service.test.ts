/** The service on a simulated TAPP of its own, as `serve --simulate --tapp-app-id` opens it, seen by those who verify. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openMachine } from '../../src/cli/open-machine.ts'
import type { Machine } from '../../src/cli/open-machine.ts'
import { verify } from '../../src/cli/verify.ts'
import { verified } from '../../src/client/verified.ts'
import type { ClientVerdict } from '../../src/client/verification-error.ts'
import { parseConfig } from '../../src/config/config.ts'
import { readTokens } from '../../src/config/read-tokens.ts'
import { demoPolicy } from '../../src/demo/drive-demo.ts'
import { startDemoModel } from '../../src/demo/model/start-demo-model.ts'
import type { DemoModel } from '../../src/demo/model/start-demo-model.ts'
import { SILENT_LOG } from '../../src/operations/open-log.ts'
import { startService } from '../../src/service/start-service.ts'
import type { Service } from '../../src/service/service.ts'
import { jsonObject } from '../harness/chat.ts'
import { ASK } from '../client/client.helpers.ts'
import { MODEL, TOKENS } from '../harness/service.ts'
import { COMPOSE } from './tapp.helpers.ts'

const APP = 'sim-app'
const place = { kind: 'own', tappAppId: APP } as const
const folder = mkdtempSync(join(tmpdir(), 'countersign-tapp-'))
let model: DemoModel
let machine: Machine
let service: Service

function file(name: string, content: unknown): string {
  const path = join(folder, name)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

function configOf(gpus: number) {
  const parsed = parseConfig({
    listen: { port: 0 },
    upstreams: [{ name: 'demo', url: model.url }],
    address_key: 'ephemeral',
    gpu: { required: gpus },
    metrics: null,
  })
  if (!parsed.ok) throw new Error(parsed.problems.join('; '))
  return parsed.config
}

async function start(gpus: number, compose: string): Promise<void> {
  const config = configOf(gpus)
  const tokens = readTokens(`alice:${TOKENS.alice}`)
  if (!tokens.ok) throw new Error('the test configures itself')
  machine = await openMachine(place, config, { compose: file('compose.yaml', compose) })
  service = await startService({
    config,
    principals: tokens.principals,
    ...machine.parts,
    weights: null,
    log: SILENT_LOG,
  })
}

beforeAll(async () => {
  model = await startDemoModel({ models: [MODEL] })
  await start(1, COMPOSE.replace('--require-gpu=0', '--require-gpu=1'))
  await service.ready
}, 30_000)
afterAll(async () => {
  await service.close()
  await machine.close()
  await model.close()
  rmSync(folder, { recursive: true })
})

/** `countersign verify URL --json` under a policy of the user's own. */
async function verdictOf(policy: object) {
  let out = ''
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    out += String(chunk)
    return true
  })
  try {
    const exit = await verify(service.url, {
      allowSimulated: true,
      roots: file('roots.json', machine.roots),
      policy: file('policy.json', policy),
      json: true,
    })
    const { verdict, checks } = JSON.parse(out) as {
      verdict: string
      checks: { id: string; status: string; code: string }[]
    }
    const failed = checks.filter(({ status }) => status === 'fail').map(({ code }) => code)
    return { exit, verdict, failed }
  } finally {
    spy.mockRestore()
  }
}

const TAPP = { platform: 'tapp' }
const accepted = { exit: 0, verdict: 'accepted', failed: [] }
const read = async (path: string) => {
  const answer = await fetch(`${service.url}${path}`)
  return { status: answer.status, body: jsonObject(await answer.text()) }
}

describe('a service that TAPP started', () => {
  test('is accepted by a verifier that was told so, under its app id', async () => {
    expect(await verdictOf({ ...TAPP, tapp: { appIds: [APP] } })).toEqual(accepted)
  })

  test('is refused by one that expects dstack, another app or other software', async () => {
    const refused = (...failed: string[]) => ({ exit: 10, verdict: 'rejected', failed })
    expect(await verdictOf({})).toEqual(refused('evidence_platform_not_accepted'))
    const other = { ...TAPP, tapp: { appIds: ['sim-other'] } }
    expect(await verdictOf(other)).toEqual(refused('app_not_accepted'))
    const hashes = { ...TAPP, composeHashes: ['00'.repeat(32)] }
    expect(await verdictOf(hashes)).toEqual(refused('compose_not_accepted'))
  })

  test('answers with receipts that the verified fetch checks to the byte', async () => {
    const verdicts: ClientVerdict[] = []
    const { roots } = machine
    if (roots === null) throw new Error('a simulation of this process knows its roots')
    const policy = { ...demoPolicy(roots), platform: 'tapp' } as const
    const fetch = verified({ policy, onVerdict: (verdict) => void verdicts.push(verdict) })
    const client = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: TOKENS.alice, fetch })
    const { choices } = await client.chat.completions.create(ASK)
    expect(choices[0]?.message.content).not.toBe('')
    await expect.poll(() => verdicts).toMatchObject([{ level: 'bytes' }])
    const strange = new OpenAI({
      baseURL: `${service.url}/v1`,
      apiKey: TOKENS.alice,
      maxRetries: 0,
      fetch: verified({ policy: { ...policy, platform: 'dstack' } }),
    })
    await expect(strange.chat.completions.create(ASK)).rejects.toMatchObject({
      code: 'evidence_platform_not_accepted',
    })
  })

  test('says what it is in configuration, keyset and evidence, and carries no member of dstack', async () => {
    const { body } = await read('/attestation')
    expect(body['config']).toMatchObject({ platform: 'tapp', doors: ['legacy-signature'] })
    expect(body['keyset']).toMatchObject({ subject: `sim-tapp-app://${APP}` })
    expect(body['evidence']).toMatchObject({
      vm_config: '{}',
      key_custody: null,
      app_compose: COMPOSE.replace('--require-gpu=0', '--require-gpu=1'),
      tapp: { app_id: APP },
    })
  })

  test('refuses by name each door whose format fixes the report data', async () => {
    for (const path of [
      ...['/v1/attestation/report', '/attestation/report', '/v1/proxy/attestation/report'],
      ...['/v1/aci/attestation', '/v1/attestation/aci', '/v1/quote', '/quote'],
    ]) {
      const { status, body } = await read(path)
      expect([path, status, body['error']]).toEqual([
        path,
        501,
        expect.objectContaining({ code: 'door_not_under_tapp' }),
      ])
    }
    const { paths } = (await read('/openapi.json')).body
    expect(Object.keys(paths ?? {})).not.toContain('/v1/quote')
  })
})

test('a measured text that requires another number of GPUs shuts the gate', async () => {
  await service.close()
  await machine.close()
  await start(1, COMPOSE.replace('--require-gpu=0', '--require-gpu=8'))
  await expect
    .poll(async () => JSON.stringify((await read('/health/ready')).body))
    .toContain('gpu_count_compose')
}, 20_000)
