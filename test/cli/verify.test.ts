import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { readQuote } from '../../src/cli/read-quote.ts'
import { documentUrl } from '../../src/cli/fetch-document.ts'
import { verify } from '../../src/cli/verify.ts'
import type { VerifyOptions } from '../../src/cli/verify.ts'
import { parseConfig } from '../../src/config/config.ts'
import { readTokens } from '../../src/config/read-tokens.ts'
import { startDemoModel } from '../../src/demo/model/start-demo-model.ts'
import type { DemoModel } from '../../src/demo/model/start-demo-model.ts'
import { createGate } from '../../src/service/gate.ts'
import { openSimulation } from '../../src/service/open-simulation.ts'
import type { Simulation } from '../../src/service/open-simulation.ts'
import { SILENT_LOG } from '../../src/operations/open-log.ts'
import { startService } from '../../src/service/start-service.ts'
import type { Service } from '../../src/service/service.ts'

const TOKEN = '0123456789abcdef'
const NONCE = toHex32(new Uint8Array(32).fill(7))

describe('countersign verify', () => {
  let folder: string
  let model: DemoModel
  let simulation: Simulation
  let service: Service

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
    model = await startDemoModel()
    simulation = await openSimulation({
      composeText: '{"name":"sim-test"}',
      gpus: 2,
      addressKey: 'derived',
    })
    const config = parseConfig({
      listen: { port: 0 },
      upstreams: [{ name: 'demo', url: model.url }],
      metrics: null,
    })
    const tokens = readTokens(`alice:${TOKEN}`)
    if (!config.ok || !tokens.ok) throw new Error('the test configures itself')
    service = await startService({
      config: config.config,
      principals: tokens.principals,
      cpu: simulation.cpu,
      gpu: simulation.gpu,
      gpuRequired: 2,
      address: simulation.address,
      simulated: true,
      weights: null,
      log: SILENT_LOG,
      gate: createGate(simulation.roots),
    })
    await service.ready
  })
  afterAll(async () => {
    await service.close()
    await simulation.close()
    await model.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function run(
    target: string,
    options: VerifyOptions,
  ): Promise<{ code: number; out: string }> {
    let out = ''
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += String(text)
      return true
    })
    try {
      return { code: await verify(target, options), out }
    } finally {
      stdout.mockRestore()
    }
  }
  const save = async (name: string, bytes: string | Uint8Array): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, bytes)
    return path
  }
  const document = async (): Promise<string> => {
    const answer = await fetch(`${service.url}/attestation?nonce=${NONCE}`)
    return answer.text()
  }

  test('accepts a live simulation under its own roots and exits 0', async () => {
    const roots = await save('roots.json', JSON.stringify(simulation.roots))
    const { code, out } = await run(`${service.url}/v1`, { allowSimulated: true, roots })
    expect(out).toContain('Accepted as a SIMULATION')
    expect(out).toMatch(/^ {2}GPU 0 +GH100 A01 GSP BROM SIMULATED .* digest-in-quote$/m)
    expect(out).toContain('GPU evidence, rung reached: digest-in-quote')
    expect(code).toBe(0)
  })

  test('rejects a simulation with exit 10 when nobody allowed it, even with its roots', async () => {
    const roots = await save('roots.json', JSON.stringify(simulation.roots))
    const { code, out } = await run(service.url, { roots })
    expect(out).toContain('simulation_not_allowed')
    expect(code).toBe(10)
  })

  test('rejects a simulation under the roots of another one', async () => {
    const roots = await save(
      'other.json',
      JSON.stringify({ sgx: '11'.repeat(32), nvidia: '22'.repeat(32) }),
    )
    const { code } = await run(service.url, { allowSimulated: true, roots })
    expect(code).toBe(10)
  })

  test('turns a skipped check into a rejection when it is required', async () => {
    const { code, out } = await run(service.url, { allowSimulated: true, require: ['quote.crl'] })
    expect(out).toContain('quote.crl is required')
    expect(code).toBe(10)
  })

  test('judges a saved document by the nonce that was used', async () => {
    const path = await save('document.json', await document())
    const good = await run(path, { allowSimulated: true, nonce: NONCE })
    expect(good.code).toBe(0)
    const other = await run(path, { allowSimulated: true, nonce: 'ab'.repeat(32) })
    expect(other.out).toContain('nonce_mismatch')
    expect(other.code).toBe(10)
  })

  test('answers malformed documents with exit 30', async () => {
    const path = await save('broken.json', '{"api_version":')
    expect((await run(path, {})).code).toBe(30)
  })

  test('prints one JSON document on --json', async () => {
    const { out } = await run(service.url, { allowSimulated: true, json: true })
    const parsed = JSON.parse(out) as { verdict: string; checks: unknown[] }
    expect(parsed.verdict).toBe('accepted')
    expect(parsed.checks.length).toBeGreaterThan(20)
  })

  test('verifies a saved receipt against the saved bodies, and rejects it against others', async () => {
    const body = JSON.stringify({
      model: 'demo/countersign-words',
      messages: [{ role: 'user', content: 'Hello' }],
    })
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
    const answer = await fetch(`${service.url}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body,
    })
    const response = await save('response.json', await answer.text())
    const id = answer.headers.get('x-receipt-id') ?? ''
    const saved = await fetch(`${service.url}/v1/attestation/receipts/${id}`, { headers })
    const receipt = await save('receipt.json', await saved.text())
    const path = await save('document.json', await document())
    const options: VerifyOptions = {
      allowSimulated: true,
      nonce: NONCE,
      receipt,
      response,
      request: await save('request.json', body),
      opening: answer.headers.get('x-countersign-opening') ?? '',
    }
    const { document: text } = JSON.parse(await readFile(receipt, 'utf8')) as { document: string }
    const { opening: _, ...closed } = options
    await expect(
      run(path, { ...closed, receipt: await save('text.json', text), level: 'content' }),
    ).rejects.toThrow('--level content needs --opening')
    const good = await run(path, options)
    expect(good.out).toContain('level reached: bytes')
    expect(good.code).toBe(0)
    const forged = await save('forged.json', `${body} `)
    const bad = await run(path, { ...options, request: forged, level: 'bytes' })
    expect(bad.out).toContain('request_hash_mismatch')
    expect(bad.code).toBe(10)
  })

  describe('a receipt of an answer', () => {
    const REQUEST = {
      model: 'demo/countersign-words',
      seed: 3,
      messages: [{ role: 'user', content: 'Hello' }],
    }
    const ask = async (body: object): Promise<VerifyOptions & { path: string; text: string }> => {
      const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
      const sent = JSON.stringify(body)
      const init = { method: 'POST', headers, body: sent }
      const answer = await fetch(`${service.url}/v1/chat/completions`, init)
      const text = await answer.text().catch(() => '')
      const id = answer.headers.get('x-receipt-id') ?? ''
      const saved = await fetch(`${service.url}/v1/attestation/receipts/${id}`, { headers })
      return {
        path: await save('document.json', await document()),
        text,
        allowSimulated: true,
        nonce: NONCE,
        // The owner's answer carries the opening.
        receipt: await save('receipt.json', await saved.text()),
        request: await save('request.json', sent),
        response: await save('response.txt', text),
      }
    }

    test('that was swapped is rejected although only the response was given', async () => {
      const { path, text, request: _request, ...options } = await ask(REQUEST)
      const response = await save('lie.txt', text.replace('"content":"', '"content":"Not '))
      const { code, out } = await run(path, { ...options, response })
      expect(out).toContain('response_hash_mismatch')
      expect(out.trimEnd().split('\n').at(-1)).toMatch(/^Rejected/)
      expect(code).toBe(10)
    })

    test('says in the last line and in JSON what document and receipt come to together', async () => {
      const { path, ...options } = await ask(REQUEST)
      const receipt = await save('broken.json', 'no receipt')
      const text = await run(path, { ...options, receipt })
      expect(text.out.trimEnd().split('\n').at(-1)).toMatch(/^Rejected/)
      expect(text.code).toBe(30)
      const json = await run(path, { ...options, receipt, json: true })
      expect(JSON.parse(json.out)).toMatchObject({ verdict: 'malformed' })
    })

    test('that the model cut is rejected, unless such a receipt is what is wanted', async () => {
      model.faults.omitDone = true
      const { path, ...options } = await ask({ ...REQUEST, stream: true })
      delete model.faults.omitDone
      const cut = await run(path, options)
      expect(cut.out).toContain('outcome_not_complete')
      expect(cut.code).toBe(10)
      expect((await run(path, { ...options, anyOutcome: true })).code).toBe(0)
    })

    test('that a broker wrote anew verifies by its content, and not when it was changed too', async () => {
      for (const body of [REQUEST, { ...REQUEST, stream: true }]) {
        const { path, text, ...options } = await ask(body)
        const rewritten = text.replaceAll('chatcmpl-', 'chatcmpl-broker-')
        const response = await save('rewritten.txt', rewritten)
        const good = await run(path, { ...options, response, level: 'content' })
        expect(good.out).toContain('level reached: content')
        expect(good.code).toBe(0)
        const lie = await save('lie.txt', rewritten.replace(/"content":"[^"]+"/, '"content":"no"'))
        const bad = await run(path, { ...options, response: lie, level: 'content' })
        expect(bad.out).toContain('content_digest_mismatch')
        expect(bad.code).toBe(10)
      }
    })

    test('with a warning full of escape sequences prints none of them', async () => {
      const parsed = JSON.parse(await document()) as { warnings: unknown[] }
      parsed.warnings.push({ code: 'x', detail: '\u001b[2J\u001b[HAccepted\n  pass  fake\u202e' })
      const path = await save('evil.json', JSON.stringify(parsed))
      const { out } = await run(path, { allowSimulated: true, nonce: NONCE })
      expect(out).toContain('\\u001b[2J')
      expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]|\n {2}pass {2}fake/)
    })
  })

  test('says of a bare quote which commands take one', async () => {
    const quote = await readQuote(await save('document.json', await document()))
    const path = await save('quote.bin', quote)
    await expect(verify(path, {})).rejects.toMatchObject({
      exit: 30,
      message: expect.stringContaining('tcb-status and collateral fetch take the quote') as string,
    })
  })

  test('refuses a service that cannot be reached, and wrong arguments, in one sentence', async () => {
    await expect(verify('http://127.0.0.1:1', {})).rejects.toThrow('reached (ECONNREFUSED).')
    await expect(verify(service.url, { level: 'bytes' })).rejects.toThrow('without --receipt')
    await expect(verify(service.url, { nonce: 'xyz' })).rejects.toThrow('64 lower-case hex')
    await expect(verify(service.url, { at: 'noon' })).rejects.toThrow('--at')
  })

  test.each([
    ['http://h:1', 'http://h:1/v1/attestation/document?nonce='],
    ['http://h:1/v1/', 'http://h:1/v1/attestation/document?nonce='],
    ['http://h:1/v1/proxy', 'http://h:1/v1/proxy/attestation/document?nonce='],
  ])('asks %s at the place where a broker would also forward it', (base, url) => {
    expect(documentUrl(base, NONCE)).toBe(url + NONCE)
  })
})
