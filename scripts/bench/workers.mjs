// node scripts/bench/workers.mjs (after npm run build): do several relay processes serve more than one? Each signs with keys of
// its own, which is more than workers of one boot could do: those would have to ask one process for every signature. So what
// this shows is the most that workers could give.
import { availableParallelism, cpus, loadavg } from 'node:os'
import { Pool } from 'undici'
import { ask, endAll, message, start } from './children.mjs'
import { REQUEST } from './payload.mjs'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5)
const PROCESSES = (process.env.BENCH_WORKERS ?? '1,2').split(',').map(Number)
const CONCURRENCY = 32
const LOAD_MS = 2_000
const TOKEN = 'bench-token-0123456789'

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
const options = {
  path: '/v1/chat/completions',
  method: 'POST',
  headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
  body: REQUEST,
}

async function load(arm) {
  const read = (what) => Promise.all(arm.relays.map((relay) => ask(relay, what)))
  const before = await read('reset')
  const began = performance.now()
  const end = began + LOAD_MS
  let count = 0
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async (_, i) => {
      const pool = arm.pools[i % arm.pools.length]
      while (performance.now() < end) {
        const { statusCode, body } = await pool.request(options)
        await body.dump()
        if (statusCode !== 200) throw new Error(`status ${statusCode}`)
        count++
      }
    }),
  )
  const seconds = (performance.now() - began) / 1000
  const after = await read('read')
  const cpuUs = after.reduce((sum, { cpuUs }, i) => sum + cpuUs - before[i].cpuUs, 0)
  return { rate: count / seconds, cpuPerRequest: cpuUs / count, cores: cpuUs / 1e6 / seconds }
}

try {
  const { buffered } = await message(start('./upstream.mjs'))
  const arms = []
  for (const n of PROCESSES) {
    const relays = Array.from({ length: n }, () => start('./proxy.mjs', 'signed', buffered, TOKEN))
    const ports = await Promise.all(relays.map(message))
    const pools = ports.map(({ port }) => new Pool(`http://127.0.0.1:${port}`))
    arms.push({ n, relays, pools, results: [] })
  }
  for (const arm of arms) await load(arm)
  for (let round = 0; round < ROUNDS; round++) {
    for (const arm of arms.toSorted(() => Math.random() - 0.5)) arm.results.push(await load(arm))
  }
  const of = (arm, field) => median(arm.results.map((result) => result[field]))
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, load ${loadavg()[0]}`)
  for (const arm of arms) {
    console.log(
      `${arm.n} relay process(es): ${of(arm, 'rate').toFixed(0)} requests/s, ` +
        `${of(arm, 'cpuPerRequest').toFixed(0)} µs of CPU a request, ${of(arm, 'cores').toFixed(2)} cores`,
    )
  }
} finally {
  endAll()
}
process.exit(0)
