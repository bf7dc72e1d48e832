// npm run bench: what the relay costs, against the model server direct and against the same relay that reads and signs
// nothing. Arms are interleaved in random order within each round and compared inside a round; medians over the rounds.
// Absolute times depend on the machine and on what else runs on it: the ratios and differences are what counts.
import { cpus, loadavg } from 'node:os'
import { Pool } from 'undici'
import { DEFAULT_SECP256K1_BACKEND } from '../../dist/enclave/keys/secp256k1-signer.js'
import { ask, endAll, message, start } from './children.mjs'
import { REQUEST, STREAM_REQUEST } from './payload.mjs'
import { median, quantile, shuffled } from './statistics.mjs'
import { openStreams } from './stream-client.mjs'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 9)
const SEQUENTIAL = 600
const CONCURRENCY = 32
const LOAD_MS = 2_000
const STREAMS = 64
const TOKEN = 'bench-token-0123456789'
/** Events of a stream, one each 20 ms: three seconds. */
const CHUNKS = 148
const WARM_STREAMS = 1024
const STREAM = { body: STREAM_REQUEST, token: TOKEN }

const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
const options = (body) => ({ path: '/v1/chat/completions', method: 'POST', headers, body })

async function one(pool, body) {
  const { statusCode, body: answer } = await pool.request(options(body))
  await answer.dump()
  if (statusCode !== 200) throw new Error(`status ${statusCode}`)
}

async function sequential(pool) {
  const times = []
  for (let i = 0; i < SEQUENTIAL; i++) {
    const before = performance.now()
    await one(pool, REQUEST)
    times.push(performance.now() - before)
  }
  return { p50: median(times), p99: quantile(times, 0.99) }
}

async function load(pool, child) {
  const before = child === null ? null : await ask(child, 'reset')
  const started = performance.now()
  const end = started + LOAD_MS
  let count = 0
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (performance.now() < end) {
        await one(pool, REQUEST)
        count++
      }
    }),
  )
  const seconds = (performance.now() - started) / 1000
  const after = child === null ? null : await ask(child, 'read')
  return { rate: count / seconds, cpuUs: after === null ? 0 : (after.cpuUs - before.cpuUs) / count }
}

/** As many streams as they come, so that what is measured later is what a relay does that has been at work. */
async function warmStreams(arm) {
  for (let i = 0; i < WARM_STREAMS; i += STREAMS) {
    await openStreams(arm.streamPort, STREAMS, { ...STREAM, chunks: 64, ms: 0 })
  }
}

async function streams({ streamPort, children: [, child] }) {
  const before = child === null ? null : await ask(child, 'reset')
  const { first } = await openStreams(streamPort, STREAMS, { ...STREAM, chunks: CHUNKS, ms: 20 })
  const after = child === null ? null : await ask(child, 'read')
  return {
    ttfb: median(first),
    // First, stop and terminator come besides.
    cpuPerChunk: after === null ? 0 : (after.cpuUs - before.cpuUs) / (STREAMS * (CHUNKS + 3)),
    loopP99: after?.loopDelayP99Ms ?? 0,
  }
}

try {
  const upstream = start('./upstream.mjs')
  const { buffered } = await message(upstream)
  const { port: streamed } = await message(start('./stream-server.mjs'))
  const arms = {
    direct: { buffered: new Pool(buffered), streamPort: streamed, children: [null, null] },
  }
  for (const kind of ['unsigned', 'signed']) {
    const pair = [
      start('./proxy.mjs', kind, buffered, TOKEN),
      start('./proxy.mjs', kind, `http://127.0.0.1:${streamed}`, TOKEN),
    ]
    const ports = await Promise.all(pair.map(message))
    const [a, b] = ports.map(({ port }) => port)
    const pool = new Pool(`http://127.0.0.1:${a}`)
    arms[kind] = { buffered: pool, streamPort: b, children: pair }
  }
  const names = Object.keys(arms)
  const results = Object.fromEntries(names.map((name) => [name, { seq: [], load: [], stream: [] }]))
  for (const name of names) {
    for (let i = 0; i < 1500; i++) await one(arms[name].buffered, REQUEST)
    await warmStreams(arms[name])
  }
  const signatures = []
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of shuffled(names))
      results[name].seq.push(await sequential(arms[name].buffered))
    for (const name of shuffled(names)) {
      results[name].load.push(await load(arms[name].buffered, arms[name].children[0]))
    }
    for (const name of shuffled(names)) {
      results[name].stream.push(await streams(arms[name]))
    }
    const { signaturesUs } = await ask(arms.signed.children[0], 'signatures')
    signatures.push(signaturesUs)
    process.stderr.write(`round ${round + 1}/${ROUNDS}\n`)
  }
  const of = (name, part, field) => results[name][part].map((result) => result[field])
  const differences = (a, b, part, field) =>
    median(of(a, part, field).map((value, i) => value - of(b, part, field)[i]))
  const ratios = (a, b, part, field) =>
    median(of(a, part, field).map((value, i) => value / of(b, part, field)[i]))
  const cpuMore = differences('signed', 'unsigned', 'load', 'cpuUs')
  const chunkRatio = ratios('signed', 'unsigned', 'stream', 'cpuPerChunk')
  const p50 = differences('signed', 'direct', 'seq', 'p50')
  const rows = [
    [
      'direct: p50 / p99 of a 2 KB completion, ms',
      median(of('direct', 'seq', 'p50')),
      median(of('direct', 'seq', 'p99')),
    ],
    [
      'unsigned relay: added p50 / p99, ms',
      differences('unsigned', 'direct', 'seq', 'p50'),
      differences('unsigned', 'direct', 'seq', 'p99'),
    ],
    ['Countersign: added p50 / p99, ms', p50, differences('signed', 'direct', 'seq', 'p99')],
    ['requests/s at 32 connections: direct', median(of('direct', 'load', 'rate'))],
    ['requests/s at 32 connections: unsigned relay', median(of('unsigned', 'load', 'rate'))],
    ['requests/s at 32 connections: Countersign', median(of('signed', 'load', 'rate'))],
    [
      'CPU a request, µs: unsigned / Countersign',
      median(of('unsigned', 'load', 'cpuUs')),
      median(of('signed', 'load', 'cpuUs')),
    ],
    ['CPU more a request than the unsigned relay, µs', cpuMore],
    ['the two signatures of an answer alone, by themselves, µs', median(signatures)],
    [
      '64 streams x 50/s, CPU a chunk, µs: unsigned / Countersign',
      median(of('unsigned', 'stream', 'cpuPerChunk')),
      median(of('signed', 'stream', 'cpuPerChunk')),
    ],
    ['CPU a chunk, ratio to the unsigned relay', chunkRatio],
    [
      'added time to first byte, ms: unsigned / Countersign',
      differences('unsigned', 'direct', 'stream', 'ttfb'),
      differences('signed', 'direct', 'stream', 'ttfb'),
    ],
    [
      'event-loop delay p99 beyond the 10 ms timer, ms: unsigned / Countersign',
      median(of('unsigned', 'stream', 'loopP99')) - 10,
      median(of('signed', 'stream', 'loopP99')) - 10,
    ],
  ]
  const machine = `${cpus()[0]?.model.trim()} x ${cpus().length}, Node ${process.versions.node}, OpenSSL ${process.versions.openssl}, secp256k1 ${DEFAULT_SECP256K1_BACKEND}`
  console.log(
    `${machine}; ${new Date().toISOString().slice(0, 10)}; ${ROUNDS} rounds; load average ${loadavg()[0].toFixed(2)}`,
  )
  for (const [label, ...values] of rows) {
    console.log(
      `${label.padEnd(74)} ${values.map((value) => value.toFixed(value > 100 ? 0 : 3)).join(' / ')}`,
    )
  }
  console.log(`goal added p50 <= 0.4 ms: ${p50 <= 0.4 ? 'reached' : 'missed'}`)
  console.log(`goal CPU more a request <= 70 µs: ${cpuMore <= 70 ? 'reached' : 'missed'}`)
  console.log(`goal CPU a chunk <= 1.1 x unsigned: ${chunkRatio <= 1.1 ? 'reached' : 'missed'}`)
} finally {
  endAll()
}
process.exit(0)
