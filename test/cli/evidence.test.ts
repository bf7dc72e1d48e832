import dns from 'node:dns'
import net from 'node:net'
import { readFile, stat } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { EvidenceFile, EvidenceReceipt } from '../../attestation/protocol/evidence-file.ts'
import { MAX_EVIDENCE_BYTES } from '../../attestation/protocol/evidence-file.ts'
import { parseEvidenceFile } from '../../attestation/appraiser/evidence/parse-evidence-file.ts'
import { evidenceSave } from '../../src/cli/evidence-save.ts'
import { startMachine, TOKEN } from './evidence.helpers.ts'
import type { Boot, Exchange, Machine } from './evidence.helpers.ts'

/** Of one boot with bodies, of another with bodies, and of the second with receipts of both. */
describe('an evidence file', () => {
  let machine: Machine
  let later: Boot
  let firstKeyset: string
  let [first, second, both] = [{}, {}, {}] as EvidenceFile[] as [
    EvidenceFile,
    EvidenceFile,
    EvidenceFile,
  ]
  let unpublished: EvidenceFile
  let exchange: Exchange

  beforeAll(async () => {
    vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
    machine = await startMachine()
    const boot = await machine.boot()
    const early = await boot.ask()
    const { id, ...bodies } = early
    await boot.publish()
    first = await machine.save(boot, 'first.json', { receipt: [id], ...bodies })
    firstKeyset = boot.keysetDigest
    await boot.close()
    later = await machine.boot()
    exchange = await later.ask()
    unpublished = await machine.save(later, 'unpublished.json', { receipt: [exchange.id] })
    await later.publish()
    second = await machine.save(later, 'second.json', {
      receipt: [exchange.id],
      request: exchange.request,
      response: exchange.response,
    })
    both = await machine.save(later, 'both.json', { receipt: [id, exchange.id] })
  })
  afterAll(async () => {
    await later.close()
    await machine.close()
    vi.restoreAllMocks()
  })

  const withReceipt = (file: EvidenceFile, change: Partial<EvidenceReceipt>): EvidenceFile => ({
    ...file,
    receipts: file.receipts.map((receipt) => ({ ...receipt, ...change })),
  })
  const only = (file: EvidenceFile): EvidenceReceipt => {
    const [receipt] = file.receipts
    if (receipt === undefined) throw new Error('no receipt was saved')
    return receipt
  }

  const code = async (file: EvidenceFile | string, wanted: string, options = {}) => {
    const { exit, out } = await machine.judge(file, options)
    expect(out).toContain(wanted)
    return exit
  }

  test('is judged as of its time without any network, bodies and all', async () => {
    const refuse = () => {
      throw new Error('the network was used')
    }
    const connect = vi.spyOn(net.Socket.prototype, 'connect').mockImplementation(refuse)
    const lookup = vi.spyOn(dns, 'lookup').mockImplementation(refuse as never)
    try {
      const { exit, out, last } = await machine.judge(second)
      expect(out).toContain('receipt 0, level reached: bytes')
      expect(last).toMatch(
        /^Accepted as of the time given as a SIMULATION.* receipt shows: bytes\.$/,
      )
      expect(exit).toBe(0)
      expect(connect).not.toHaveBeenCalled()
      expect(lookup).not.toHaveBeenCalled()
      // What stops the network stops a verifier that uses it.
      const elsewhere = { ...later, url: 'http://127.0.0.1:9' }
      await expect(machine.save(elsewhere, 'never.json')).rejects.toThrow('cannot be reached')
      expect(connect).toHaveBeenCalled()
    } finally {
      connect.mockRestore()
      lookup.mockRestore()
    }
  })

  test('says in one sentence what vouches for the time, and that nothing does for its end', async () => {
    const { out } = await machine.judge(second, { json: true })
    const { verdict, time } = JSON.parse(out) as {
      verdict: string
      time: Readonly<Record<string, unknown>>
    }
    expect(verdict).toBe('accepted-as-of')
    expect(time).toMatchObject({ notBeforeOf: 'quote', savedAt: second.saved_at })
    expect(time['notBefore']).toBeLessThanOrEqual(second.saved_at)
    expect(time['notBefore']).toBeGreaterThan(second.saved_at - 30 * 24 * 3600)
    expect(time['sentence']).toMatch(/Intel's signatures show that the quote was made after 20/)
    expect(time['sentence']).toMatch(/NVIDIA's signatures show that the quote was made after 20/)
    expect(time['sentence']).toMatch(/vouched for by nobody but whoever names that time/)
  })

  describe('takes signed dates of GPU collateral', () => {
    interface Dated {
      readonly time: {
        readonly signedDates: readonly { by: string; date: number; of: string }[]
        readonly notBefore: number | null
        readonly notBeforeOf: string | null
      }
    }
    const datesOf = async (file: EvidenceFile) => {
      const { out } = await machine.judge(file, { json: true })
      const { time } = JSON.parse(out) as Dated
      return { ...time, found: time.signedDates.map(({ by, of }) => `${by} ${of}`) }
    }
    const stapled = () => {
      const [attestation] = second.attestations
      const { evidence } = JSON.parse(attestation?.document ?? '') as {
        evidence: { collateral: { type: string; value: { rims: never[]; ocsp: string[] } }[] }
      }
      const nvidia = evidence.collateral.find(({ type }) => type === 'nvidia')?.value
      if (attestation === undefined || nvidia === undefined) throw new Error('nothing is stapled')
      return { attestation, nvidia }
    }

    test('of the quote where they were stapled, of the file where they were added', async () => {
      const own = await datesOf(second)
      expect(own.found).toEqual(['Intel quote', 'NVIDIA quote'])
      expect(own.notBefore).toBe(Math.max(...own.signedDates.map(({ date }) => date)))
      const { attestation, nvidia } = stapled()
      const added = { ...second, attestations: [{ ...attestation, gpu_collateral: nvidia }] }
      expect((await datesOf(added)).found).toEqual(['Intel quote', 'NVIDIA file'])
    })

    test('under signatures that hold, and no other', async () => {
      const { attestation, nvidia } = stapled()
      const ocsp = nvidia.ocsp.map((one) => {
        const der = Buffer.from(one, 'base64')
        // producedAt comes first of the times (RFC 6960 §4.2.1): a GeneralizedTime of 15 characters.
        const at = der.indexOf(Buffer.from([0x18, 0x0f])) + 2
        const year = String(Number(der.toString('latin1', at, at + 4)) + 1)
        return Buffer.concat([der.subarray(0, at), Buffer.from(year), der.subarray(at + 4)])
      })
      const forged = { ...nvidia, ocsp: ocsp.map((der) => der.toString('base64')) }
      const bent = { ...second, attestations: [{ ...attestation, gpu_collateral: forged }] }
      expect((await datesOf(bent)).found).toEqual(['Intel quote'])
      expect((await machine.judge(bent)).exit).toBe(10)
      const none = { ...nvidia, ocsp: [] }
      const bare = { ...second, attestations: [{ ...attestation, gpu_collateral: none }] }
      expect((await datesOf(bare)).found).toEqual(['Intel quote'])
    })
  })

  test('without a time is judged now, and says that it grows stale', async () => {
    const now = await machine.judge(second, { policy: 'relying-party', at: undefined } as never)
    expect(now.last).toMatch(/^Accepted as a SIMULATION/)
    expect(now.out).toContain('Judged as of now. What was saved grows stale')
    expect(now.out).toContain('nothing in it shows by when it existed')
  })

  test('is refused with the name of a check that there is not', async () => {
    const judged = machine.judge(second, { require: ['quote.no_such_check'] })
    await expect(judged).rejects.toThrow('--require quote.no_such_check: there is no such check.')
  })

  test('is not believed of a time before its own signed dates, nor after its collateral ended', async () => {
    const days = (count: number) => ({ at: String(second.saved_at + count * 24 * 3600) })
    expect(await code(second, 'pck_chain_not_yet_valid', days(-60))).toBe(10)
    expect(await code(second, 'tcb_info_expired', days(400))).toBe(10)
  })

  test('holds the document of an earlier boot that a receipt names', async () => {
    expect(both.attestations).toHaveLength(2)
    const { exit, out } = await machine.judge(both)
    expect(out).toContain('of another keyset that a receipt names')
    expect(out).toContain('receipt 1, level reached: signer')
    expect(exit).toBe(0)
  })

  test('proves that the record is in the log, where a published head covered it', async () => {
    expect(only(unpublished).inclusion).toBeNull()
    expect((await machine.judge(unpublished)).exit).toBe(0)
    const { out } = await machine.judge(both)
    expect(out.match(/^ {2}pass {2}log\.inclusion +leaf 1 of (?:256|512)$/gm)).toHaveLength(2)
  })

  test('is written for its owner alone, and over no other file', async () => {
    const path = machine.file('taken.json', '')
    await expect(evidenceSave(later.url, { out: path }, {})).rejects.toThrow('or exists')
    const made = (await stat(path.replace('taken', 'second'))).mode & 0o777
    expect(made).toBe(0o600)
  })

  test('is not made of a receipt that the caller may not have, or of bodies without one receipt', async () => {
    const refused = evidenceSave(later.url, { receipt: [exchange.id] }, {})
    await expect(refused).rejects.toThrow('the service answered 401')
    const { request } = exchange
    await expect(evidenceSave(later.url, { request }, {})).rejects.toThrow('exactly one --receipt')
    await expect(evidenceSave('http://u:p@h', {}, {})).rejects.toThrow('without a user name')
    const { id } = exchange
    const response = await readFile(exchange.response, 'utf8')
    const { id: completion } = JSON.parse(response) as { id: string }
    const twice = evidenceSave(
      later.url,
      { receipt: [id, completion] },
      { COUNTERSIGN_TOKEN: TOKEN },
    )
    await expect(twice).rejects.toThrow('named twice')
    const odd = evidenceSave(later.url, { receipt: ['../x'] }, { COUNTERSIGN_TOKEN: TOKEN })
    await expect(odd).rejects.toThrow('--receipt takes')
  })

  describe('is refused', () => {
    test('where the receipt of another file was put in: its keyset is not there', async () => {
      const swapped = { ...first, receipts: second.receipts }
      expect(await code(swapped, 'evidence_keyset_missing')).toBe(10)
    })

    test('where the attestation of another file was put in', async () => {
      const swapped = { ...first, attestations: second.attestations }
      expect(await code(swapped, 'evidence_keyset_missing')).toBe(10)
    })

    test('where collateral of another machine was put beside the document', async () => {
      const other = await startMachine()
      const strange = await other.boot()
      const foreign = await other.save(strange, 'foreign.json')
      await strange.close()
      await other.close()
      const document = JSON.parse(foreign.attestations[0]?.document ?? '') as {
        evidence: { collateral: { type: string; value: never }[] }
      }
      const collateral = document.evidence.collateral.find(({ type }) => type === 'dcap')?.value
      expect(collateral).toBeDefined()
      const [attestation] = second.attestations
      if (attestation === undefined || collateral === undefined) throw new Error('nothing saved')
      const swapped = { ...second, attestations: [{ ...attestation, collateral }] }
      expect(await code(swapped, 'collateral_chain_untrusted_root')).toBe(10)
      // And the whole foreign document, which is genuine under its own roots.
      expect(await code(foreign, 'pck_chain_untrusted_root')).toBe(10)
    })

    test('where a request or a response is not the one that was signed', async () => {
      const lie = Buffer.from('{"model":"x"}').toString('base64')
      expect(await code(withReceipt(second, { request: lie }), 'request_hash_mismatch')).toBe(10)
      expect(await code(withReceipt(second, { response: lie }), 'response_hash_mismatch')).toBe(10)
      const { request, response } = only(second)
      const turned = withReceipt(second, { request: response, response: request })
      expect(await code(turned, 'request_hash_mismatch')).toBe(10)
    })

    test('where the opening is that of another receipt', async () => {
      const { opening } = only(first)
      expect(opening).toMatch(/^[0-9a-f]{64}$/)
      expect(await code(withReceipt(second, { opening }), 'opening_mismatch')).toBe(10)
    })

    test('where the proof of the log is of another receipt or boot, forged, or no proof', async () => {
      const { inclusion } = only(first)
      const other = withReceipt(second, { inclusion })
      expect(await code(other, 'log_inclusion_invalid')).toBe(10)
      const own = only(second).inclusion ?? ''
      const changed = (member: RegExp, change: (was: string) => string) => {
        const text = own.replace(member, (_, name: string, was: string) => name + change(was))
        expect(text).not.toBe(own)
        return text
      }
      const next = (was: string) => String(Number(was) + 1)
      const moved = changed(/("leaf_index":)(\d+)/, next)
      expect(await code(withReceipt(second, { inclusion: moved }), 'log_inclusion_invalid')).toBe(
        10,
      )
      const bent = changed(/("path":\[")([0-9a-f]{2})/, (was) =>
        (parseInt(was, 16) ^ 1).toString(16).padStart(2, '0'),
      )
      expect(await code(withReceipt(second, { inclusion: bent }), 'log_inclusion_invalid')).toBe(10)
      const size = changed(/("tree_size":)(\d+)/, next)
      expect(await code(withReceipt(second, { inclusion: size }), 'log_head_unknown')).toBe(10)
      expect(await code(withReceipt(second, { inclusion: '{}' }), 'log_proof_missing')).toBe(10)
    })

    test('where the evidence is simulated and nobody allowed it', async () => {
      const told = { allowSimulated: false }
      expect(await code(second, 'simulation_not_allowed', told)).toBe(10)
    })

    test('where a document rides along that no receipt needs, or one twice', async () => {
      const loose = { ...both, receipts: both.receipts.slice(1) }
      expect(await code(loose, 'evidence_keyset_unused')).toBe(10)
      const twice = { ...both, attestations: [...both.attestations, ...both.attestations] }
      expect(await code(twice, 'evidence_keyset_unused')).toBe(10)
    })

    test('where one receipt is there twice, in whatever encoding', async () => {
      const receipt = only(second)
      const twice = { ...second, receipts: [receipt, receipt] }
      expect(await code(twice, 'evidence_receipt_twice')).toBe(10)
      const bare = { ...receipt, opening: null, request: null, response: null, inclusion: null }
      expect(await code({ ...second, receipts: [receipt, bare] }, 'evidence_receipt_twice')).toBe(
        10,
      )
      expect(await code(both, 'pass  evidence.receipts')).toBe(0)
    })

    test('where the document of an earlier boot does not hold', async () => {
      const [now, then] = both.attestations
      if (now === undefined || then === undefined) throw new Error('two documents are saved')
      const document = then.document.replace(/"issued_at":\d/, '"issued_at":9')
      const forged = { ...both, attestations: [now, { ...then, document }] }
      const { exit, last } = await machine.judge(forged)
      expect(last).toContain('Of another keyset that a receipt names: Rejected')
      expect(exit).toBe(10)
      expect(firstKeyset).not.toBe(later.keysetDigest)
    })

    test('where a member is unknown, missing or there twice', async () => {
      const text = JSON.stringify(second)
      const more = text.replace(/^\{/, '{"note":"x",')
      expect(await code(more, 'evidence_malformed: the evidence file must not have note')).toBe(30)
      const twice = text.replace(/^\{/, '{"saved_at":1,')
      expect(await code(twice, 'duplicate_member')).toBe(30)
      const { receipts: _, ...fewer } = second
      expect(await code(fewer as EvidenceFile, 'lacks receipts')).toBe(30)
      const inner = text.replace('"opening"', '"note":null,"opening"')
      expect(await code(inner, 'must not have note')).toBe(30)
      const later = { ...second, purpose: 'countersign.evidence.v2' }
      expect(await code(later as never, 'evidence_unsupported')).toBe(20)
    })

    test('where a part is too large, or there are too many', async () => {
      const many = { ...second, receipts: Array.from({ length: 65 }, () => only(second)) }
      expect(await code(many, 'receipts is no list')).toBe(30)
      const documents = { ...second, attestations: Array(9).fill(second.attestations[0]) }
      expect(await code(documents as EvidenceFile, 'attestations is no list')).toBe(30)
      const long = withReceipt(second, { receipt: 'x'.repeat(256 * 1024 + 1) })
      expect(await code(long, 'receipts.receipt is no text')).toBe(30)
      const huge = parseEvidenceFile(new Uint8Array(MAX_EVIDENCE_BYTES + 1))
      expect(huge).toMatchObject({ ok: false, detail: `longer than ${MAX_EVIDENCE_BYTES} bytes` })
    })

    test('where the bytes of another layout stand in a member', async () => {
      const [attestation] = second.attestations
      if (attestation === undefined) throw new Error('nothing saved')
      const report = JSON.stringify({ quote: '00', event_log: '[]', vm_config: '{}' })
      const other = { ...second, attestations: [{ ...attestation, document: report }] }
      expect(await code(other, 'document_malformed')).toBe(30)
      const nested = {
        ...second,
        attestations: [{ ...attestation, document: JSON.stringify(second) }],
      }
      expect(await code(nested, 'document_malformed')).toBe(30)
      const wrong = withReceipt(second, { receipt: attestation.document })
      expect(await code(wrong, 'receipt_malformed')).toBe(30)
      const base64url = withReceipt(second, { request: '_-8' })
      expect(await code(base64url, 'is not base64')).toBe(30)
    })

    test('under an option that says what the file says itself', async () => {
      const named = { receipt: exchange.request }
      await expect(machine.judge(second, named)).rejects.toThrow('would be ignored')
      const fetching = { fetchCollateral: true }
      await expect(machine.judge(second, fetching)).rejects.toThrow('would be ignored')
      const layout = { layout: 'countersign' }
      expect((await machine.judge(second, layout)).exit).toBe(30)
    })
  })
})
