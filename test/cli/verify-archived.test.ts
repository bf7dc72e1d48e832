/** `countersign verify <url> --receipt` where the receipt is of a keyset that is not in force any more. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import type { Stage } from '../client/client.helpers.ts'
import { began } from '../e2e/keysets.helpers.ts'
import { chat, chatBody, get, header, jsonObject } from '../harness/chat.ts'
import { newFolder, onDisk, rootKey } from '../store/store.helpers.ts'

async function cli(target: string, stage: Stage, options: VerifyOptions) {
  const folder = newFolder()
  const roots = join(folder, 'roots.json')
  writeFileSync(roots, JSON.stringify(stage.at.simulation?.roots))
  let out = ''
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  try {
    const code = await verify(target, { allowSimulated: true, roots, json: true, ...options })
    return { code, report: jsonObject(out) }
  } finally {
    stdout.mockRestore()
  }
}

async function savedReceipt(stage: Stage, id: string): Promise<string> {
  const { body } = await get(stage.at, `/v1/attestation/receipts/${id}`, { who: 'alice' })
  const path = join(newFolder(), 'receipt.json')
  writeFileSync(path, body)
  return path
}

describe('countersign verify with a receipt', () => {
  test('of an earlier keyset of this boot asks the service for the archived document', async () => {
    const { stage, today, first } = await began()
    const id = header(await chat(stage.at, chatBody('x')), 'x-receipt-id')
    const receipt = await savedReceipt(stage, id)
    await today()
    const { code, report } = await cli(stage.at.url, stage, { receipt })
    expect([code, report['verdict']]).toEqual([0, 'accepted-as-of'])
    // No time was given, and the sentence says which one it was instead.
    expect(report['sentence']).toMatch(/ The time is now, \d{4}-[-\dT:]+Z by the clock of this /)
    expect(report['receipt']).toMatchObject({ accepted: true, level: 'signer' })
    expect(report['receipt']).toMatchObject({ record: { keyset_digest: first.digest } })
  })

  test('of an earlier boot, whose keyset has ended, is judged as of a time within it', async () => {
    const [path, key] = [newFolder(), rootKey()]
    const { stage, first, clock } = await began(onDisk(path, key))
    const id = header(await chat(stage.at, chatBody('x')), 'x-receipt-id')
    const at = String(Math.floor(Date.now() / 1000 - 0.5 * 86_400))
    await stage.at.service.close()
    clock.days = 3
    const later = await began({ ...onDisk(path, key), nowMs: Date.now })
    const receipt = await savedReceipt(later.stage, id)
    // The document is judged under the roots of the machine that made it.
    const past = await cli(later.stage.at.url, stage, { receipt, at })
    expect([past.code, past.report['verdict']]).toEqual([0, 'accepted-as-of'])
    expect(past.report['sentence']).toContain(
      ` The time is ${new Date(Number(at) * 1000).toISOString().replace('.000', '')}, from --at.`,
    )
    expect(past.report['receipt']).toMatchObject({ record: { keyset_digest: first.digest } })
    const tooLate = String(first.keyset.not_after + 60)
    const ended = await cli(later.stage.at.url, stage, { receipt, at: tooLate })
    expect(ended.code).toBe(10)
    expect(String(ended.report['sentence'])).toContain('keyset.valid')
  })

  test('of a keyset that nobody keeps is refused', async () => {
    const { stage } = await began()
    const id = header(await chat(stage.at, chatBody('x')), 'x-receipt-id')
    const receipt = await savedReceipt(stage, id)
    const other = await began()
    await other.today()
    const { code, report } = await cli(other.stage.at.url, other.stage, { receipt })
    expect(code).toBe(10)
    expect(JSON.stringify(report['receipt'])).toContain('receipt_other_keyset')
  })
})
