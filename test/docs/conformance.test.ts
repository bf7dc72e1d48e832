/** docs/conformance.md: the example of a receipt input, run on what a service serves. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { appraiseReceiptInput } from '../../src/cli/appraise-receipt.ts'
import { renderVerdict } from '../../src/cli/judge-input.ts'
import { bootedMachine, TOKEN } from '../cli/evidence.helpers.ts'
import { jsonObject } from '../harness/chat.ts'
import { newFolder } from '../store/store.helpers.ts'
import { blocksOf } from './command-blocks.ts'

const here = bootedMachine()

test('the example makes an input that is accepted, and refused once a byte is changed', async () => {
  const [script = '', ...others] = blocksOf('docs/conformance.md', 'js')
  expect(others).toEqual([])
  const folder = newFolder()
  const { id, request, response } = await here.boot.ask()
  copyFileSync(request, join(folder, 'request.json'))
  copyFileSync(response, join(folder, 'response.txt'))
  const headers = { authorization: `Bearer ${TOKEN}` }
  const below = `${here.boot.url}/v1/attestation`
  for (const [file, path] of [
    ['document.json', `document?nonce=${'ab'.repeat(32)}`],
    ['receipt.json', `receipts/${id}`],
  ] as const) {
    const reply = await fetch(`${below}/${path}`, { headers })
    writeFileSync(join(folder, file), await reply.text())
  }
  writeFileSync(join(folder, 'make-input.mjs'), script)
  const judged = () => {
    const run = spawnSync(process.execPath, ['make-input.mjs'], { cwd: folder, timeout: 20_000 })
    expect(run.stderr.toString()).toBe('')
    const input = jsonObject(run.stdout.toString())
    return { input, ...appraiseReceiptInput(run.stdout) }
  }
  const { input, verdict, level } = judged()
  expect(verdict.checks.filter(({ status }) => status === 'fail')).toEqual([])
  expect(verdict.verdict).toBe('accepted-as-of')
  expect(level).toBe('bytes')
  expect(isJsonObject(input['keyset'])).toBe(true)
  const answer = readFileSync(response, 'utf8')
  writeFileSync(join(folder, 'response.txt'), answer.replace('"object"', '"Object"'))
  expect(jsonObject(renderVerdict(judged().verdict, {}))).toMatchObject({
    verdict: 'rejected',
    code: 'response_hash_mismatch',
  })
})
