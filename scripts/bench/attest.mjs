// npm run bench:attest: documents for nonces of their own per second, the quotes that they cost, how long clients wait, and
// what all that does to streams beside it. One GPU and eight; the same streams alone first.
import { randomBytes } from 'node:crypto'
import { cpus, loadavg } from 'node:os'
import { Agent, request } from 'undici'
import { ask, endAll, message, start } from './children.mjs'
import { quantile } from './statistics.mjs'

const CLIENTS = Number(process.env.BENCH_CLIENTS ?? 1_000)
const STREAMS = 32
const CHUNK_MS = 30
const CHUNKS = Number(process.env.BENCH_CHUNKS ?? 400)
const TOKEN = 'bench-token-0123456789'

async function documents(port) {
  const dispatcher = new Agent({ connections: CLIENTS })
  const waits = []
  let bytes = 0
  const began = performance.now()
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const nonce = randomBytes(32).toString('hex')
      const url = `http://127.0.0.1:${port}/attestation?nonce=${nonce}`
      const { statusCode, body } = await request(url, { dispatcher })
      const text = await body.text()
      if (statusCode !== 200 || !text.includes(nonce)) throw new Error(`status ${statusCode}`)
      bytes += text.length
      waits.push(performance.now() - began)
    }),
  )
  const seconds = (performance.now() - began) / 1000
  await dispatcher.close()
  return { seconds, waits, bytes }
}

try {
  console.log(`${cpus().length} cores, load ${loadavg()[0].toFixed(1)}, Node ${process.version}`)
  const upstream = start('./stream-server.mjs')
  const { port: upstreamPort } = await message(upstream)
  const reader = start('./stream-reader.mjs', STREAMS, TOKEN, CHUNKS, CHUNK_MS)
  const streamsAt = (port) => ask(reader, port)
  for (const gpus of [1, 8]) {
    const service = start('./attest-service.mjs', `http://127.0.0.1:${upstreamPort}`, TOKEN, gpus)
    const { port } = await message(service)
    const alone = await streamsAt(port)
    await ask(service, 'reset')
    const beside = streamsAt(port)
    const { seconds, waits, bytes } = await documents(port)
    const { quotes } = await ask(service, 'read')
    // Ends when the last chunk of every stream has come.
    const crowded = await beside
    const { loopDelayP99Ms } = await ask(service, 'read')
    console.log(
      `${gpus} GPUs: ${CLIENTS} documents of ${Math.round(bytes / CLIENTS / 1000)} kB in ${seconds.toFixed(2)} s ` +
        `(${Math.round(CLIENTS / seconds)} a second) from ${quotes} quotes; waits p50 ${Math.round(quantile(waits, 0.5))} ms, ` +
        `p99 ${Math.round(quantile(waits, 0.99))} ms`,
    )
    console.log(
      `  ${STREAMS} streams, gap between chunks of ${CHUNK_MS} ms: alone p99 ${alone.p99.toFixed(1)} ms, ` +
        `beside p99 ${crowded.p99.toFixed(1)} ms, longest ${crowded.longest.toFixed(0)} ms ` +
        `(alone ${alone.longest.toFixed(0)}); all whole; event loop p99 ${(loopDelayP99Ms - 10).toFixed(1)} ms`,
    )
    service.kill()
  }
} finally {
  endAll()
}
