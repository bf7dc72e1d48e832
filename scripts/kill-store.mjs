// node scripts/kill-store.mjs [rounds] [parts]: the service under load, killed with SIGKILL at a random moment, 50 rounds by
// default, on one store. After each kill the next boot must have a receipt of every answer that was received whole, and it must
// verify, byte for byte, through the archived document of its keyset; of every request that was seen to have begun a good while
// before the kill there is exactly one record, `interrupted` where its end was not recorded; no two records of a boot share a
// sequence number. Every head of the log that was seen before the kill is consistent with what the next boot names, and the record of
// every answer that was received whole is in that log. Prints a line a round and a verdict; exits 1 where it is not so.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sleep } from './sidecar.mjs'

const ROUNDS = Number(process.argv[2] ?? 50)
const PARTS = process.argv[3] ?? new URL('./kill-store/parts.mjs', import.meta.url).href
const CLIENTS = 12
// A request begun so long before the kill stands in the journal: it gets there within 25 ms and a flush.
const JOURNALLED_MS = Number(process.env.JOURNALLED_MS ?? 400)
const SAMPLE = 40
const TOKENS = { alice: 'kill-alice-0123456789', broker: 'kill-broker-0123456789' }
const MODEL = 'demo/words'

const {
  POLICIES,
  appraiseDocument,
  followLog,
  inclusionRoot,
  leafHash,
  nodeCrypto,
  parseCheckpoint,
  predecessorOf,
  startDemoModel,
  verifyReceipt,
} = await import(PARTS)
const model = await startDemoModel({ models: [MODEL], chunkDelayMs: 15 })
const path = mkdtempSync(join(tmpdir(), 'cs-kill-'))
const key = randomBytes(32).toString('hex')

function start() {
  const script = fileURLToPath(new URL('./kill-store/child.mjs', import.meta.url))
  const settings = { path, key, model: model.url, tokens: TOKENS, durability: 'group' }
  const child = spawn(process.execPath, [script, PARTS, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  return new Promise((resolve, reject) => {
    let text = ''
    child.once('exit', (code) => reject(new Error(`the service ended with ${code}`)))
    child.stdout.on('data', (chunk) => {
      text += chunk
      if (!text.includes('\n')) return
      const kill = () => {
        child.kill('SIGKILL')
        return gone
      }
      resolve({ ...JSON.parse(text), kill })
    })
  })
}

// One request; resolves with what the client has of it, however it ended.
function ask(url, who, stream) {
  const content = randomBytes(6).toString('hex')
  const body = JSON.stringify({
    model: MODEL,
    stream,
    max_tokens: stream ? 60 : 8,
    messages: [{ role: 'user', content }],
  })
  return new Promise((resolve) => {
    const seen = { who, body, id: null, opening: null, begun: null, answer: null }
    const chunks = []
    const req = request(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKENS[who]}`, 'content-type': 'application/json' },
    })
    req.on('error', () => resolve(seen))
    req.on('response', (res) => {
      seen.id = res.headers['x-receipt-id'] ?? null
      seen.opening = res.headers['x-countersign-opening'] ?? null
      seen.begun = performance.now()
      res.on('data', (chunk) => chunks.push(chunk))
      res.on('error', () => resolve(seen))
      res.on('close', () => resolve(seen))
      res.on('end', () => {
        const bytes = Buffer.concat(chunks)
        const ended = stream ? bytes.includes('data: [DONE]') : res.complete
        if (res.complete && ended && res.statusCode === 200) seen.answer = bytes
        resolve(seen)
      })
    })
    req.end(body)
  })
}

const documents = new Map()
const roots = new Map()
async function trustedOf(url, digest) {
  const known = documents.get(digest)
  if (known !== undefined) return known
  const reply = await fetch(`${url}/attestation/keysets/${digest}`)
  if (reply.status !== 200) throw new Error(`no document of ${digest}: ${reply.status}`)
  const { sgx, nvidia } = roots.get(digest)
  const { trusted, verdict } = appraiseDocument(new Uint8Array(await reply.arrayBuffer()), {
    crypto: nodeCrypto,
    at: Math.floor(Date.now() / 1000),
    nonce: null,
    policy: { ...POLICIES.node, allowSimulated: true, sgxRoots: [sgx], nvidiaRoots: [nvidia] },
  })
  if (trusted === null) throw new Error(`an archived document does not pass: ${verdict.sentence}`)
  documents.set(digest, trusted)
  return trusted
}

const sequences = new Map()
const wrong = []
const counts = { whole: 0, verified: 0, begun: 0, interrupted: 0, other: 0, unrecorded: 0 }
const logged = { heads: 0, included: 0 }

// Null where there is no receipt.
async function receiptOf(url, { id, who }) {
  const headers = { authorization: `Bearer ${TOKENS[who]}` }
  const reply = await fetch(`${url}/v1/aci/receipts/${id}`, { headers })
  const text = await reply.text()
  return reply.status === 200 ? text : null
}

function noteSequence(text, id) {
  const { boot_id: boot, sequence } = JSON.parse(text).event_log.at(-1)
  const place = `${boot} ${sequence}`
  const before = sequences.get(place)
  if (before !== undefined && before !== id) wrong.push(`two records are number ${sequence}`)
  sequences.set(place, id)
}

async function verified(url, seen, text) {
  const trusted = await trustedOf(url, JSON.parse(text).workload_keyset_digest)
  const whole = seen.answer !== null
  const owner = seen.who === 'alice'
  const { accepted, checks } = verifyReceipt(text, {
    crypto: nodeCrypto,
    at: Math.floor(Date.now() / 1000),
    trusted,
    policy: { ...POLICIES.node, allowSimulated: true },
    level: whole && owner ? 'bytes' : 'signer',
    opening: Buffer.from(seen.opening, 'hex'),
    expected: {
      receiptId: seen.id,
      ...(whole ? { requireOutcome: 'complete' } : {}),
      ...(whole && owner
        ? { requestBytes: Buffer.from(seen.body), responseBytes: seen.answer }
        : {}),
    },
  })
  if (!accepted) wrong.push(`${seen.id}: ${checks.find(({ status }) => status === 'fail')?.code}`)
}

async function headOf(url) {
  const reply = await fetch(`${url}/attestation/log/checkpoint`).catch(() => null)
  return reply?.status === 200 ? (parseCheckpoint(await reply.text())?.head ?? null) : null
}

const readLog = (url) => async (path) => {
  const reply = await fetch(`${url}/attestation/log/${path}`)
  return reply.status === 200 ? reply.text() : null
}

// As who has seen that head, and no other, finds the log of the boot after the kill.
async function checkHeads(url, heads) {
  const head = await headOf(url)
  for (const known of heads) {
    const judged = async (judge) => (await judge({ head: known, past: [] })).check
    const memory = { update: async (_, judge) => ({ ok: true, check: await judged(judge) }) }
    const before = { ok: true, state: new Map() }
    const { status, code } = await followLog(head, null, before, memory, readLog(url), nodeCrypto)
    if (status !== 'pass') wrong.push(`a head of ${known.size} leaves: ${code}`)
    else logged.heads++
  }
  const boot = await (await fetch(`${url}/attestation/log/boot?size=${head.size}`)).text()
  return predecessorOf(head, boot, nodeCrypto)?.predecessor ?? null
}

async function checkIncluded(url, { id, who }, text, last) {
  const headers = { authorization: `Bearer ${TOKENS[who]}` }
  if (last === null) {
    wrong.push(`${id}: no later boot names the log's last head`)
    return
  }
  // Of the head that the next boot names, which is nothing that the log of the killed one says of itself.
  const asked = `${url}/attestation/log/inclusion/${id}?size=${last.size}`
  const reply = await fetch(asked, { headers })
  const proof = await reply.json()
  const hash = JSON.parse(text).event_log.at(-1).record_hash.slice('sha256:'.length)
  const root =
    reply.status === 200 && proof.origin === last.origin && proof.tree_size === last.size
      ? inclusionRoot(
          leafHash(Buffer.from(hash, 'hex'), nodeCrypto),
          proof.leaf_index,
          last.size,
          proof.path.map((step) => Buffer.from(step, 'hex')),
          nodeCrypto,
        )
      : null
  if (root === null || Buffer.from(root).toString('hex') !== last.root) {
    wrong.push(`${id}: not in the log (${reply.status})`)
  } else logged.included++
}

async function check(url, all, killedAt, last) {
  for (const seen of all.filter(({ id }) => id !== null)) {
    const whole = seen.answer !== null
    counts[whole ? 'whole' : 'begun']++
    const text = await receiptOf(url, seen)
    if (text === null) {
      counts.unrecorded++
      if (whole) wrong.push(`${seen.id}: the answer was received whole, and there is no receipt`)
      else if (killedAt - seen.begun > JOURNALLED_MS) wrong.push(`${seen.id}: no trace of it`)
      continue
    }
    noteSequence(text, seen.id)
    await verified(url, seen, text)
    if (whole) await checkIncluded(url, seen, text, last)
    const { outcome } = JSON.parse(text).event_log.at(-1)
    if (whole) counts.verified++
    else counts[outcome === 'interrupted' ? 'interrupted' : 'other']++
  }
}

const earlier = []
let at = await start()
for (let round = 1; round <= ROUNDS; round++) {
  roots.set(at.keysetDigest, at.roots)
  const all = []
  let killed = false
  const clients = Array.from({ length: CLIENTS }, async (_, i) => {
    while (!killed) {
      const seen = await ask(at.url, i % 3 === 0 ? 'broker' : 'alice', i % 2 === 0)
      all.push(seen)
    }
  })
  const heads = new Map()
  const watcher = (async () => {
    while (!killed) {
      const head = await headOf(at.url)
      if (head !== null) heads.set(head.size, head)
      await sleep(50)
    }
  })()
  await sleep(200 + Math.random() * 1_300)
  killed = true
  const killedAt = performance.now()
  await at.kill()
  await Promise.all([...clients, watcher])
  at = await start()
  roots.set(at.keysetDigest, at.roots)
  const before = wrong.length
  const last = await checkHeads(at.url, [...heads.values()])
  await check(at.url, all, killedAt, last)
  // Of earlier rounds some, again: what was there stays there.
  for (let i = 0; i < Math.min(SAMPLE, earlier.length); i++) {
    const seen = earlier[Math.floor(Math.random() * earlier.length)]
    const text = await receiptOf(at.url, seen)
    if (text === null) wrong.push(`${seen.id}: lost after a later kill`)
    else await verified(at.url, seen, text)
  }
  earlier.push(...all.filter(({ answer }) => answer !== null))
  process.stdout.write(
    `${JSON.stringify({ round, requests: all.length, ...counts, ...logged, wrong: wrong.slice(before, before + 3) })}\n`,
  )
}
await at.kill()
await model.close()
rmSync(path, { recursive: true })
// A run in which nothing was cut, or nothing came whole, would show nothing.
if (counts.verified === 0) wrong.push('no answer came whole')
if (counts.interrupted === 0) wrong.push('no request was interrupted')
if (logged.heads === 0) wrong.push('no head was seen')
process.stdout.write(
  `${JSON.stringify({ rounds: ROUNDS, ...counts, ...logged, wrong: wrong.slice(0, 20) })}\n`,
)
process.exit(wrong.length === 0 ? 0 : 1)
