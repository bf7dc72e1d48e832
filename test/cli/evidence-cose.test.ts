/** Evidence files with receipts as COSE_Sign1: beside the text, in its place, and of another answer. */
import { createPublicKey } from 'node:crypto'
import { Sign1 } from '@auth0/cose'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { COSE_EXTERNAL_AAD } from '../../attestation/protocol/cose-receipt.ts'
import type { EvidenceFile, EvidenceReceipt } from '../../attestation/protocol/evidence-file.ts'
import { evidenceSave } from '../../src/cli/evidence-save.ts'
import { startMachine } from './evidence.helpers.ts'
import type { Boot, Machine } from './evidence.helpers.ts'

const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

let machine: Machine
let boot: Boot
let earlier: string
let saved: EvidenceFile
let other: EvidenceReceipt

beforeAll(async () => {
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
  machine = await startMachine()
  const before = await machine.boot()
  earlier = (await before.ask()).id
  await before.close()
  boot = await machine.boot()
  const { id, ...bodies } = await boot.ask()
  const second = await boot.ask()
  await boot.publish()
  saved = await machine.save(boot, 'cose.json', { receipt: [id], cose: true, ...bodies })
  const rest = await machine.save(boot, 'other.json', { receipt: [second.id], cose: true })
  other = only(rest)
})
afterAll(async () => {
  await boot.close()
  await machine.close()
  vi.restoreAllMocks()
})

function only(file: EvidenceFile): EvidenceReceipt {
  const [receipt] = file.receipts
  if (receipt === undefined) throw new Error('no receipt was saved')
  return receipt
}

const withReceipt = (change: object): EvidenceFile => ({
  ...saved,
  receipts: [{ ...only(saved), ...change }],
})

async function expectRefused(file: EvidenceFile, wanted: string, exit = 10): Promise<void> {
  const judged = await machine.judge(file)
  expect(judged.out).toContain(wanted)
  expect(judged.exit).toBe(exit)
}

describe('an evidence file with COSE', () => {
  test('is judged in both encodings, bodies and log and all', async () => {
    const { exit, out } = await machine.judge(saved)
    expect(out).toMatch(/pass {2}receipt\.encodings/)
    expect(out).toContain('receipt 0, level reached: bytes')
    expect(out).toContain('receipt 0 as COSE_Sign1, level reached: bytes')
    expect(out.match(/^ {2}pass {2}log\.inclusion/gm)).toHaveLength(2)
    expect(exit).toBe(0)
  })

  test('is judged where the COSE_Sign1 stands alone', async () => {
    const { exit, out } = await machine.judge(withReceipt({ receipt: null }), { json: true })
    const { receipts } = JSON.parse(out) as { receipts: { encoding: string; level: string }[] }
    expect(receipts.map(({ encoding, level }) => [encoding, level])).toEqual([['cose', 'bytes']])
    expect(exit).toBe(0)
  })

  test('holds what a stock COSE library verifies under the attested key', async () => {
    const { keyset } = JSON.parse(saved.attestations[0]?.document ?? '') as {
      keyset: { receipt_signing_keys: { algo: string; public_key: string }[] }
    }
    const keyOf = (algo: string) => {
      const raw = keyset.receipt_signing_keys.find((entry) => entry.algo === algo)?.public_key
      const der = Buffer.concat([SPKI, Buffer.from(raw ?? '', 'hex')])
      return createPublicKey({ key: der, format: 'der', type: 'spki' })
    }
    const message = Sign1.decode(Buffer.from(only(saved).cose ?? '', 'base64'))
    const external = { externalAAD: Buffer.from(COSE_EXTERNAL_AAD) }
    await message.verify(keyOf('countersign-cose-ed25519'), external)
    await expect(message.verify(keyOf('ed25519'), external)).rejects.toThrow()
  })

  test('is refused where the encodings are of two answers, each of them genuine', async () => {
    const beside = withReceipt({ cose: other.cose })
    await expectRefused(beside, 'receipt_encodings_differ')
    await expectRefused(withReceipt({ receipt: other.receipt }), 'receipt_encodings_differ')
    // Of one answer, and not of the one whose bodies are there.
    const moved = withReceipt({ cose: other.cose, receipt: null })
    await expectRefused(moved, 'opening_mismatch')
  })

  test('is refused where the COSE_Sign1 alone was touched', async () => {
    const bytes = Buffer.from(only(saved).cose ?? '', 'base64')
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    const forged = withReceipt({ cose: bytes.toString('base64') })
    await expectRefused(forged, 'receipt 0 as COSE_Sign1: receipt.signature')
    const cut = withReceipt({ cose: bytes.subarray(0, -1).toString('base64') })
    await expectRefused(cut, 'receipt_malformed', 30)
  })

  test('is refused in another form', async () => {
    const long = Buffer.alloc(256 * 1024 + 1).toString('base64')
    for (const cose of [null, 7, '_-8', long, { cose: '' }]) {
      await expectRefused(withReceipt({ cose }), 'receipts.cose', 30)
    }
    const { cose: _cose, ...bare } = only(saved)
    const none = { ...saved, receipts: [{ ...bare, receipt: null }] }
    await expectRefused(none, 'a receipt in no encoding', 30)
  })

  test('is not made of an earlier boot’s receipt, whose key is gone, or of no receipt', async () => {
    const gone = machine.save(boot, 'gone.json', { receipt: [earlier], cose: true })
    await expect(gone).rejects.toThrow(
      /another boot made it.*Without --cose everything else is saved/,
    )
    const alone = evidenceSave(boot.url, { cose: true }, {})
    await expect(alone).rejects.toThrow('--cose says nothing without --receipt')
  })
})
