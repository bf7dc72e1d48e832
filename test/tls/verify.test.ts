import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import { startMiddleBox } from './middle-box.ts'
import type { MiddleBox } from './middle-box.ts'
import { startTlsService } from './tls.helpers.ts'
import type { TlsTestService } from './tls.helpers.ts'

describe('countersign verify, of the connection', () => {
  let folder: string
  let started: TlsTestService
  let box: MiddleBox
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
    started = await startTlsService({ gpus: 1, plain: true })
    box = await startMiddleBox(started.secureUrl)
    await writeFile(join(folder, 'bound.json'), '{"channel":"bound"}')
  })
  afterAll(async () => {
    await box.close()
    await started.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function run(
    target: string,
    options: VerifyOptions = {},
  ): Promise<{ code: number; out: string }> {
    let out = ''
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += String(text)
      return true
    })
    try {
      return { code: await verify(target, { allowSimulated: true, ...options }), out }
    } finally {
      stdout.mockRestore()
    }
  }
  const bound = (): VerifyOptions => ({ policy: join(folder, 'bound.json') })

  test('bound: TLS ends on the key that the keyset lists', async () => {
    const { code, out } = await run(started.secureUrl, bound())
    expect(out).toMatch(new RegExp(`pass  channel\\.bound +key ${started.spkiSha256}`))
    expect(out.trimEnd()).toMatch(/ Channel: bound, [^\n]+\.$/)
    expect(code).toBe(0)
  })

  test('intermediary: somebody else ends TLS and passes everything on', async () => {
    const { code, out } = await run(box.url)
    expect(out).toMatch(/info {2}channel\.bound +channel_intermediary: key [0-9a-f]{64}/)
    expect(out.trimEnd()).toMatch(/ Channel: intermediary, [^\n]+\.$/)
    expect(code).toBe(0)
    const refused = await run(box.url, bound())
    expect(refused.out).toContain('Rejected: channel.bound: the connection ended on a TLS key')
    // What a rejected document says of its keys is nobody's word.
    expect(refused.out).not.toContain('Channel:')
    expect(refused.code).toBe(10)
  })

  test('plain HTTP is neither', async () => {
    const { out } = await run(started.url)
    expect(out).toMatch(/info {2}channel\.bound +channel_plain/)
    expect(out.trimEnd()).toMatch(/ Channel: intermediary \(plain HTTP\), [^\n]+\.$/)
    expect((await run(started.url, bound())).code).toBe(10)
  })

  test('a saved document came on no connection that anybody saw', async () => {
    const path = join(folder, 'document.json')
    const answer = await fetch(`${started.url}/attestation`)
    await writeFile(path, await answer.text())
    const { code, out } = await run(path, bound())
    expect(out).toContain('Rejected: channel.bound is required and did not pass.')
    expect(code).toBe(10)
    const open = await run(path)
    expect(open.out).not.toContain('Channel:')
    expect(open.code).toBe(0)
  })
})
