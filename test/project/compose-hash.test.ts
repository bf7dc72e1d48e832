import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAX_COMPOSE_BYTES } from '../../attestation/appraiser/eventlog/verify-compose.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import { composeHash } from '../../src/cli/compose-hash.ts'
import { loadConfig } from '../../src/cli/serve.ts'
import { hashCompose } from '../../src/compose/hash-compose.ts'
import type { ComposeHash } from '../../src/compose/hash-compose.ts'
import { COMPOSE_PROBLEMS } from '../../src/compose/read-compose.ts'

const SHIPPED = fileURLToPath(new URL('../../app-compose.json', import.meta.url))
const DIGEST = '0123456789abcdef'.repeat(4)

const hash = (text: string): ComposeHash => hashCompose(new TextEncoder().encode(text))
const withCompose = (yaml: string, more: object = {}): ComposeHash =>
  hash(JSON.stringify({ docker_compose_file: yaml, ...more }))

function warningsOf(result: ComposeHash): string[] {
  if (!result.ok) throw new Error(result.problem)
  return result.warnings.map(({ code, subject }) => `${code} ${subject}`.trim())
}

describe('hash of an app-compose.json', () => {
  test('is SHA-256 of the raw bytes: another spelling of the same object is another hash', () => {
    // printf '{"docker_compose_file":"image: a"}' | sha256sum, from coreutils
    expect(hash('{"docker_compose_file":"image: a"}')).toMatchObject({
      hash: '2b1d7b30df23ab28bd8fb86b77e6f100714f0ea78504a0300da63beb74c242ad',
    })
    expect(hash('{"docker_compose_file": "image: a"}')).toMatchObject({
      hash: 'f6e43f62d491a181c1e51cf3282239c0cfbf710ef61b0bd2e670468900935c89',
    })
  })

  test.each([
    ['text that is not JSON', 'services:', 'compose_not_json'],
    ['a byte-order mark', '\ufeff{"docker_compose_file":"image: a"}', 'compose_not_json'],
    ['an array', '["docker_compose_file"]', 'compose_not_object'],
    ['null', 'null', 'compose_not_object'],
    [
      'a member named twice, which a reviewer and a guest could read differently',
      '{"docker_compose_file":"image: a","docker_compose_file":"image: b"}',
      'compose_duplicate_member',
    ],
    [
      'a member named twice below the top level',
      '{"docker_compose_file":"image: a","x":{"y":1,"\\u0079":2}}',
      'compose_duplicate_member',
    ],
    ['no docker_compose_file', '{"name":"x"}', 'compose_no_docker_compose_file'],
    ['an empty one', '{"docker_compose_file":" \\n"}', 'compose_no_docker_compose_file'],
    [
      'one that is not a text',
      '{"docker_compose_file":{"services":{}}}',
      'compose_no_docker_compose_file',
    ],
  ])('refuses %s', (_what, text, problem) => {
    expect(hash(text)).toEqual({ ok: false, problem })
  })

  test('takes a file of exactly the size that a guest accepts, and refuses one byte more', () => {
    const start = '{"docker_compose_file":"image: a"}'
    const full = start + ' '.repeat(MAX_COMPOSE_BYTES - start.length)
    expect(hash(full).ok).toBe(true)
    expect(hash(`${full} `)).toEqual({ ok: false, problem: 'compose_too_large' })
  })
})

describe('warnings about what the hash does not vouch for', () => {
  test.each([
    ['a tag', 'image: vllm/vllm-openai:v0.11.0', ['image_mutable vllm/vllm-openai:v0.11.0']],
    ['no tag', '  image: "a"', ['image_mutable a']],
    ['a digest that is too short', 'image: a@sha256:0123', ['image_mutable a@sha256:0123']],
    ['a digest in a comment only', `image: a:1 # @sha256:${DIGEST}`, ['image_mutable a:1']],
    ['a digest on a pinned image', `image: 'a:1@sha256:${DIGEST}'`, []],
    [
      'a flow mapping',
      `x: { image: a:1, build: . }`,
      ['image_mutable a:1', 'image_built_in_place'],
    ],
    ['a variable', 'image: ${IMAGE}', ['image_from_environment ${IMAGE}']],
    ['a build in place', 'build: .', ['image_built_in_place']],
    ['a commented-out image only', '# image: a', ['image_not_found']],
    ['a folded image name', 'image: >-\n  a:1', ['image_mutable >-']],
  ])('%s', (_what, yaml, expected) => {
    expect(warningsOf(withCompose(yaml))).toEqual(expected)
  })

  test('members that open the guest or look like a gate and are none', () => {
    const opened = {
      pre_launch_script: 'exit 1',
      public_logs: true,
      public_sysinfo: true,
      secure_time: false,
    }
    expect(warningsOf(withCompose(`image: a@sha256:${DIGEST}`, opened))).toEqual([
      'pre_launch_script',
      'public_logs',
      'public_sysinfo',
      'no_secure_time',
    ])
  })
})

describe('the command', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-compose-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const run = async (path: string) => {
    const out: string[] = []
    const err: string[] = []
    const code = await composeHash(path, {
      out: (line) => out.push(line),
      err: (line) => err.push(line),
    })
    return { code, out, err }
  }

  test('accepts the shipped file and prints what openssl computes', async () => {
    const independent = execFileSync('openssl', ['dgst', '-sha256', '-r', SHIPPED], {
      encoding: 'utf8',
    }).slice(0, 64)
    const { code, out, err } = await run(SHIPPED)
    expect(code).toBe(0)
    expect(out).toEqual([independent])
    expect(err).toEqual([])
  })

  test('refuses with the code and its stable sentence, exit 30, and prints no hash', async () => {
    const path = join(folder, 'twice.json')
    writeFileSync(path, '{"a":1,"a":2}')
    expect(await run(path)).toEqual({
      code: 30,
      out: [],
      err: [`compose_duplicate_member: ${COMPOSE_PROBLEMS.compose_duplicate_member}`],
    })
  })

  test('reads no further than the limit, even from a file without an end', async () => {
    expect(await run('/dev/zero')).toMatchObject({ code: 30, out: [] })
  })

  test('a file that cannot be read is a refusal, not a malformed file', async () => {
    await expect(run(join(folder, 'absent.json'))).rejects.toThrow('cannot be read')
  })
})

describe('the shipped app-compose.json', () => {
  const parsed = parseJson(readFileSync(SHIPPED))
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new Error('not a JSON object')
  const compose = parsed.value
  const yaml = String(compose['docker_compose_file'])

  // What it must not have is tested in test/compose; this is what it does have.
  test('opens nothing, removes restored containers before the daemon starts, takes only tokens from outside', () => {
    expect(compose).toMatchObject({
      manifest_version: 2,
      runner: 'docker-compose',
      kms_enabled: true,
      public_logs: false,
      public_sysinfo: false,
      secure_time: true,
      allowed_envs: ['COUNTERSIGN_TOKENS'],
    })
    expect(Object.keys(compose)).not.toContain('pre_launch_script')
    expect(compose['init_script']).toMatch(/^rm -rf \/var\/lib\/docker\/containers\/\*$/m)
  })

  test('uses no variable but the tokens', () => {
    expect(new Set(yaml.match(/(?<!\$)\$\{?\w+\}?/g))).toEqual(new Set(['${COUNTERSIGN_TOKENS}']))
  })

  test('starts the service with flags that it takes, against the socket that vLLM makes', async () => {
    const [, command = ''] =
      /^ {2}countersign:$[^]*?^ {4}command:\n((?: {6}- .*\n)+)/m.exec(yaml) ?? []
    const flags = new Map(
      [...command.matchAll(/- --([a-z-]+)=(.*)$/gm)].map(([, name = '', value = '']) => [
        name,
        value,
      ]),
    )
    expect([...flags.keys()]).toEqual([
      'listen',
      'upstream',
      'weights',
      'address-key',
      'require-gpu',
    ])
    const [, socket = ''] = /--uds=(\S+)/.exec(yaml) ?? []
    expect(flags.get('upstream')).toBe(`vllm=unix:${socket}`)
    const config = await loadConfig({
      listen: flags.get('listen') ?? '',
      upstream: [flags.get('upstream') ?? ''],
      addressKey: flags.get('address-key') ?? '',
      requireGpu: flags.get('require-gpu') ?? '',
      weights: flags.get('weights') ?? '',
    })
    expect(config).toMatchObject({
      listen: { host: '0.0.0.0', port: 8080 },
      address_key: 'derived',
      gpu: { required: 1 },
      weights: '/models/model',
    })
  })
})
