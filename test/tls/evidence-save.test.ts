/** `evidence save` over TLS that ends in the enclave, and before those who end it elsewhere: who gets to read the token. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { appraiseEvidence } from '../../attestation/appraiser/evidence/appraise-evidence.ts'
import { parsePolicy } from '../../attestation/appraiser/policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { EvidenceFile } from '../../attestation/protocol/evidence-file.ts'
import { evidenceSave } from '../../src/cli/evidence-save.ts'
import type { EvidenceSaveOptions } from '../../src/cli/evidence-save.ts'
import { chat, chatBody, header } from '../harness/chat.ts'
import { TOKENS } from '../harness/service.ts'
import { startMiddleBox } from './middle-box.ts'
import { startTlsService } from './tls.helpers.ts'
import type { TlsTestService } from './tls.helpers.ts'

let folder: string
let started: TlsTestService
let id: string
let files = 0
const open: (() => Promise<void>)[] = []

beforeAll(async () => {
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true)
  folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  started = await startTlsService({ gpus: 1, plain: true })
  id = header(await chat(started, chatBody('Hello')), 'x-receipt-id')
  await writeFile(join(folder, 'bound.json'), '{"channel":"bound"}')
})
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})
afterAll(async () => {
  await started.close()
  await rm(folder, { recursive: true, force: true })
  vi.restoreAllMocks()
})

async function save(url: string, options: EvidenceSaveOptions = {}): Promise<EvidenceFile> {
  const out = join(folder, `${String(files++)}.json`)
  const all = { out, receipt: [id], allowSimulated: true, ...options }
  await evidenceSave(url, all, { COUNTERSIGN_TOKEN: TOKENS.alice })
  return JSON.parse(await readFile(out, 'utf8')) as EvidenceFile
}

async function box() {
  const made = await startMiddleBox(started.secureUrl)
  open.push(() => made.close())
  const read = () => made.seen.map(({ line, headers }) => `${line}\n${headers}`).join('\n')
  return { ...made, read }
}

/** Its first connection ends at one place, each later one at another. */
async function startSwitch(first: number, later: number): Promise<string> {
  const sockets = new Set<Socket>()
  let count = 0
  const server = createServer((socket) => {
    const onward = connect(count++ === 0 ? first : later, '127.0.0.1')
    for (const one of [socket, onward]) {
      sockets.add(one)
      one.on('error', () => undefined)
    }
    socket.pipe(onward).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  )
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return `https://127.0.0.1:${String(port)}`
}

function channelCheck(file: EvidenceFile) {
  const policy = parsePolicy({ allowSimulated: true, simulatedRoots: 'any' })
  if (!policy.ok) throw new Error(policy.detail)
  const { verdict } = appraiseEvidence(Buffer.from(JSON.stringify(file)), {
    crypto: nodeCrypto,
    at: file.saved_at,
    asOf: true,
    nonce: null,
    policy: policy.policy,
  })
  const found = verdict.checks.find((check) => check.id === 'evidence.channel')
  return { verdict: verdict.verdict, status: found?.status, code: found?.code }
}

describe('evidence save over TLS', () => {
  test('reaches a service whose certificate is the enclave’s own, receipts and COSE and all', async () => {
    const file = await save(started.secureUrl, { cose: true })
    expect(file.receipts[0]?.receipt).toContain(id)
    expect(file.receipts[0]?.cose).toBeDefined()
    const { spkiSha256 } = started
    expect(file.channel).toEqual({ kind: 'tls', host: '127.0.0.1', spki_sha256: spkiSha256 })
    expect(channelCheck(file)).toEqual({
      verdict: 'accepted-as-of',
      status: 'info',
      code: 'channel_as_saved',
    })
  })

  test('shows no token to an enclave that is not accepted', async () => {
    const refused = save(started.secureUrl, { allowSimulated: false })
    await expect(refused).rejects.toThrow(
      /nobody vouches for here, and its document is not accepted/,
    )
  })

  test('shows no token to somebody between, who passes a genuine document on', async () => {
    const between = await box()
    await expect(save(between.url)).rejects.toThrow('its key is not one of the keyset')
    expect(between.read()).toContain('GET /v1/attestation/document')
    expect(between.read()).not.toContain(TOKENS.alice)
    expect(between.seen).toHaveLength(1)
  })

  test('shows no token to who takes the connection over after the document', async () => {
    const between = await box()
    const url = await startSwitch(started.securePort, between.port)
    await expect(save(url)).rejects.toThrow('nothing secret was sent')
    expect(between.seen).toEqual([])
  })

  test('asks nothing where the policy demands a bound connection and this is none', async () => {
    const between = await box()
    const bound = { policy: join(folder, 'bound.json') }
    await expect(save(between.url, bound)).rejects.toThrow('are not asked for')
    expect(between.seen).toHaveLength(1)
    await expect(save(started.url, bound)).rejects.toThrow('are not asked for')
    expect((await save(started.secureUrl, bound)).receipts).toHaveLength(1)
  })

  test('refuses what says whom to show a token where none is shown', async () => {
    for (const given of [{ policy: 'node' }, { allowSimulated: true }]) {
      const idle = evidenceSave(started.secureUrl, given, {})
      await expect(idle).rejects.toThrow('says nothing without --receipt')
    }
  })
})

describe('the channel in an evidence file', () => {
  test('is what the saver saw, and never a pass', async () => {
    const plain = await save(started.url)
    expect(plain.channel).toEqual({ kind: 'plain' })
    expect(channelCheck(plain)).toMatchObject({ status: 'info', code: 'channel_plain' })
    const other = { kind: 'tls', host: '127.0.0.1', spki_sha256: '0'.repeat(64) }
    const claimed = { ...plain, channel: other } as EvidenceFile
    expect(channelCheck(claimed)).toMatchObject({ status: 'info', code: 'channel_intermediary' })
    const { channel: _channel, ...silent } = plain
    expect(channelCheck(silent)).toMatchObject({ verdict: 'accepted-as-of', status: undefined })
  })

  test('is refused in another form', async () => {
    const plain = await save(started.url)
    for (const channel of [
      null,
      'bound',
      { kind: 'bound' },
      { kind: 'plain', host: 'x' },
      { kind: 'tls', host: 'x' },
      { kind: 'tls', host: 'x'.repeat(256), spki_sha256: null },
      { kind: 'tls', host: 'x', spki_sha256: 'AB' },
    ]) {
      const odd = { ...plain, channel } as EvidenceFile
      expect(channelCheck(odd).verdict, JSON.stringify(channel)).toBe('malformed')
    }
  })
})
