import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { smoke } from '../../src/cli/smoke.ts'
import type { SmokeOptions } from '../../src/cli/smoke.ts'
import { Refusal } from '../../src/cli/refusal.ts'
import { found, SMOKE_CODES } from '../../src/smoke/smoke-codes.ts'
import type { SmokeCode, SmokeRow } from '../../src/smoke/smoke-codes.ts'
import { HOSTILE_ANSWERS, startHostile } from '../harness/hostile-answers.ts'
import { TOKENS, startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'

type Change = (path: string, response: Response) => Response | Promise<Response>

let at: TestService
let folder: string
let options: SmokeOptions
beforeAll(async () => {
  at = await startTestService({ gpus: 1 })
  folder = await mkdtemp(join(tmpdir(), 'countersign-smoke-'))
  const roots = join(folder, 'roots.json')
  const simulated = at.simulation?.roots
  if (simulated === undefined) throw new Error('no simulation')
  await writeFile(roots, JSON.stringify(simulated))
  options = {
    allowSimulated: true,
    roots,
    acceptUnchecked: true,
    tokenEnv: 'NODE_TOKEN',
    policy: 'node',
  }
})
afterEach(() => vi.unstubAllGlobals())
afterAll(async () => {
  await at.close()
  await rm(folder, { recursive: true })
})

/** @param change what stands between the node and who tries it */
async function run(
  changes: Partial<SmokeOptions> = {},
  change: Change | null = null,
  url = at.url,
): Promise<{ readonly code: number; readonly out: string }> {
  if (change !== null) {
    const real = globalThis.fetch
    vi.stubGlobal('fetch', async (input: string | URL | Request, init?: RequestInit) => {
      const asked = input instanceof Request ? input.url : String(input)
      return change(new URL(asked).pathname, await real(input, init))
    })
  }
  let out = ''
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    out += String(chunk)
    return true
  })
  try {
    const environment = { NODE_TOKEN: TOKENS.alice }
    return { code: await smoke(url, { ...options, ...changes }, environment), out }
  } finally {
    spy.mockRestore()
    vi.unstubAllGlobals()
  }
}

async function rows(
  changes: Partial<SmokeOptions> = {},
  change: Change | null = null,
  url = at.url,
) {
  const { code, out } = await run({ ...changes, json: true }, change, url)
  const { rows: all } = JSON.parse(out) as { readonly rows: readonly SmokeRow[] }
  // Whatever was done to the node: no row leaves the provider without a next step.
  for (const { probe, status, action } of all) {
    expect(action, probe).toMatch(status === 'pass' ? /^$/ : /^[A-Z].{20,}\.$/)
  }
  return { code, all, codes: Object.fromEntries(all.map((row) => [row.probe, row.code])) }
}

/** A JSON answer with some members set anew. */
async function edited(response: Response, members: Readonly<Record<string, unknown>>) {
  const value = (await response.json()) as Record<string, unknown>
  const { status, headers } = response
  return new Response(JSON.stringify({ ...value, ...members }), { status, headers })
}

test.each(Object.entries(SMOKE_CODES))(
  '%s says what it means and what to do next',
  (name, code) => {
    expect(code.meaning).toMatch(/^[A-Z].{10,}\.$/)
    expect(code.action).toMatch(/^[A-Z].{20,}\.$/)
    expect(found('probe', name as SmokeCode, '')).toMatchObject({ action: code.action })
  },
)

describe('countersign smoke', () => {
  test('a simulated service over the demo model: nothing fails, each probe was tried', async () => {
    const { code, all } = await rows()
    expect(all.filter(({ status }) => status === 'fail' || status === 'skip')).toEqual([])
    expect(code).toBe(0)
    expect(all.map(({ probe }) => probe).toSorted()).toEqual(
      [
        ...['attestation.document', 'models.list', 'chat.shape', 'chat.usage', 'stream.shape'],
        ...['stream.usage', 'chat.parameters', 'reasoning.switch', 'reasoning.leak'],
        ...[
          'reasoning.budget',
          'tools.chat',
          'tools.stream',
          'errors.wrong_token',
          'errors.no_token',
        ],
        ...['errors.unknown_model', 'errors.not_json', 'errors.malformed', 'errors.unknown_path'],
        ...['errors.too_large', 'signature.chat.ecdsa', 'signature.chat.ed25519'],
        ...['signature.stream.ecdsa', 'signature.stream.ed25519', 'signature.unknown'],
        ...['receipt.chat', 'receipt.stream'],
      ].toSorted(),
    )
  })

  test('a table for people, without the token', async () => {
    const { out } = await run()
    expect(out).toMatch(/^pass +signature\.chat\.ecdsa +0x[0-9a-fA-F]{40}$/m)
    expect(out).toMatch(/^\d+ pass, \d+ warn, 0 fail, 0 skip\.$/m)
    expect(out).not.toContain(TOKENS.alice)
  })

  test('evidence that the policy does not accept fails, and no signature or receipt counts', async () => {
    const { code, codes, all } = await rows({ allowSimulated: false })
    expect(code).toBe(10)
    const document = all.find(({ probe }) => probe === 'attestation.document')
    expect(document?.seen).toMatch(/^Rejected: [^R]/)
    expect(codes['attestation.document']).toBe('attestation_rejected')
    for (const probe of ['signature.chat.ecdsa', 'signature.stream.ed25519', 'receipt.chat']) {
      expect(codes[probe]).toBe('not_tried')
    }
  })

  test.each(Object.entries(HOSTILE_ANSWERS))(
    '%s to an announced body: its own row fails, and all others are told',
    async (name, act) => {
      const between = await startHostile((socket, first) => {
        if (first.includes('content-length: 1099511627776')) {
          act(socket)
          return
        }
        const onward = connect(Number(new URL(at.url).port), '127.0.0.1')
        onward.on('error', () => socket.destroy())
        socket.on('close', () => onward.destroy())
        onward.write(first)
        socket.pipe(onward).pipe(socket)
      })
      const { code, all, codes } = await rows({}, null, `http://127.0.0.1:${String(between.port)}`)
      await between.close()
      expect(code).toBe(10)
      expect(codes['errors.too_large']).toBe(
        name === 'a body without end'
          ? 'answer_too_long'
          : name === 'a switched protocol that nobody named'
            ? 'status_unexpected'
            : 'node_unreachable',
      )
      expect(all.filter(({ status }) => status === 'fail')).toHaveLength(1)
    },
  )

  test('without a token, and with another: said once, with what to do; the rest is not tried', async () => {
    for (const [environment, code] of [
      [{}, 'token_missing'],
      [{ SMOKE_TOKEN: 'another-token-0123456789' }, 'token_refused'],
    ] as const) {
      const seen: string[] = []
      const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
        seen.push(String(chunk))
        return true
      })
      const { tokenEnv: _, ...rest } = options
      const exit = await smoke(at.url, rest, environment)
      spy.mockRestore()
      const out = seen.join('')
      expect(exit).toBe(10)
      expect(out.split('\n').slice(0, 2).join('\n')).toMatch(
        new RegExp(`^fail +models\\.list +HTTP 401\\n +${code}: .*token`),
      )
      expect(out.split('\n')[2]).toMatch(/^ +next: .*TOKEN/)
      expect(out.match(/no model to try/g)).toHaveLength(1)
      expect(out).toMatch(/1 fail, 14 skip\.$/m)
    }
  })

  test('a node that is not there, and one that speaks no TLS: the system says why', async () => {
    const seenAt = async (url: string) => (await rows({}, null, url)).all.map(({ seen }) => seen)
    const closed = await startHostile((socket) => socket.end())
    await closed.close()
    expect((await seenAt(`http://127.0.0.1:${String(closed.port)}`)).slice(0, 2)).toEqual([
      'ECONNREFUSED',
      'ECONNREFUSED',
    ])
    const [document, models] = await seenAt(at.url.replace('http:', 'https:'))
    expect(document).toMatch(/is it http, without TLS\?$/)
    expect(models).toMatch(/is it http, without TLS\?$/)
  })

  test('a model that nobody serves', async () => {
    const { code, codes } = await rows({ model: 'no/such' })
    expect(code).toBe(10)
    expect(codes).toMatchObject({
      'models.list': 'models_missing',
      'chat.shape': 'status_unexpected',
    })
  })

  test('an intermediary that drops the id, one that rewrites bytes', async () => {
    const isChat = (path: string) => path.endsWith('/chat/completions')
    const dropped = await rows({}, (path, response) => {
      if (!isChat(path)) return response
      const headers = new Headers(response.headers)
      headers.delete('zg-res-key')
      headers.delete('x-receipt-id')
      return new Response(response.body, { status: response.status, headers })
    })
    expect(dropped.codes).toMatchObject({
      'signature.chat.ecdsa': 'id_missing',
      'signature.stream.ed25519': 'id_missing',
      'receipt.chat': 'receipt_rejected',
      'receipt.stream': 'receipt_rejected',
    })
    const rewritten = await rows({}, async (path, response) =>
      isChat(path) && response.headers.get('content-type')?.startsWith('application/json') === true
        ? edited(response, { id: 'chatcmpl-other' })
        : response,
    )
    expect(rewritten.codes).toMatchObject({
      'signature.chat.ecdsa': 'signature_other_bytes',
      'signature.stream.ecdsa': 'ok',
      'receipt.chat': 'receipt_rejected',
      'receipt.stream': 'ok',
    })
  })

  test.each([
    ['of another key', { signature: `0x${'11'.repeat(64)}1b` }, 'signature_wrong'],
    ['that names another signer', { signing_address: `0x${'22'.repeat(20)}` }, 'signature_wrong'],
    ['that lacks its text', { text: undefined }, 'signature_fields'],
    ['of another algorithm', { signing_algo: 'x' }, 'signature_fields'],
    ['with a member that a broker strips', { cost: 1 }, 'signature_fields'],
  ])('a signature %s', async (_, members, code) => {
    const { codes } = await rows({}, (path, response) =>
      path.includes('/signature/') && response.status === 200
        ? edited(response, members)
        : response,
    )
    expect(codes['signature.chat.ecdsa']).toBe(code)
    expect(codes['signature.stream.ecdsa']).toBe(code)
  })

  test('a signature that is not there when the answer ends', async () => {
    const { codes } = await rows({}, (path, response) =>
      path.includes('/signature/') ? new Response('{}', { status: 404 }) : response,
    )
    expect(codes['signature.chat.ecdsa']).toBe('signature_unavailable')
    expect(codes['receipt.chat']).toBe('receipt_rejected')
  })

  test('a right signature by a key that was not attested', async () => {
    const other = await startTestService({ gpus: 1 })
    try {
      const real = globalThis.fetch
      // Its own evidence is judged; the answers and their signatures come from elsewhere.
      vi.stubGlobal('fetch', (input: string | URL, init?: RequestInit) =>
        real(String(input).replace(at.url, other.url), init),
      )
      const { codes } = await rows()
      expect(codes['attestation.document']).toBe('ok')
      expect(codes['signature.chat.ecdsa']).toBe('signer_not_attested')
      expect(codes['signature.chat.ed25519']).toBe('signer_not_attested')
      expect(codes['receipt.stream']).toBe('receipt_rejected')
    } finally {
      await other.close()
    }
  })

  test('a node that is not there', async () => {
    const stub = vi.spyOn(process.stdout, 'write').mockImplementation(() => true)
    const code = await smoke('http://127.0.0.1:1', options, { NODE_TOKEN: TOKENS.alice })
    stub.mockRestore()
    expect(code).toBe(10)
  })

  test('wrong use: a token in the URL, a variable that is not there, no URL', async () => {
    const refusal = (url: string, environment: NodeJS.ProcessEnv) =>
      expect(smoke(url, options, environment)).rejects.toThrow(Refusal)
    await refusal('http://user:secret@node/v1', { NODE_TOKEN: 'x' })
    await refusal('http://node/v1', {})
    await refusal('node', { NODE_TOKEN: 'x' })
    await refusal('http://node/v1', { NODE_TOKEN: 'two words' })
  })
})
