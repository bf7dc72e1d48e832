/** `countersign verify <url> --receipt` where the receipt is of a keyset that is not in force any more. */
import { createServer } from 'node:http'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import type { Stage } from '../client/client.helpers.ts'
import { began } from '../e2e/keysets.helpers.ts'
import { listenLocally } from '../harness/listen-locally.ts'
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

function keysetCheck(report: JsonObject): unknown[] {
  const receipt = report['receipt']
  const checks = isJsonObject(receipt) ? receipt['checks'] : null
  const found = Array.isArray(checks)
    ? checks.filter(isJsonObject).find(({ id }) => id === 'receipt.keyset')
    : undefined
  return [found?.['status'], found?.['code']]
}

/** Shows what `url` serves, but the documents of earlier keysets. */
async function startTurncoat(url: string) {
  let fault: 'none' | 'status' | 'reset' = 'none'
  const server = createServer((req, res) => {
    const of = req.url ?? ''
    if (fault !== 'none' && of.includes('/keysets/')) {
      if (fault === 'status') res.writeHead(500).end()
      else req.socket.destroy()
      return
    }
    fetch(`${url}${of}`)
      .then(async (reply) => res.writeHead(reply.status).end(await reply.text()))
      .catch(() => res.destroy())
  })
  return {
    url: await listenLocally(server),
    turn: (next: typeof fault) => void (fault = next),
  }
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
    // Not as a forgery: nothing was shown for that either.
    expect(keysetCheck(report)).toEqual(['fail', 'receipt_keyset_not_archived'])
    expect(String(report['sentence'])).toContain('keeps no document of it')
  })

  test('whose archived document cannot be had says so, and does not pass', async () => {
    const { stage, today } = await began()
    const id = header(await chat(stage.at, chatBody('x')), 'x-receipt-id')
    const receipt = await savedReceipt(stage, id)
    await today()
    const { url, turn } = await startTurncoat(stage.at.url)
    for (const fault of ['status', 'reset'] as const) {
      turn(fault)
      const { code, report } = await cli(url, stage, { receipt })
      expect(code).toBe(10)
      expect(keysetCheck(report)).toEqual(['fail', 'receipt_keyset_unreachable'])
    }
    turn('none')
    expect((await cli(url, stage, { receipt })).code).toBe(0)
  })

  test('of another keyset than that of a saved document says that nobody was asked', async () => {
    const { stage, today } = await began()
    const id = header(await chat(stage.at, chatBody('x')), 'x-receipt-id')
    const receipt = await savedReceipt(stage, id)
    await today()
    const nonce = 'ab'.repeat(32)
    const document = join(newFolder(), 'document.json')
    writeFileSync(document, (await get(stage.at, `/v1/attestation/document?nonce=${nonce}`)).body)
    const { code, report } = await cli(document, stage, { receipt, nonce })
    expect(code).toBe(10)
    expect(keysetCheck(report)).toEqual(['fail', 'receipt_keyset_not_asked'])
  })
})
