/** `countersign verify report.json`: what a file is taken for, what its verdict rests on, how the command ends. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { toHex } from '../../attestation/protocol/hex.ts'
import { Refusal } from '../../src/cli/refusal.ts'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import { aci, dstackReport, NONCE, vllmReport, world } from '../appraiser/report.helpers.ts'
import { fixturePath, fixtureText, haveFixtures, hex } from '../appraiser/x509.helpers.ts'
import { NOW } from '../appraiser/document.helpers.ts'

describe('countersign verify report.json', () => {
  let folder: string
  let simulated: VerifyOptions
  const save = async (name: string, content: unknown): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
    const roots = await save('roots.json', {
      sgx: toHex(world.guest.pki.rootSha256),
      nvidia: toHex(world.nvidia.rootSha256),
      kms: null,
    })
    simulated = { allowSimulated: true, roots, at: String(NOW), nonce: NONCE }
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

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
  const lastLine = (out: string): string => out.trimEnd().split('\n').at(-1) ?? ''

  test('takes each kind for what its members say, and ends with one sentence', async () => {
    const kinds = {
      dstack: dstackReport(hex(NONCE)),
      'vllm-proxy': await vllmReport('ecdsa'),
      aci: await aci(),
    }
    for (const [name, report] of Object.entries(kinds)) {
      const { code, out } = await run(await save(`${name}.json`, report), simulated)
      expect(out).toContain(`${name}, recognised by its members`)
      expect(lastLine(out)).toMatch(/^Accepted as of the time given as a SIMULATION/)
      expect(code).toBe(0)
    }
    const document = await world.attestor.document(NONCE)
    expect((await run(await save('document.json', document), simulated)).code).toBe(0)
  })

  test('prints no control or hidden character of a report raw, neither as text nor as JSON', async () => {
    const evil = '\u001b[2J\u009b1;1H\u202eAccepted\u{e0041}\u3164'
    const path = await save('evil.json', { ...dstackReport(hex(NONCE)), [evil]: 1 })
    const text = await run(path, { ...simulated, layout: 'dstack' })
    const json = await run(path, { ...simulated, layout: 'dstack', json: true })
    for (const { code, out } of [text, json]) {
      expect(out).toContain('\\u009b1;1H')
      expect(out).not.toMatch(/[^\P{C}\n]|\p{Default_Ignorable_Code_Point}/u)
      expect(code).toBe(30)
    }
  })

  test('says whose signatures may be believed', async () => {
    const path = await save('vllm.json', await vllmReport('ecdsa'))
    const { out } = await run(path, { ...simulated, json: true })
    const { signer, layout } = JSON.parse(out) as { signer: unknown; layout: unknown }
    expect(layout).toBe('vllm-proxy')
    expect(signer).toEqual({ algo: 'ecdsa', address: world.keys.address.address.toLowerCase() })
  })

  test('is told a layout, and reads nothing under another', async () => {
    const path = await save('report.json', dstackReport(hex(NONCE)))
    const told = await run(path, { ...simulated, layout: 'dstack' })
    expect(told.out).toContain('dstack, as told')
    expect(told.code).toBe(0)
    for (const layout of ['aci', 'vllm-proxy', 'countersign']) {
      expect((await run(path, { ...simulated, layout })).code, layout).not.toBe(0)
    }
    await expect(verify(path, { layout: 'tdx' })).rejects.toThrow('--layout takes countersign')
  })

  test('refuses with exit 30 a file that could be two things', async () => {
    const path = await save('two.json', { ...dstackReport(hex(NONCE)), tcb_info: '{}' })
    const { code, out } = await run(path, simulated)
    expect(lastLine(out)).toContain('--layout')
    expect(code).toBe(30)
  })

  test('rejects with exit 10 for another nonce, another compose text and an unnamed simulation', async () => {
    const path = await save('report.json', dstackReport(hex(NONCE)))
    expect((await run(path, { ...simulated, nonce: '00'.repeat(32) })).code).toBe(10)
    const compose = await save('compose.json', `${world.guest.composeText}\n`)
    const other = await run(path, { ...simulated, compose })
    expect(other.out).toContain('compose_hash_mismatch')
    expect(other.code).toBe(10)
    const { allowSimulated: _, ...unnamed } = simulated
    expect((await run(path, unnamed)).code).toBe(10)
    const exact = await save('exact.json', world.guest.composeText)
    const require = ['compose.hash', 'report.nonce']
    expect((await run(path, { ...simulated, compose: exact, require })).code).toBe(0)
  })

  test('compares the bytes that a caller of dstack had quoted', async () => {
    const quoted = 'ab'.repeat(64)
    const path = await save('report.json', dstackReport(hex(quoted)))
    const { nonce: _, ...options } = simulated
    expect((await run(path, { ...options, reportData: quoted })).code).toBe(0)
    expect((await run(path, { ...options, reportData: 'ab' })).code).toBe(10)
    await expect(verify(path, { ...options, reportData: 'AB' })).rejects.toThrow('lower-case hex')
    const proxy = await save('vllm.json', await vllmReport('ecdsa'))
    await expect(verify(proxy, { reportData: 'ab' })).rejects.toThrow('for dstack reports')
  })

  test('takes a PEM file for an RA-TLS certificate, which answers no nonce', async () => {
    const { guest } = world
    const request = {
      ...{ subject: 'app', altNames: [], usageServerAuth: true, usageClientAuth: false },
      ...{ usageRaTls: true, withAppInfo: false, notBefore: null, notAfter: null },
    }
    const quote = (data: Uint8Array): Uint8Array => guest.quote(data)
    const evidence = { appId: guest.appId, quote, eventLog: guest.quotedEventLog }
    const chain = guest.tls.issue(request, evidence).certificateChain
    const path = await save('chain.pem', chain.join(''))
    const { nonce: _, ...options } = simulated
    const { code, out } = await run(path, { ...options, require: ['ratls.chain'] })
    expect(lastLine(out)).toMatch(/^Accepted/)
    expect(code).toBe(0)
    await expect(verify(path, simulated)).rejects.toThrow('answers none')
    const ca = await save('ca.pem', chain.slice(1).join(''))
    expect((await run(ca, options)).out).toContain('ratls_no_evidence')
    expect((await run(ca, options)).code).toBe(10)
  })

  test('refuses options that it would have to ignore', async () => {
    const document = await save('document.json', await world.attestor.document(NONCE))
    await expect(verify(document, { ...simulated, reportData: 'ab' })).rejects.toThrow(Refusal)
    await expect(verify(document, { ...simulated, compose: document })).rejects.toThrow(Refusal)
    const report = await save('report.json', dstackReport(hex(NONCE)))
    const receipt = await save('receipt.json', '{}')
    await expect(verify(report, { ...simulated, receipt })).rejects.toThrow('attestation document')
    await expect(verify(report, { ...simulated, collateral: receipt })).rejects.toThrow('lacks')
    await expect(verify('http://127.0.0.1:1', { layout: 'aci' })).rejects.toThrow(Refusal)
    await expect(verify(report, { ...simulated, require: ['report.nonze'] })).rejects.toThrow(
      'no such check',
    )
  })

  test('answers broken files with exit 30', async () => {
    expect((await run(await save('broken.json', '{"quote":'), {})).code).toBe(30)
    expect((await run(await save('quote.json', { quote: 1, vm_config: 1 }), {})).code).toBe(30)
  })

  describe.runIf(haveFixtures('tdx'))('recorded on hardware', () => {
    const at = '1772600000'
    const collateral = (): string => fixturePath('tdx/v5-td15-outdated.collateral.json')

    test('a dstack report is accepted as of its time', async () => {
      const path = fixturePath('tdx/dstack-quote-report.json')
      const unknownImage = await run(path, { at, collateral: collateral() })
      expect(lastLine(unknownImage.out)).toContain('quote.image')
      expect(unknownImage.code).toBe(20)
      const policy = await save('policy.json', { acceptUnchecked: ['quote.image'] })
      const { code, out } = await run(path, { at, collateral: collateral(), policy })
      expect(lastLine(out)).toMatch(
        /^Accepted as of the time given, without the checks quote\.image: this software made the quote/,
      )
      expect(code).toBe(0)
      // Nothing speaks against it without collateral, and that is not enough.
      expect((await run(path, { at, policy })).code).toBe(20)
      // Too early for the collateral, and too late.
      for (const other of ['1771000000', '1775000000']) {
        const then = await run(path, { at: other, collateral: collateral(), policy })
        expect(then.code, other).toBe(10)
      }
    })

    test('a dstack report leaves nothing unchecked where the registers of its image are known', async () => {
      const path = fixturePath('tdx/dstack-quote-report.json')
      const report = JSON.parse(fixtureText('tdx/dstack-quote-report.json')) as {
        quote: string
        vm_config: string
      }
      const { os_image_hash: osImageHash } = JSON.parse(report.vm_config) as Record<string, string>
      // Offsets of a version 4 quote; in earnest these come from the image's maker.
      const register = (offset: number): string => report.quote.slice(2 * offset, 2 * (offset + 48))
      const image = {
        ...{ osImageHash, mrtd: register(184), rtmr0: [register(376)] },
        ...{ rtmr1: register(424), rtmr2: register(472) },
      }
      const known = async (images: readonly object[]): Promise<{ code: number; out: string }> =>
        run(path, {
          ...{ at, collateral: collateral(), require: ['quote.image', 'vm_config.os_image'] },
          policy: await save('policy.json', { tdx: { images } }),
        })
      const good = await known([image])
      expect(lastLine(good.out)).toMatch(/^Accepted as of the time given: /)
      expect(good.code).toBe(0)
      const renamed = await known([{ ...image, osImageHash: '11'.repeat(32) }])
      expect(renamed.out).toContain('os_image_mismatch')
      expect(renamed.code).toBe(10)
      expect((await known([{ ...image, rtmr0: ['11'.repeat(48)] }])).code).toBe(10)
    })

    test('the policies that ship are taken by name', async () => {
      const path = fixturePath('tdx/dstack-quote-report.json')
      const given = { at, collateral: collateral(), acceptUnchecked: true }
      // Issued two weeks before the time of the judgement.
      const party = await run(path, { ...given, policy: 'relying-party' })
      expect(party.code).toBe(10)
      expect(lastLine(party.out)).toContain('quote.collateral_age')
      expect((await run(path, { ...given, policy: 'node' })).code).toBe(0)
      await expect(verify(path, { ...given, policy: 'nod' })).rejects.toThrow(Refusal)
    })

    test.runIf(haveFixtures('0g'))('a vllm-proxy report is accepted for its nonce', async () => {
      const path = fixturePath('0g/llm_attestation_report.json')
      const nonce = '034b9c390f073a9c8f8a1b50e537342fff3952bf2f32f145174e8d87588ed2da'
      // The firmware of that machine was out of date when the collateral was issued.
      const tdx = { acceptedStatuses: ['OutOfDate'], acceptedAdvisories: null }
      const policy = await save('policy.json', { tdx })
      const current = { at, collateral: collateral(), acceptUnchecked: true }
      const options = { ...current, policy }
      const { code, out } = await run(path, { ...options, nonce })
      expect(code).toBe(0)
      // Of a deployed H200: the nonce is the client's own, so its GPU may stand anywhere.
      expect(out).toMatch(
        /^ {2}GPU 0 +GH100 A01 GSP BROM +570\.172\.08 +96\.00\.CF\.00\.02 +unstated +vendor-signed$/m,
      )
      expect(out).toContain('GPU evidence, rung reached: vendor-signed')
      expect((await run(path, { ...current, nonce })).code).toBe(10)
      expect((await run(path, { ...options, nonce: NONCE })).code).toBe(10)
    })
  })
})
