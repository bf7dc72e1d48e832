/** `countersign verify answer.json`: an answer of NVIDIA's service, under conditions that it does not meet. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import { answer, AT, device, JWKS, NONCE, SWITCH_CLAIMS } from '../appraiser/nras.helpers.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function save(name: string, content: unknown): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, JSON.stringify(content))
  return path
}

async function run(path: string, options: VerifyOptions): Promise<{ code: number; out: string }> {
  let out = ''
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  try {
    return { code: await verify(path, options), out }
  } finally {
    stdout.mockRestore()
  }
}

describe('an answer of NVIDIA’s service under other conditions than it meets', () => {
  const given = async (): Promise<VerifyOptions> => ({
    at: String(AT),
    nonce: NONCE,
    jwks: await save('keys.json', JWKS),
  })
  const ofSwitches = answer({
    devices: Object.fromEntries(
      [0, 1, 2, 3].map((index) => [
        `SWITCH-${index}`,
        device({ ueid: `50909617${index}` }, SWITCH_CLAIMS),
      ]),
    ),
  })

  test('four switches are not four GPUs', async () => {
    const path = await save('switches.json', ofSwitches)
    expect((await run(path, await given())).code).toBe(0)
    const counted = await run(path, { ...(await given()), gpus: '4' })
    expect(counted.code).toBe(30)
    expect(counted.out).toMatch(/FAIL\s+nras\.structure\s+nras_answer_malformed/)
  })

  test('options that say nothing of it are refused', async () => {
    const path = await save('gpus.json', answer())
    expect((await run(path, { ...(await given()), gpus: '1' })).code).toBe(0)
    const needless: readonly VerifyOptions[] = [
      { compose: 'compose.json' },
      { reportData: 'ab' },
      { gpuCollateral: 'nvidia.json' },
      { fetchCollateral: true },
    ]
    for (const more of needless) {
      await expect(verify(path, { ...(await given()), ...more })).rejects.toThrow(/ignored/)
    }
  })
})
