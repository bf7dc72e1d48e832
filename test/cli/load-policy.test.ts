/** What `--policy` and `--roots` make of the files they name. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import { Refusal } from '../../src/cli/refusal.ts'
import { loadPolicy } from '../../src/cli/load-policy.ts'

const ROOT = '00'.repeat(32)
const PIN = `02${'ab'.repeat(32)}`
const OTHER = `03${'cd'.repeat(32)}`

describe('--roots', () => {
  let folder = ''
  const save = async (name: string, content: object): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, JSON.stringify(content))
    return path
  }
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  test('without a KMS root does not erase the one that the policy pins', async () => {
    const policy = await save('policy.json', { kmsRoots: [PIN] })
    for (const kms of [undefined, null]) {
      const roots = await save('roots.json', { sgx: ROOT, nvidia: ROOT, kms })
      const { kmsRoots, sgxRoots } = await loadPolicy({ policy, roots })
      expect(kmsRoots).toEqual([PIN])
      expect(sgxRoots).toEqual([ROOT])
      expect((await loadPolicy({ roots })).kmsRoots).toEqual(DEFAULT_POLICY.kmsRoots)
    }
    const roots = await save('roots.json', { sgx: ROOT, nvidia: ROOT, kms: OTHER })
    expect((await loadPolicy({ policy, roots })).kmsRoots).toEqual([OTHER])
  })

  test.each<[string, object]>([
    ['a KMS root in upper case', { kms: PIN.toUpperCase() }],
    ['a KMS root that is no point', { kms: `05${'ab'.repeat(32)}` }],
    ['a KMS root that is no text', { kms: [PIN] }],
    ['an empty KMS root', { kms: '' }],
    ['a root too many', { nvidia2: ROOT }],
    ['no root of Intel', { sgx: undefined }],
  ])('refuses %s', async (_name, change) => {
    const roots = await save('roots.json', { sgx: ROOT, nvidia: ROOT, ...change })
    await expect(loadPolicy({ roots })).rejects.toThrow(Refusal)
  })

  test('a --require that is no id of a check is refused', async () => {
    await expect(loadPolicy({ require: ['quote..crl'] })).rejects.toThrow(Refusal)
  })
})
