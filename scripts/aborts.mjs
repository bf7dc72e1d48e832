// node scripts/aborts.mjs [count] [--store]: clients that leave, 10,000 by default, in every phase of an answer and in every way;
// and upstreams that do. At the end no socket of the sidecar is left, the model works on nothing, and memory has not grown
// from one fifth of the run to the next. With --store receipts are kept on disk, and there is exactly one of each request that
// was admitted, with the ending that the client saw. Prints a line a fifth and a verdict; exits 1 where it is not so.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TOKEN, ask, sleep, startSidecar } from './sidecar.mjs'

const stored = process.argv.includes('--store')
const COUNT = Number(process.argv.slice(2).find((word) => /^\d+$/.test(word)) ?? 10_000)
const PARALLEL = 50
const EVENT =
  'data: {"id":"c","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}\n\n'
const END =
  'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

let working = 0
const model = createServer((req, res) => {
  let text = ''
  req.on('data', (chunk) => (text += chunk))
  req.on('end', () => {
    if (req.url === '/health') return res.end()
    working++
    res.on('close', () => working--)
    const phase = JSON.parse(text).messages[0].content
    if (phase === 'before') return
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.flushHeaders()
    if (phase === 'headers') return
    res.write(phase === 'mid-event' ? EVENT + EVENT.slice(0, 30) : EVENT)
    if (phase === 'reset') return res.socket.resetAndDestroy()
    if (phase === 'cut') return res.socket.destroySoon()
    if (phase === 'done') res.write(END)
    if (phase === 'whole') res.end(END)
  })
})
await new Promise((resolve) => model.listen(0, '127.0.0.1', resolve))
const path = stored ? mkdtempSync(join(tmpdir(), 'countersign-aborts-')) : null
const sidecar = await startSidecar({
  upstreams: [{ name: 'model', url: `http://127.0.0.1:${model.address().port}` }],
  // Receipts are meant to stay; in memory they would look like a leak.
  limits: { receipts: 500, requestBodyMs: 5_000 },
  ...(stored ? { store: { path }, metrics: { port: 0 } } : { metrics: null }),
})

const bytes = (count) => (received) => received.length >= count
// Phase, and how the client leaves it; null: it stays to the end that the model makes.
const KINDS = [
  ['before', () => 1 + Math.random() * 50],
  ['headers', () => 1 + Math.random() * 50],
  ['upload', () => 'upload'],
  ['mid-event', () => bytes(EVENT.length + 1)],
  ['between', () => bytes(EVENT.length)],
  ['done', () => (received) => received.includes('[DONE]')],
  ['reset', () => null],
  ['cut', () => null],
  ['whole', () => null],
]
// The endings that a record may state, by phase: who leaves after the terminator may have been seen to, or not.
const ENDINGS = {
  before: ['downstream_closed'],
  headers: ['downstream_closed'],
  'mid-event': ['downstream_closed'],
  between: ['downstream_closed'],
  done: ['complete', 'downstream_closed'],
  reset: ['upstream_reset', 'upstream_truncated'],
  cut: ['upstream_reset', 'upstream_truncated'],
  whole: ['complete'],
}
const wrong = []
const seen = new Map()
let asked = 0
let slowestMs = 0
async function one(i) {
  const [phase, leave] = KINDS[i % KINDS.length]
  const body = { stream: true, messages: [{ role: 'user', content: phase }] }
  const reply = await ask(sidecar.url, body, { leave: leave(), reset: i % 2 === 0 })
  slowestMs = Math.max(slowestMs, Math.round(reply.ms))
  asked++
  if (reply.id !== undefined) {
    if (seen.has(reply.id)) wrong.push(`${phase}: an id given twice`)
    seen.set(reply.id, phase)
  }
  const finished = phase === 'whole' || phase === 'done'
  if (finished !== reply.body.includes('[DONE]')) wrong.push(`${phase}: ${reply.status}`)
  if ((phase === 'reset' || phase === 'cut') && reply.whole) wrong.push(`${phase}: looks whole`)
}

// Exactly one record of each admitted request: as many as the service counts, and each one that a client can name is there.
async function checkRecords() {
  const text = await (await fetch(`${sidecar.operations}/metrics`)).text()
  const valueOf = (line) => Number(line.slice(line.lastIndexOf(' ') + 1))
  const lines = text.split('\n')
  const admitted = lines.filter((line) => line.startsWith('countersign_requests_total{'))
  const kept = valueOf(lines.find((line) => line.startsWith('countersign_receipts ')))
  const total = admitted.reduce((sum, line) => sum + valueOf(line), 0)
  if (kept !== total) wrong.push(`${kept} records of ${total} admitted requests`)
  const sequences = new Set()
  for (const [id, phase] of seen) {
    const headers = { authorization: `Bearer ${TOKEN}` }
    const reply = await fetch(`${sidecar.url}/v1/aci/receipts/${id}`, { headers })
    if (reply.status !== 200) {
      wrong.push(`${phase}: no record of ${id}`)
      continue
    }
    const { outcome, sequence } = (await reply.json()).event_log.at(-1)
    if (sequences.has(sequence)) wrong.push(`${phase}: two records are number ${sequence}`)
    sequences.add(sequence)
    if (ENDINGS[phase]?.includes(outcome) !== true) wrong.push(`${phase}: ${outcome}`)
  }
  const outcomes = admitted.map((line) => line.slice(line.indexOf('{')))
  console.log(JSON.stringify({ asked, admitted: total, records: kept, named: seen.size, outcomes }))
}

async function quiet() {
  for (let i = 0; i < 100 && working > 0; i++) await sleep(50)
  // What idles in the pools is closed after 4 s.
  await sleep(5_000)
}

await Promise.all(Array.from({ length: PARALLEL }, (_, i) => one(i)))
await quiet()
const before = sidecar.sockets()
let next = 0
const memory = []
for (let fifth = 1; fifth <= 5; fifth++) {
  const until = Math.round((COUNT * fifth) / 5)
  const began = performance.now()
  const cpuBefore = sidecar.cpuSeconds()
  const run = async () => {
    while (next < until) await one(next++)
  }
  await Promise.all(Array.from({ length: PARALLEL }, run))
  await quiet()
  memory.push(sidecar.anonymousMb())
  const seconds = Math.round((performance.now() - began) / 1000)
  console.log(
    JSON.stringify({
      done: next,
      seconds,
      cpuS: Math.round((sidecar.cpuSeconds() - cpuBefore) * 10) / 10,
      anonymousMb: memory.at(-1),
      rssMb: sidecar.rssMb(),
      slowestMs,
      descriptors: sidecar.sockets(),
    }),
  )
}
// The connection of the health check comes and goes.
const leaked = Math.max(0, sidecar.sockets() - before - 1)
const growthMb = memory[4] - memory[1]
// The first fifths warm the heap up; from then on what is kept for each abort would show: 1 KB each is 6 MB in 6,000.
if (path !== null) await checkRecords()
const exit = await sidecar.stop()
if (path !== null) rmSync(path, { recursive: true })
model.closeAllConnections()
model.close()
const ok = leaked <= 0 && working === 0 && wrong.length === 0 && growthMb <= 8
console.log(
  JSON.stringify({ ok, aborts: COUNT, leaked, working, growthMb, wrong: wrong.slice(0, 5), exit }),
)
process.exitCode = ok && exit === 0 ? 0 : 1
