/** The proof of the log in an evidence file: waited for where that is asked, and its absence said when it is saved and when it is judged. */
import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { EvidenceFile } from '../../attestation/protocol/evidence-file.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import { evidenceSave } from '../../src/cli/evidence-save.ts'
import type { EvidenceSaveOptions } from '../../src/cli/evidence-save.ts'
import type { DoorAnswer } from '../../src/cli/receipt-door.ts'
import { LOG_WAIT_MS, saveInclusion } from '../../src/cli/save-inclusion.ts'
import { TOKEN, bootedMachine } from './evidence.helpers.ts'

const here = bootedMachine()
let said = ''
let files = 0
beforeAll(() => {
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text)
    return true
  })
})
afterAll(() => {
  vi.restoreAllMocks()
})
afterEach(() => {
  said = ''
  vi.useRealTimers()
})

async function saved(options: EvidenceSaveOptions): Promise<EvidenceFile> {
  const out = here.machine.file('x', '').replace(/x$/, `log-${String(files++)}.json`)
  await evidenceSave(here.boot.url, { out, ...options }, { COUNTERSIGN_TOKEN: TOKEN })
  return JSON.parse(readFileSync(out, 'utf8')) as EvidenceFile
}

test('saved right after the answer it says when there will be a proof, and the verdict that there is none', async () => {
  const { id } = await here.boot.ask()
  const file = await saved({ receipt: [id] })
  expect(said).toMatch(/it is in the log, and no published head covers it yet: .*within 60 seconds/)
  expect(said).toContain('--wait')
  const { exit, out } = await here.machine.judge(file)
  expect(out).toMatch(/skip {2}log\.inclusion +not_provided: no proof was saved/)
  expect(exit).toBe(0)
})

test('with --wait it is saved when a published head covers the record', async () => {
  const { id } = await here.boot.ask()
  const saving = saved({ receipt: [id], wait: true })
  await here.boot.publish()
  const { out } = await here.machine.judge(await saving)
  expect(out).toMatch(/pass {2}log\.inclusion/)
  expect(said).not.toContain('no proof of the log')
  await expect(evidenceSave(here.boot.url, { wait: true }, {})).rejects.toThrow(
    '--wait says nothing',
  )
})

/** A service that always answers so. */
function door(status: number, code: string | null) {
  let asked = 0
  const body = code === null ? '' : JSON.stringify({ error: { code } })
  const answer: DoorAnswer = { status, body: toUtf8(body), retryAfter: 'soon' }
  return {
    asked: () => asked,
    ask: () => {
      asked++
      return Promise.resolve(answer)
    },
    close: () => Promise.resolve(),
  }
}

test('a log that publishes no head is not waited for without end', async () => {
  vi.useFakeTimers()
  const silent = door(404, 'log_not_published')
  const waiting = saveInclusion(silent, 'rcpt-1', {}, true)
  await vi.advanceTimersByTimeAsync(2 * LOG_WAIT_MS)
  expect(await waiting).toBeNull()
  expect(said).toMatch(/no published head covered it within 180 seconds/)
  expect(silent.asked()).toBeLessThan(200)
})

test.each([
  ['log_boot_unknown', 404, /another replica made it, then ask that one/],
  ['log_off', 404, /the service keeps no log/],
  ['log_proof_gone', 404, /answered 404, log_proof_gone/],
  [null, 500, /answered 500\./],
])('where there is none for %s it is not waited for, and told', async (code, status, why) => {
  const other = door(status, code)
  expect(await saveInclusion(other, 'rcpt-1', {}, true)).toBeNull()
  expect(other.asked()).toBe(1)
  expect(said).toMatch(why)
})
