// npm run bench:load: what large requests do to streams beside them, what many streams cost, and how fast a stream can be,
// direct, through nginx where it is installed, through the relay that reads and signs nothing, and through Countersign.
// Arms are interleaved in random order within each round; medians over the rounds.
import { cpus, loadavg } from 'node:os'
import { Pool } from 'undici'
import { ask, endAll, message, start, startNginx } from './children.mjs'
import { REQUEST, STREAM_REQUEST, requestOf } from './payload.mjs'
import { median, quantile, shuffled } from './statistics.mjs'
import { openStreams } from './stream-client.mjs'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3)
const TOKEN = 'bench-token-0123456789'
const KB = 1024
const MB = 1024 * KB
const SIZES = [
  ['2 KB', REQUEST, 200],
  ['64 KB', requestOf(64 * KB), 100],
  ['1 MB', requestOf(MB), 30],
  ['8 MB', requestOf(8 * MB), 12],
  ['24 MB image', requestOf(24 * MB, 'image'), 5],
]
const CROWDS = [
  [128, 30],
  [1024, 30],
]
const CROWD_SECONDS = 4
const UNPACED_EVENTS = 60_000
const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }

async function one(pool, body) {
  const answer = await pool.request({ path: '/v1/chat/completions', method: 'POST', headers, body })
  await answer.body.dump()
  if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`)
}

/** One size after another beside 64 streams. */
async function beside(arm, body, times) {
  if (arm.child !== null) await ask(arm.child, 'reset')
  const streams = openStreams(arm.port, 64, {
    body: STREAM_REQUEST,
    token: TOKEN,
    chunks: 100,
    ms: 20,
  })
  const took = []
  const end = performance.now() + 1_800
  while (took.length < times && performance.now() < end) {
    const before = performance.now()
    await one(arm.pool, body)
    took.push(performance.now() - before)
  }
  const { gaps } = await streams
  const after = arm.child === null ? null : await ask(arm.child, 'read')
  return {
    p50: median(took),
    p99: quantile(took, 0.99),
    gap: gaps.percentile(99) / 1000,
    loop: after === null ? Number.NaN : after.loopDelayP99Ms - 10,
  }
}

async function crowd(arm, count, perSecond) {
  const before = arm.child === null ? null : await ask(arm.child, 'gc')
  const chunks = CROWD_SECONDS * perSecond
  const streams = openStreams(arm.port, count, {
    body: STREAM_REQUEST,
    token: TOKEN,
    chunks,
    ms: 1000 / perSecond,
  })
  await new Promise((resolve) => setTimeout(resolve, (CROWD_SECONDS * 1000) / 2))
  const during = arm.child === null ? null : await ask(arm.child, 'gc')
  const { gaps, seconds } = await streams
  const after = arm.child === null ? null : await ask(arm.child, 'read')
  return {
    gap: gaps.percentile(99) / 1000,
    seconds,
    cpu: after === null ? Number.NaN : (after.cpuUs - before.cpuUs) / (count * (chunks + 3)),
    kb: after === null ? Number.NaN : (during.rss - before.rss) / count / KB,
  }
}

async function unpaced(arm) {
  const { events, seconds } = await openStreams(arm.port, 4, {
    body: STREAM_REQUEST,
    token: TOKEN,
    chunks: UNPACED_EVENTS,
    ms: 0,
  })
  return events / seconds
}

const number = (value) => (Number.isNaN(value) ? '-' : value.toFixed(value >= 100 ? 0 : 2))
const row = (label, values) =>
  console.log(`${label.padEnd(58)} ${values.map((value) => number(value).padStart(9)).join(' ')}`)

try {
  const upstream = start('./stream-server.mjs')
  const { port: upstreamPort } = await message(upstream)
  const url = `http://127.0.0.1:${upstreamPort}`
  const arms = { direct: { port: upstreamPort, child: null } }
  const nginx = await startNginx(upstreamPort, 18_080 + (process.pid % 1000))
  if (nginx !== null) arms.nginx = { port: nginx, child: null }
  for (const kind of ['unsigned', 'signed']) {
    const child = start('./proxy.mjs', kind, url, TOKEN)
    arms[kind] = { port: (await message(child)).port, child }
  }
  const names = Object.keys(arms)
  for (const arm of Object.values(arms)) {
    arm.pool = new Pool(`http://127.0.0.1:${arm.port}`, { bodyTimeout: 0, headersTimeout: 0 })
    for (let i = 0; i < 800; i++) await one(arm.pool, REQUEST)
  }
  const results = new Map()
  const measure = async (key, run) => {
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of shuffled(names)) {
        const kept = results.get(`${key} ${name}`) ?? []
        kept.push(await run(arms[name]))
        results.set(`${key} ${name}`, kept)
      }
    }
    process.stderr.write(`${key}\n`)
  }
  for (const [label, body, times] of SIZES) await measure(label, (arm) => beside(arm, body, times))
  for (const [count, perSecond] of CROWDS)
    await measure(`${count}`, (arm) => crowd(arm, count, perSecond))
  await measure('unpaced', unpaced)

  const of = (key, field) =>
    names.map((name) =>
      median(results.get(`${key} ${name}`).map((result) => result[field] ?? result)),
    )
  const machine = `${cpus()[0]?.model.trim()} x ${cpus().length}, Node ${process.versions.node}`
  const day = new Date().toISOString().slice(0, 10)
  console.log(`${machine}; ${day}; ${ROUNDS} rounds; load average ${loadavg()[0].toFixed(2)}`)
  console.log(`${''.padEnd(58)} ${names.map((name) => name.padStart(9)).join(' ')}`)
  for (const [label] of SIZES) {
    row(`${label} request beside 64 streams: p50, ms`, of(label, 'p50'))
    row(`${label} request beside 64 streams: p99, ms`, of(label, 'p99'))
    row(`  gap between chunks of the streams (20 ms), p99, ms`, of(label, 'gap'))
    row(`  event-loop delay p99, ms`, of(label, 'loop'))
  }
  for (const [count, perSecond] of CROWDS) {
    row(`${count} streams x ${perSecond}/s: gap between chunks, p99, ms`, of(`${count}`, 'gap'))
    row(`  CPU a chunk, µs`, of(`${count}`, 'cpu'))
    row(`  memory a stream, KB`, of(`${count}`, 'kb'))
  }
  row('4 unpaced streams: events a second', of('unpaced', 'rate'))
} finally {
  endAll()
}
process.exit(0)
