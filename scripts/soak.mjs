// node scripts/soak.mjs [minutes]: 30 minutes by default, after a build. Every kind of traffic at once against the built
// sidecar over two model servers, of which one is killed and started again all the time: streams, buffered answers, idle
// connections that are used again, slow readers, clients and models that leave. Each answer is checked byte for byte.
// A line each half minute, and a report as JSON at the end: requests by kind and status, latencies, memory, descriptors,
// CPU; exits 1 where something was wrong that nobody had arranged.
import { createHash } from 'node:crypto'
import { Agent, createServer } from 'node:http'
import { TOKEN, ask, sleep, startSidecar } from './sidecar.mjs'

const MINUTES = Number(process.argv[2] ?? 30)
const REPORT_MS = 30_000
const EVENTS = 20
const until = performance.now() + MINUTES * 60_000
const running = () => performance.now() < until

const event = (text) =>
  `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content: text }, finish_reason: null }] })}\n\n`
const END =
  'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
const streamOf = (n) =>
  Array.from({ length: EVENTS }, (_, i) => event(`${n}-${i} Grüße `)).join('') + END
const wholeOf = (n) =>
  JSON.stringify({
    id: 'c',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: `${n}`.repeat(50) },
        finish_reason: 'stop',
      },
    ],
  })

let working = 0
function startModel(port = 0) {
  const sockets = new Set()
  const server = createServer((req, res) => {
    let text = ''
    req.on('data', (chunk) => (text += chunk))
    req.on('end', async () => {
      if (req.url === '/health') return res.end()
      working++
      res.on('close', () => working--)
      const { kind, n } = JSON.parse(JSON.parse(text).messages[0].content)
      if (kind === 'buffered' || kind === 'idle') {
        res.writeHead(200, { 'content-type': 'application/json' })
        return res.end(wholeOf(n))
      }
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      const bytes = Buffer.from(streamOf(n))
      for (let at = 0; at < bytes.length && !res.destroyed;) {
        // Cut anywhere, inside characters and line ends too.
        const to = at + 1 + Math.floor(Math.random() * 300)
        res.write(bytes.subarray(at, to))
        at = to
        await sleep(2)
        if (kind === 'model leaves' && at > bytes.length / 2) return res.socket?.resetAndDestroy()
      }
      res.end()
    })
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  return new Promise((resolve) =>
    server.listen(port, '127.0.0.1', () =>
      resolve({
        port: server.address().port,
        kill: () =>
          new Promise((done) => {
            server.close(done)
            for (const socket of sockets) socket.resetAndDestroy()
          }),
      }),
    ),
  )
}

const steady = await startModel()
let shaky = await startModel()
const { port: shakyPort } = shaky
const address = (port) => `http://127.0.0.1:${port}`
const sidecar = await startSidecar({
  upstreams: [
    { name: 'steady', url: address(steady.port), models: ['steady'] },
    { name: 'shaky', urls: [address(shakyPort), address(1)], models: ['shaky'] },
  ],
  limits: { receipts: 1_000 },
})

const counts = {}
const latencies = {}
const wrong = []
let n = 0
function note(kind, reply, expected) {
  const key = `${kind} ${reply.status ?? 'none'}${reply.whole ? '' : ' cut'}`
  counts[key] = (counts[key] ?? 0) + 1
  const list = (latencies[kind] ??= [])
  if (list.length < 100_000) list.push(reply.ms)
  if (!expected) wrong.push({ key, bytes: reply.body.length, at: new Date().toISOString() })
}
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')
async function outcomeOf(id) {
  const answer = await fetch(`${sidecar.url}/v1/signature/${id}`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  })
  return (await answer.json()).outcome
}
const body = (model, kind, number) => ({
  model,
  stream: kind !== 'buffered' && kind !== 'idle',
  messages: [{ role: 'user', content: JSON.stringify({ kind, n: number }) }],
})

const WORKERS = {
  async stream() {
    const number = ++n
    const reply = await ask(sidecar.url, body('steady', 'stream', number))
    const same = sha256(reply.body) === sha256(streamOf(number))
    const complete = number % 20 !== 0 || (await outcomeOf(reply.id)) === 'complete'
    note('stream', reply, reply.status === 200 && reply.whole && same && complete)
  },
  async buffered() {
    const number = ++n
    const reply = await ask(sidecar.url, body('steady', 'buffered', number))
    note('buffered', reply, reply.status === 200 && reply.body.toString() === wholeOf(number))
  },
  async idle() {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let i = 0; i < 3 && running(); i++) {
      const number = ++n
      const reply = await ask(sidecar.url, body('steady', 'idle', number), { agent })
      const same = reply.body.toString() === wholeOf(number) && (i === 0 || reply.reused)
      note('idle', reply, reply.status === 200 && same)
      await sleep(3_900 + Math.random() * 1_300)
    }
    agent.destroy()
  },
  async slow() {
    const number = ++n
    const reply = await ask(sidecar.url, body('steady', 'slow', number), { bytesPerSecond: 1_024 })
    note(
      'slow',
      reply,
      reply.status === 200 && reply.whole && sha256(reply.body) === sha256(streamOf(number)),
    )
  },
  async 'client leaves'() {
    const leave = [
      'upload',
      Math.random() * 60,
      (received) => received.length > Math.random() * 3_000,
    ][n % 3]
    note(
      'client leaves',
      await ask(sidecar.url, body('steady', 'client leaves', ++n), { leave, reset: n % 2 === 0 }),
      true,
    )
  },
  async 'model leaves'() {
    const reply = await ask(sidecar.url, body('steady', 'model leaves', ++n))
    note(
      'model leaves',
      reply,
      reply.status === 200 && !reply.whole && !reply.body.includes('[DONE]'),
    )
  },
  // Whatever its server does: never half an answer that looks whole, and never another's.
  async shaky() {
    const number = ++n
    const reply = await ask(sidecar.url, body('shaky', 'stream', number))
    const same = sha256(reply.body) === sha256(streamOf(number))
    const arranged = [502, 503].includes(reply.status) || (reply.status === 200 && !reply.whole)
    note('shaky', reply, (reply.status === 200 && reply.whole && same) || arranged)
    await sleep(20)
  },
}
const LANES = {
  stream: 16,
  buffered: 4,
  idle: 8,
  slow: 4,
  'client leaves': 8,
  'model leaves': 4,
  shaky: 4,
}

const quiet = async () => {
  for (let i = 0; i < 200 && working > 0; i++) await sleep(50)
  await sleep(5_000)
}
for (const kind of Object.keys(WORKERS)) if (kind !== 'idle') await WORKERS[kind]()
await quiet()
const before = { descriptors: sidecar.sockets(), cpuS: sidecar.cpuSeconds() }
const memory = []
const sampling = setInterval(() => {
  memory.push(sidecar.rssMb())
  console.log(
    JSON.stringify({
      requests: n,
      rssMb: memory.at(-1),
      descriptors: sidecar.sockets(),
      working,
      wrong: wrong.length,
    }),
  )
}, REPORT_MS)

const lanes = Object.entries(LANES).flatMap(([kind, lanesOfKind]) =>
  Array.from({ length: lanesOfKind }, async () => {
    while (running()) await WORKERS[kind]()
  }),
)
const shaking = (async () => {
  while (running()) {
    await sleep(3_000 + Math.random() * 5_000)
    await shaky.kill()
    await sleep(Math.random() * 5_000)
    shaky = await startModel(shakyPort)
  }
})()
await Promise.all([...lanes, shaking])
clearInterval(sampling)
await quiet()

const quantile = (values, q) => {
  const sorted = values.toSorted((a, b) => a - b)
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))])
}
// The connection of each health check comes and goes: three addresses.
const leaked = Math.max(0, sidecar.sockets() - before.descriptors - 3)
const rest = sidecar.rssMb()
// From the first third, when the heap is warm, to the last: a slope, not a level.
const third = Math.floor(memory.length / 3)
const mean = (values) => Math.round(values.reduce((sum, one) => sum + one, 0) / values.length)
const growthMb =
  third < 3 ? null : mean(memory.slice(-third)) - mean(memory.slice(third, 2 * third))
const cpuS = sidecar.cpuSeconds() - before.cpuS
const ok =
  wrong.length === 0 && leaked <= 0 && working === 0 && (growthMb === null || growthMb <= 16)
const exit = await sidecar.stop()
await Promise.all([steady.kill(), shaky.kill()])
console.log(
  JSON.stringify(
    {
      ok: ok && exit === 0,
      minutes: MINUTES,
      node: process.version,
      requests: n,
      counts,
      latencyMs: Object.fromEntries(
        Object.entries(latencies).map(([kind, values]) => [
          kind,
          { p50: quantile(values, 0.5), p99: quantile(values, 0.99) },
        ]),
      ),
      memoryMb: { samples: memory, atRest: rest, growth: growthMb },
      leakedDescriptors: leaked,
      workLeft: working,
      cpuMsPerRequest: Math.round((cpuS * 10_000) / n) / 10,
      wrong: wrong.slice(0, 20),
      exit,
    },
    null,
    1,
  ),
)
process.exitCode = ok && exit === 0 ? 0 : 1
