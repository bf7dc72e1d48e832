import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NvattestError } from '../../attestation/attester/nvattest/nvattest-error.ts'
import { openNvattest } from '../../attestation/attester/nvattest/open-nvattest.ts'
import { MAX_NVATTEST_BYTES } from '../../attestation/attester/nvattest/run-nvattest.ts'
import { fromHex, toHex } from '../../attestation/protocol/hex.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'

const GPUS = 2
const PKI = createNvidiaPki({ now: new Date(), gpus: GPUS })
const SWITCH = new URL(
  '../../../shared/fixtures/nvidia/evidence/nvswitch-ls10.json',
  import.meta.url,
)

/** The document as nvattest prints it, over evidence that simulated GPUs signed. */
function printed(nonce: Uint8Array, changes: Readonly<Record<string, unknown>> = {}): string {
  const evidences = collectSimulatedGpuEvidence(PKI, nonce).map((one) => ({
    ...one,
    nonce: toHex(nonce),
  }))
  const document = { result_code: 0, result_message: 'Ok', evidences, ...changes }
  return `${JSON.stringify(document, null, 4)}\n`
}

function nonce32(): Uint8Array {
  return Uint8Array.from(randomBytes(32))
}

describe('evidence through nvattest', () => {
  let folder = ''
  let path = ''
  /** What the program does next. */
  const next = async (text: string, code = '') => {
    await writeFile(join(folder, 'text'), text)
    await writeFile(
      path,
      `#!${process.execPath}
const fs = require('node:fs')
const folder = ${JSON.stringify(folder)}
fs.writeFileSync(folder + '/seen', JSON.stringify({ args: process.argv.slice(2), env: Object.keys(process.env), cwd: process.cwd() }))
${code}
process.stdout.write(fs.readFileSync(folder + '/text'))
`,
    )
    await chmod(path, 0o755)
  }
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-nvattest-'))
    path = join(folder, 'nvattest')
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const gpus = (deadlineMs = 10_000) =>
    openNvattest({ device: 'gpu', required: GPUS, path, deadlineMs })
  const codeOf = async (work: Promise<unknown>): Promise<string> => {
    const error: unknown = await work.then(
      () => null,
      (reason: unknown) => reason,
    )
    if (!(error instanceof NvattestError)) {
      throw new Error('it did not fail as nvattest does', { cause: error })
    }
    expect(error.message).toMatch(/^\S.*: \S.{20,}\.$/)
    return error.code
  }

  test('asks once for all devices, under the nonce, with nothing of our environment', async () => {
    const nonce = nonce32()
    await next(printed(nonce))
    const evidence = await gpus().collect(nonce)
    expect(evidence).toHaveLength(GPUS)
    expect(Object.keys(evidence[0] ?? {}).toSorted()).toEqual(['arch', 'certificate', 'evidence'])
    const seen: unknown = JSON.parse(readFileSync(join(folder, 'seen'), 'utf8'))
    expect(seen).toEqual({
      args: ['collect-evidence', '--device', 'gpu', '--nonce', toHex(nonce), '--format', 'json'],
      env: [],
      cwd: '/',
    })
  })

  test.skipIf(!existsSync(SWITCH))(
    `takes the evidence of a genuine NVSwitch${existsSync(SWITCH) ? '' : ' (SKIPPED: no fixtures beside the checkout)'}`,
    async () => {
      const evidences: unknown = JSON.parse(readFileSync(SWITCH, 'utf8'))
      const nonce = fromHex('931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb')
      if (nonce === null) throw new Error('not hex')
      await next(JSON.stringify({ result_code: 0, result_message: 'Ok', evidences }))
      const one = openNvattest({ device: 'nvswitch', required: 1, path })
      expect(await one.collect(nonce)).toMatchObject([{ arch: 'LS10' }])
      expect(readFileSync(join(folder, 'seen'), 'utf8')).toContain('"nvswitch"')
    },
  )

  test.each([
    ['a result code', { result_code: 11, evidences: null }, 'nvattest_failed'],
    ['a result code beside evidence', { result_code: 1 }, 'nvattest_failed'],
    ['no result code', { result_code: undefined }, 'nvattest_malformed'],
    ['a result code in words', { result_code: '0' }, 'nvattest_malformed'],
    ['success without evidence', { evidences: null }, 'nvattest_malformed'],
    ['an empty list', { evidences: [] }, 'nvattest_count_mismatch'],
    ['an element that is none', { evidences: [null, null] }, 'nvattest_malformed'],
    ['a list without end', { evidences: Array(17).fill({}) }, 'nvattest_malformed'],
  ])('refuses %s, and works again after', async (_what, changes, code) => {
    const nonce = nonce32()
    const one = gpus()
    await next(printed(nonce, changes))
    expect(await codeOf(one.collect(nonce))).toBe(code)
    await next(printed(nonce))
    expect(await one.collect(nonce)).toHaveLength(GPUS)
  })

  test('refuses evidence under another nonce, and evidence whose signed nonce is another than is said', async () => {
    const nonce = nonce32()
    await next(printed(nonce32()))
    expect(await codeOf(gpus().collect(nonce))).toBe('nvattest_nonce_mismatch')
    const evidences = collectSimulatedGpuEvidence(PKI, nonce32()).map((one) => ({
      ...one,
      nonce: toHex(nonce),
    }))
    await next(printed(nonce, { evidences }))
    expect(await codeOf(gpus().collect(nonce))).toBe('nvattest_nonce_mismatch')
  })

  test('refuses evidence that cannot be read', async () => {
    const nonce = nonce32()
    const evidences = collectSimulatedGpuEvidence(PKI, nonce).map((one) => ({
      ...one,
      certificate: one.certificate.slice(0, 400),
      nonce: toHex(nonce),
    }))
    await next(printed(nonce, { evidences }))
    expect(await codeOf(gpus().collect(nonce))).toBe('nvattest_malformed')
  })

  test.each([
    ['text before the document', (text: string) => `[info] driver found\n${text}`],
    ['a second document', (text: string) => text + text],
    ['a document cut short', (text: string) => text.slice(0, -200)],
    ['a member named twice', (text: string) => text.replace('{', '{"result_code":0,')],
    ['nothing', () => ''],
    ['more than is read', () => 'x'.repeat(MAX_NVATTEST_BYTES + 1)],
  ])('refuses %s', async (_what, change) => {
    const nonce = nonce32()
    await next(change(printed(nonce)))
    expect(await codeOf(gpus().collect(nonce))).toBe('nvattest_malformed')
  })

  test('an exit code does not hide the document, and its document decides', async () => {
    const nonce = nonce32()
    await next(printed(nonce, { result_code: 5, evidences: null }), 'process.exitCode = 5')
    expect(await codeOf(gpus().collect(nonce))).toBe('nvattest_failed')
  })

  test('a program that hangs is ended, also where something else holds its output open', async () => {
    await next(
      '',
      `require('node:child_process').spawn('/bin/sleep', ['3'], { stdio: 'inherit' }); setInterval(() => {}, 1000); return`,
    )
    const started = Date.now()
    expect(await codeOf(gpus(1_000).collect(nonce32()))).toBe('nvattest_timeout')
    expect(Date.now() - started).toBeLessThan(2_500)
  })

  test.each([
    ['hangs', 'setInterval(() => {}, 1000)', 'nvattest_timeout'],
    [
      'prints without end',
      `setInterval(() => process.stdout.write('x'.repeat(1 << 20)))`,
      'nvattest_malformed',
    ],
  ])('what a program started does not outlive it where it %s', async (_, then, code) => {
    await next(
      '',
      `fs.writeFileSync(folder + '/child', String(require('node:child_process').spawn('/bin/sleep', ['60'], { stdio: 'ignore' }).pid)); ${then}; return`,
    )
    expect(await codeOf(gpus(1_500).collect(nonce32()))).toBe(code)
    const pid = Number(await readFile(join(folder, 'child'), 'utf8'))
    const state = () =>
      readFile(`/proc/${String(pid)}/stat`, 'utf8').then(
        (text) => text.split(') ')[1]?.[0] ?? 'gone',
        () => 'gone',
      )
    // A zombie has ended, too; nobody may be there to take its exit code.
    await expect.poll(state).toMatch(/^(?:gone|Z|X)$/)
  })

  test('a program that dies of a signal', async () => {
    await next('', `process.kill(process.pid, 'SIGSEGV')`)
    expect(await codeOf(gpus().collect(nonce32()))).toBe('nvattest_failed')
  })

  test('no program, or none that may be run', async () => {
    const absent = openNvattest({ device: 'gpu', required: 1, path: '/nowhere/nvattest' })
    expect(await codeOf(absent.collect(nonce32()))).toBe('nvattest_absent')
    await chmod(path, 0o644)
    expect(await codeOf(gpus().collect(nonce32()))).toBe('nvattest_absent')
  })

  test('a path that is not absolute is a bug of the caller', async () => {
    const wrong = openNvattest({ device: 'gpu', required: 1, path: 'nvattest' })
    await expect(wrong.collect(nonce32())).rejects.toThrow(TypeError)
  })
})
