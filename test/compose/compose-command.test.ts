/** `countersign compose check` as a command, and the files of others that it must refuse. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { composeCheck } from '../../src/cli/compose-check.ts'
import type { ComposeCheckOptions } from '../../src/cli/compose-check.ts'
import { COMPOSE_REFUSALS } from '../../src/compose/compose-refusals.ts'
import { isYamlMap, parseYaml } from '../../src/compose/parse-yaml.ts'
import type { YamlValue } from '../../src/compose/parse-yaml.ts'
import { jsonObject } from '../harness/chat.ts'
import { filledIn, findings, SHIPPED_TEXT, YAML } from './compose.helpers.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-compose-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function run(text: string, options: ComposeCheckOptions = {}) {
  const path = join(folder, 'app-compose.json')
  writeFileSync(path, text)
  const out: string[] = []
  const err: string[] = []
  const code = await composeCheck(path, options, {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
  })
  return { code, out, err }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

describe('countersign compose check', () => {
  test('prints the hash of a file that is fit, and nothing else', async () => {
    const text = filledIn(SHIPPED_TEXT)
    expect(await run(text)).toEqual({ code: 0, out: [sha256(text)], err: [] })
  })

  test('prints no hash of a file that it refuses, and why, with exit 10', async () => {
    const { code, out, err } = await run(SHIPPED_TEXT)
    expect({ code, out }).toEqual({ code: 10, out: [] })
    expect(err[0]).toBe(
      `image_placeholder: services.countersign.image: ${COMPOSE_REFUSALS.image_placeholder}`,
    )
  })

  test('names a member of the whole file once, where it is itself what is wrong', async () => {
    const { err } = await run(
      filledIn(SHIPPED_TEXT).replace('"public_logs": false', '"public_logs": true'),
    )
    expect(err).toEqual([`public_logs: ${COMPOSE_REFUSALS.public_logs}`])
  })

  test('prints no hash of a template either: it is not the one that will be measured', async () => {
    const { code, out, err } = await run(SHIPPED_TEXT, { template: true })
    expect({ code, out }).toEqual({ code: 0, out: [] })
    expect(err).toEqual([expect.stringContaining('4 places are still to be filled in')])
  })

  test('says the same as JSON', async () => {
    const refused = await run(SHIPPED_TEXT, { json: true })
    expect(refused.code).toBe(10)
    expect(jsonObject(refused.out.join(''))).toMatchObject({
      accepted: false,
      compose_hash: sha256(SHIPPED_TEXT),
      findings: [{ code: 'image_placeholder', where: 'services.countersign.image' }, {}, {}, {}],
    })
    const text = filledIn(SHIPPED_TEXT)
    const fit = await run(text, { json: true })
    expect(fit.code).toBe(0)
    expect(jsonObject(fit.out.join(''))).toEqual({
      accepted: true,
      compose_hash: sha256(text),
      findings: [],
      placeholders: [],
    })
  })

  test('a file that is no compose is exit 30, also as JSON', async () => {
    expect(await run('{"a":1,"a":2}')).toMatchObject({ code: 30, out: [] })
    const { code, out } = await run('[]', { json: true })
    expect(code).toBe(30)
    expect(jsonObject(out.join(''))).toMatchObject({
      accepted: false,
      problem: { code: 'compose_not_object' },
    })
  })
})

/** What 0G's wizard writes for dstack with a model in the same machine, after docs of 0gfoundation/0g-serving-broker, 2026-11. */
const WIZARD = `
services:
  mysql:
    image: mysql:8.0
    environment: { MYSQL_ROOT_PASSWORD: example }
    ports: ['33060:3306']
    restart: unless-stopped
  0g-serving-provider-broker:
    image: ghcr.io/0gfoundation/0g-serving-broker@sha256:${'1234'.repeat(16)}
    command: 0g-inference-server
    environment: { PORT: '3080', CONFIG_FILE: /etc/config.yaml, NETWORK: phala }
    ports: ['80:3080']
    volumes:
      - ./config.yml:/etc/config.yaml
      - /var/run/dstack.sock:/var/run/dstack.sock
      - /var/run/docker.sock:/var/run/docker.sock
    restart: always
    depends_on: [mysql]
  0g-serving-provider-event:
    image: ghcr.io/0gfoundation/0g-serving-broker@sha256:${'1234'.repeat(16)}
    command: 0g-inference-event
    volumes: ['/var/run/dstack.sock:/var/run/dstack.sock']
    restart: always
  vllm:
    image: vllm/vllm-openai:v0.6.3.post1
    command: --model Qwen/Qwen2.5-7B-Instruct
`

describe('files of others', () => {
  test("0G's wizard puts its broker beside the model: refused by name, and for what that gives it", () => {
    const text = JSON.stringify({
      ...jsonObject(SHIPPED_TEXT),
      docker_compose_file: WIZARD,
    })
    expect(findings(text)).toEqual(
      expect.arrayContaining([
        'broker_in_same_vm services.0g-serving-provider-broker',
        'broker_in_same_vm services.0g-serving-provider-event',
        'agent_socket_shared services.0g-serving-provider-broker.volumes',
        'agent_socket_shared services.0g-serving-provider-event.volumes',
        'docker_socket services.0g-serving-provider-broker.volumes',
        'host_path_mounted services.0g-serving-provider-broker.volumes',
        'restart_always services.mysql.restart',
        'image_mutable services.mysql.image',
        'image_mutable services.vllm.image',
        'revision_mutable services.vllm.command',
      ]),
    )
  })

  test("0G's wizard added to the shipped file shares the agent's socket with it", () => {
    const broker = WIZARD.slice(
      WIZARD.indexOf('  0g-serving-provider-broker'),
      WIZARD.indexOf('  0g-serving-provider-event'),
    )
    const text = JSON.stringify({
      ...jsonObject(filledIn(SHIPPED_TEXT)),
      docker_compose_file: YAML.replace(/^networks:/m, `${broker}networks:`),
    })
    expect(findings(text)).toEqual(
      expect.arrayContaining([
        'broker_in_same_vm services.0g-serving-provider-broker',
        'agent_socket_shared services.countersign.volumes',
        'agent_socket_shared services.0g-serving-provider-broker.volumes',
      ]),
    )
  })
})

/** Maps as objects, to compare with what another parser says. */
function plain(value: YamlValue): unknown {
  if (isYamlMap(value)) {
    return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]))
  }
  return Array.isArray(value) ? value.map((item: YamlValue) => plain(item)) : value
}

test('PyYAML, which reads YAML 1.1 as Docker long did, reads the same in the shipped text', (context) => {
  const script = 'import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin.read())))'
  const python = spawnSync('python3', ['-c', script], { input: YAML, encoding: 'utf8' })
  if (python.status !== 0) context.skip('SKIPPED: python3 with PyYAML is not installed here')
  const ours = parseYaml(YAML)
  if (!ours.ok) throw new Error(ours.fault)
  expect(plain(ours.value)).toEqual(JSON.parse(python.stdout))
})
