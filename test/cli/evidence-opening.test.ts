/** Answers of the verified fetch and of the proxy, which ask under an owner secret, taken to a dispute by whoever has the user's token. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { EvidenceFile } from '../../attestation/protocol/evidence-file.ts'
import { parsePolicy } from '../../attestation/appraiser/policy.ts'
import { verified } from '../../src/client/verified.ts'
import type { VerifiedOptions } from '../../src/client/create-client.ts'
import type { ClientVerdict } from '../../src/client/verification-error.ts'
import { startProxy } from '../../src/client/proxy/start-proxy.ts'
import { evidenceSave } from '../../src/cli/evidence-save.ts'
import type { EvidenceSaveOptions } from '../../src/cli/evidence-save.ts'
import { SILENT_LOG } from '../../src/operations/open-log.ts'
import { readFileSync } from 'node:fs'
import { REQUEST, TOKEN, bootedMachine } from './evidence.helpers.ts'
import type { Exchange } from './evidence.helpers.ts'

const POLICY = { allowSimulated: true, simulatedRoots: 'any' } as const
const SECRET = Buffer.alloc(32, 5).toString('base64url')
const ENVIRONMENT = { COUNTERSIGN_TOKEN: TOKEN, OWNER: SECRET }

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

function kept(id: string, response: string, request = REQUEST): Exchange {
  return {
    id,
    request: here.machine.file(`${id}.request`, request),
    response: here.machine.file(`${id}.response`, response),
  }
}

const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }

async function answered(options: VerifiedOptions = {}) {
  const verdicts: ClientVerdict[] = []
  const fetch = verified({
    policy: POLICY,
    onVerdict: (verdict) => verdicts.push(verdict),
    ...options,
  })
  const url = `${here.boot.url}/v1/chat/completions`
  const text = await (await fetch(url, { method: 'POST', headers, body: REQUEST })).text()
  const [verdict] = verdicts
  return { ...kept(verdict?.receiptId ?? '', text), opening: verdict?.opening ?? '' }
}

async function saved(
  { id, request, response }: Exchange,
  options: EvidenceSaveOptions = {},
): Promise<EvidenceFile> {
  const out = here.machine.file('x', '').replace(/x$/, `saved-${String(files++)}.json`)
  said = ''
  await evidenceSave(
    here.boot.url,
    { out, receipt: [id], request, response, ...options },
    ENVIRONMENT,
  )
  return JSON.parse(readFileSync(out, 'utf8')) as EvidenceFile
}

describe('an answer of the verified fetch', () => {
  test('is saved as a view, loudly, and judged with the opening of the verdict beside the file', async () => {
    const { opening, ...exchange } = await answered()
    const file = await saved(exchange)
    expect(said).toMatch(/\*\*\* .*only a VIEW.*--opening HEX.*--owner-secret-env/s)
    expect(said).toContain('--level content --opening HEX')
    const alone = await here.machine.judge(file)
    expect(alone.exit).toBe(10)
    expect(alone.out).toContain('--level content, with --opening')
    const told = await here.machine.judge(file, { level: 'content', opening })
    expect(told.last).toContain('The receipt shows: content.')
    expect(told.exit).toBe(0)
    const strange = 'ab'.repeat(32)
    expect((await here.machine.judge(file, { level: 'content', opening: strange })).exit).toBe(10)
    await expect(here.machine.judge(file, { opening: 'zz' })).rejects.toThrow('64 lower-case hex')
  })

  test('is saved with that opening, and judged by the command that was named', async () => {
    const { opening, ...exchange } = await answered()
    const file = await saved(exchange, { opening })
    expect(said).not.toContain('VIEW')
    expect(said).toMatch(/--at \d+ --level content --allow-simulated judges/)
    const { last, exit } = await here.machine.judge(file, { level: 'content' })
    expect(last).toContain('The receipt shows: content.')
    expect(exit).toBe(0)
    const again = here.machine.judge(file, { level: 'content', opening })
    await expect(again).rejects.toThrow('The file holds the opening')
  })

  test('is not saved with the opening of another answer, or with one that nothing speaks for', async () => {
    const { opening: _own, ...exchange } = await answered()
    const { opening } = await answered()
    await expect(saved(exchange, { opening })).rejects.toThrow('does not belong to receipt')
    const { id } = exchange
    const bare = evidenceSave(here.boot.url, { receipt: [id], opening }, ENVIRONMENT)
    await expect(bare).rejects.toThrow('--opening goes with --request')
    const { id: named, response: _left, ...rest } = await answered()
    const half = evidenceSave(here.boot.url, { receipt: [named], ...rest }, ENVIRONMENT)
    await expect(half).rejects.toThrow('goes with --request and --response')
    await expect(saved(exchange, { opening: 'AB' })).rejects.toThrow('64 lower-case hex')
    // Of the whole receipt, which needs no body for it.
    const { id: mine } = await here.boot.ask()
    const whole = evidenceSave(here.boot.url, { receipt: [mine], opening }, ENVIRONMENT)
    await expect(whole).rejects.toThrow('does not belong to receipt')
  })

  test('is saved whole with the owner secret that the fetch was given', async () => {
    const ownerSecret = new Uint8Array(Buffer.from(SECRET, 'base64url'))
    const { opening, ...exchange } = await answered({ ownerSecret })
    const file = await saved(exchange, { ownerSecretEnv: 'OWNER' })
    expect(file.receipts[0]?.opening).toBe(opening)
    expect((await here.machine.judge(file)).last).toContain('The receipt shows: bytes.')
  })

  test('is asked for under no secret that could be guessed, or that the service would not read', async () => {
    for (const length of [0, 15, 257]) {
      const made = () => verified({ ownerSecret: new Uint8Array(length) })
      expect(made).toThrow('ownerSecret is not 16 to 256 bytes')
    }
    const { id } = await here.boot.ask()
    const odd = evidenceSave(
      here.boot.url,
      { receipt: [id], ownerSecretEnv: 'ODD' },
      { ODD: 'not+base64url' },
    )
    await expect(odd).rejects.toThrow('does not hold base64url')
  })
})

test.each([false, true])(
  'an answer of the proxy under an owner secret is saved whole, streamed %s',
  async (stream) => {
    const policy = parsePolicy(POLICY)
    if (!policy.ok) throw new Error(policy.detail)
    const proxy = await startProxy({
      upstream: `${here.boot.url}/v1`,
      listen: { host: '127.0.0.1', port: 0 },
      policy: policy.policy,
      level: 'content',
      stream: 'pass',
      log: SILENT_LOG,
      ownerSecret: new Uint8Array(Buffer.from(SECRET, 'base64url')),
    })
    try {
      const body = JSON.stringify({ ...(JSON.parse(REQUEST) as object), stream })
      const init = { method: 'POST', headers, body }
      const answer = await fetch(`${proxy.url}/v1/chat/completions`, init)
      const id = answer.headers.get('x-receipt-id') ?? ''
      const file = await saved(kept(id, await answer.text(), body), { ownerSecretEnv: 'OWNER' })
      const { last, exit } = await here.machine.judge(file)
      expect(last).toContain('The receipt shows: bytes.')
      expect(exit).toBe(0)
    } finally {
      await proxy.close()
    }
  },
)
