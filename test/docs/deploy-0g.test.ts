/** docs/deploy-0g.md: the broker snippet against the broker's own field list, and its commands. */
import { execFile } from 'node:child_process'
import { expect, test } from 'vitest'
import { isYamlMap, parseYaml } from '../../src/compose/parse-yaml.ts'
import type { YamlMap } from '../../src/compose/parse-yaml.ts'
import { readTokens } from '../../src/config/read-tokens.ts'
import { readText } from '../project/source-tree.ts'
import { blocksOf, commandBlocks, languagesOf } from './command-blocks.ts'

const PAGE = 'docs/deploy-0g.md'

/** Fields of the broker's `service`, which reads its YAML strictly: `config.go` of 0gfoundation/0g-serving-broker, 2026. */
const FIELDS = new Set([
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
])

function serviceOf(text: string): YamlMap {
  const parsed = parseYaml(text)
  if (!parsed.ok || !isYamlMap(parsed.value)) throw new Error('the snippet is no YAML map')
  expect([...parsed.value.keys()]).toEqual(['service'])
  const service = parsed.value.get('service')
  if (!isYamlMap(service)) throw new Error('no service')
  return service
}

const unknown = (service: YamlMap) => [...service.keys()].filter((key) => !FIELDS.has(key))
const [snippet = '', ...others] = blocksOf(PAGE, 'yaml')

test('the broker snippet has no field that the broker does not know', () => {
  expect(others).toEqual([])
  expect(unknown(serviceOf(snippet))).toEqual([])
})

test('a field that the broker does not know would be found, the other product’s block too', () => {
  expect(unknown(serviceOf(`${snippet}  targetSeperated: true\n`))).toEqual(['targetSeperated'])
  expect(unknown(serviceOf(`${snippet}  assay: {}\n`))).toEqual(['assay'])
})

test('the snippet makes SDKs take the sidecar for the signer', () => {
  const service = serviceOf(snippet)
  // SDK 0.9.0, processResponse: all four, or the answer is checked against the broker's own signer, or not at all.
  expect(service.get('verifiability')).toBe('TeeML')
  expect(service.get('targetSeparated')).toBe(true)
  expect(service.get('providerType')).toBe('decentralized')
  // As text: YAML would read it as a number, and a broker would lose its digits.
  expect(service.get('targetTeeAddress')).toMatch(/^0x[0-9a-fA-F]{40}$/)
  expect(service.get('targetUrl')).toMatch(/^https:\/\/[^/]+\/v1$/)
})

test('the secret in the snippet is a token that the sidecar takes', () => {
  const secret = serviceOf(snippet).get('additionalSecret')
  if (!isYamlMap(secret)) throw new Error('no map of headers')
  const [, token = ''] = /^Bearer (\S+)$/.exec(String(secret.get('Authorization'))) ?? []
  expect(readTokens(`broker:${token}:relay`)).toMatchObject({ ok: true })
})

test('every block is run here or marked, and the ones that are run are those of a test', () => {
  expect(languagesOf(PAGE)).toEqual(new Set(['sh', 'yaml']))
  const run = commandBlocks(PAGE).filter(({ needsHardware }) => !needsHardware)
  // test/cli/demo.test.ts runs the demo as a program of its own; here only that the script it is run by exists.
  expect(run.map(({ text }) => text)).toEqual(['npm run --silent demo -- --once\n'])
  expect(readText('package.json')).toMatch(/"demo": ".*main\.js demo"/)
})

test('the block of commands for the machine is shell that a shell can read', async () => {
  for (const page of [PAGE, 'docs/deploy-dstack.md']) {
    for (const { text } of commandBlocks(page)) {
      const failed = await new Promise<string | null>((resolve) => {
        execFile('bash', ['-n', '-c', text], (error) => resolve(error?.message ?? null))
      })
      expect(failed, text).toBeNull()
    }
  }
})
