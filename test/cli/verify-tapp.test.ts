import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { toHex } from '../../attestation/protocol/hex.ts'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import { NOW } from '../appraiser/document.helpers.ts'
import { newTapp, PKI, tappDocument } from '../appraiser/tapp.helpers.ts'

describe('countersign verify of a document of a machine that TAPP started', () => {
  let folder: string
  let document: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
    document = join(folder, 'document.json')
    await writeFile(document, await tappDocument(newTapp()))
  })
  afterAll(() => rm(folder, { recursive: true }))

  async function run(options: VerifyOptions): Promise<{ code: number; out: string }> {
    let out = ''
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += String(text)
      return true
    })
    try {
      return { code: await verify(document, { at: String(NOW), ...options }), out }
    } finally {
      stdout.mockRestore()
    }
  }
  const policy = async (members: Record<string, unknown>): Promise<string> => {
    const path = join(folder, 'policy.json')
    await writeFile(path, JSON.stringify({ sgxRoots: [toHex(PKI.rootSha256)], ...members }))
    return path
  }

  test('a policy file that names the platform is all it takes, and it says that it is a simulation', async () => {
    const { code, out } = await run({
      policy: await policy({ platform: 'tapp', allowSimulated: true }),
    })
    expect(out).toContain('tapp.other_apps')
    expect(out.trimEnd().split('\n').at(-1)).toMatch(
      /^Accepted as of the time given as a SIMULATION/,
    )
    expect(code).toBe(0)
  })

  test('without it the document is refused, whatever else is allowed', async () => {
    for (const options of [
      { allowSimulated: true },
      { policy: await policy({ allowSimulated: true }) },
      { policy: await policy({ allowSimulated: true }), acceptUnchecked: true },
    ]) {
      const { code, out } = await run(options)
      expect([code, out.includes('evidence_platform_not_accepted')]).toEqual([10, true])
    }
  })

  test('what the policy says of apps counts', async () => {
    const { code, out } = await run({
      policy: await policy({ platform: 'tapp', allowSimulated: true, tapp: { appIds: ['other'] } }),
    })
    expect([code, out.includes('app_not_accepted')]).toEqual([10, true])
  })
})
