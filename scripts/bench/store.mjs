// npm run bench:store: the store on this machine's disk. Append rate and wait with and without a disk that takes long to flush,
// under both durabilities; memory and look-ups with many receipts; and the relay's rate with the store against without,
// in rounds of random order compared inside a round; the same with a store that replicas share, where a Redis server is installed.
// BENCH_RECEIPTS (default 1,000,000), BENCH_ROUNDS (default 7),
// BENCH_CONNECTIONS of the relay's clients (default 32). TMPDIR says on which disk.
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool } from 'undici'
import { openLmdbStore } from '../../dist/enclave/store/lmdb-store.js'
import { endAll, message, start } from './children.mjs'
import { REQUEST } from './payload.mjs'
import { sharedAt, startRedis } from './redis.mjs'
import { settledReceipt } from './settled-receipt.mjs'
import { median, quantile, shuffled } from './statistics.mjs'

const RECEIPTS = Number(process.env.BENCH_RECEIPTS ?? 1_000_000)
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 7)
const WRITERS = 32
const DELAYED_MS = 3_000
const FSYNC_MS = [0, 2, 10, 30]
const LOOKUPS = 20_000
const FLUSHES = 300
const CONCURRENCY = Number(process.env.BENCH_CONNECTIONS ?? 32)
const LOAD_MS = 2_000
const TOKEN = 'bench-token-0123456789'

const folders = []
function newFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'cs-bench-'))
  folders.push(folder)
  return folder
}
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const mb = (bytes) => Math.round(bytes / 1024 / 1024)
const print = (what, ...values) =>
  process.stdout.write(`${what.padEnd(74)} ${values.map((value) => String(value)).join(' / ')}\n`)

function optionsOf(durability, rootKey = randomBytes(32)) {
  return {
    durability,
    retention: { days: 30, bytes: 64 * 1024 ** 3 },
    rootKey,
    ephemeral: false,
    bootId: randomBytes(32).toString('hex'),
    boot: { keysetDigest: `sha256:${'00'.repeat(32)}`, receiptKeyId: 'bench', address: '0x' },
    now: () => Math.floor(Date.now() / 1000),
    onFailure: () => {
      throw new Error('the store failed')
    },
  }
}

function open(path, durability, fsyncMs) {
  return openLmdbStore({
    path,
    ...optionsOf(durability),
    ...(fsyncMs === 0 ? {} : { disk: (commit) => commit().then(() => sleep(fsyncMs)) }),
  })
}

// How long this disk takes to flush 4 KiB, here and now: most of what `group` costs.
function flushMs() {
  const file = join(newFolder(), 'flushed')
  const descriptor = openSync(file, 'w')
  const page = Buffer.alloc(4096, 1)
  const times = Array.from({ length: FLUSHES }, (_, i) => {
    writeSync(descriptor, page, 0, page.length, i * page.length)
    const before = performance.now()
    fdatasyncSync(descriptor)
    return performance.now() - before
  })
  closeSync(descriptor)
  return times
}

// What one answer's last byte waits for: its own put.
async function writers(store, entryOf, until) {
  const waits = []
  let count = 0
  const began = performance.now()
  await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      while (!until(count)) {
        const before = performance.now()
        count++
        await store.put(entryOf())
        waits.push(performance.now() - before)
        // As between two requests: whatever else waits for the event loop has its turn.
        await new Promise((resolve) => setImmediate(resolve))
      }
    }),
  )
  return { rate: Math.round(count / ((performance.now() - began) / 1000)), waits, count }
}

async function delayed(entryOf) {
  for (const durability of ['group', 'async']) {
    for (const fsyncMs of FSYNC_MS) {
      const store = await open(newFolder(), durability, fsyncMs)
      const end = performance.now() + DELAYED_MS
      const { rate, waits } = await writers(store, entryOf, () => performance.now() > end)
      await store.durable.close()
      print(
        `${durability}, ${fsyncMs} ms more for each flush, ${WRITERS} writers: receipts/s, wait p50 / p99 ms`,
        rate,
        quantile(waits, 0.5).toFixed(2),
        quantile(waits, 0.99).toFixed(2),
      )
    }
  }
}

async function many(entryOf, ids) {
  const path = newFolder()
  const store = await open(path, 'group', 0)
  globalThis.gc?.()
  const memory = [mb(process.memoryUsage().rss)]
  const heap = [mb(process.memoryUsage().heapUsed)]
  const rates = []
  for (let part = 0; part < 5; part++) {
    const { rate } = await writers(store, entryOf, (count) => count >= RECEIPTS / 5)
    globalThis.gc?.()
    rates.push(rate)
    memory.push(mb(process.memoryUsage().rss))
    heap.push(mb(process.memoryUsage().heapUsed + process.memoryUsage().external))
  }
  print(`${RECEIPTS} receipts appended, a fifth after the other: receipts/s`, ...rates)
  print('  heap and buffers in MB, before and after each', ...heap)
  print('  resident in MB (the mapped file is in it)', ...memory)
  print('  file in MB', mb(statSync(join(path, 'receipts.mdb')).size))
  const times = []
  for (let i = 0; i < LOOKUPS; i++) {
    const id = ids[Math.floor(Math.random() * ids.length)]
    const before = performance.now()
    if (store.get(id) === null) throw new Error('not found')
    times.push(performance.now() - before)
  }
  const us = (q) => Math.round(quantile(times, q) * 1000)
  print('  look-up by receipt id, p50 / p99 µs', us(0.5), us(0.99))
  await store.durable.close()
}

// What one replica makes, looked up at another.
async function shared(entryOf, ids, redis) {
  const rootKey = randomBytes(32)
  const replica = async () => {
    const options = optionsOf('group', rootKey)
    return sharedAt(redis, await openLmdbStore({ ...options, path: newFolder() }), options)
  }
  const [a, b] = [await replica(), await replica()]
  const end = performance.now() + DELAYED_MS
  const { rate, waits } = await writers(a, entryOf, () => performance.now() > end)
  print(
    `group and shared, ${WRITERS} writers: receipts/s, wait p50 / p99 ms`,
    rate,
    quantile(waits, 0.5).toFixed(2),
    quantile(waits, 0.99).toFixed(2),
  )
  const times = []
  for (let i = 0; i < LOOKUPS / 4; i++) {
    const id = ids[Math.floor(Math.random() * ids.length)]
    const before = performance.now()
    if ((await b.get(id)) === null) throw new Error('not found')
    times.push(performance.now() - before)
  }
  const us = (q) => Math.round(quantile(times, q) * 1000)
  print('  look-up at the other replica by receipt id, p50 / p99 µs', us(0.5), us(0.99))
  await a.durable.close()
  await b.durable.close()
}

async function load(pool) {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const began = performance.now()
  const end = began + LOAD_MS
  let count = 0
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (performance.now() < end) {
        const path = '/v1/chat/completions'
        const { statusCode, body } = await pool.request({
          path,
          method: 'POST',
          headers,
          body: REQUEST,
        })
        await body.dump()
        if (statusCode !== 200) throw new Error(`status ${statusCode}`)
        count++
      }
    }),
  )
  return count / ((performance.now() - began) / 1000)
}

async function relay(redis) {
  const { buffered } = await message(start('./upstream.mjs'))
  const kinds = [
    'signed',
    'stored-group',
    'stored-async',
    ...(redis === null ? [] : ['shared-group']),
  ]
  const pools = {}
  for (const kind of kinds) {
    const { port } = await message(
      start('./proxy.mjs', kind, buffered, TOKEN, newFolder(), redis ?? ''),
    )
    pools[kind] = new Pool(`http://127.0.0.1:${port}`)
    await load(pools[kind])
  }
  const rates = Object.fromEntries(kinds.map((kind) => [kind, []]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const kind of shuffled(kinds)) rates[kind].push(await load(pools[kind]))
  }
  for (const kind of kinds)
    print(`relay, ${kind}, ${CONCURRENCY} connections: requests/s`, Math.round(median(rates[kind])))
  for (const kind of kinds.slice(1)) {
    const ratios = rates[kind].map((rate, i) => rate / rates.signed[i])
    print(`  ${kind} keeps of the rate in memory`, `${Math.round(median(ratios) * 100)} %`)
  }
  for (const pool of Object.values(pools)) await pool.close()
}

const redis = await startRedis(newFolder())
if (redis === null) print('SKIPPED: no redis-server and no valkey-server here, nothing is shared')
try {
  const ids = []
  const entryOf = settledReceipt((id) => {
    if (ids.length < 100_000) ids.push(id)
  })
  print(
    `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}, load`,
    loadavg()[0].toFixed(1),
  )
  const flushes = flushMs()
  print(
    'fdatasync of 4 KiB on this disk, p50 / p99 ms',
    quantile(flushes, 0.5).toFixed(2),
    quantile(flushes, 0.99).toFixed(2),
  )
  await relay(redis?.path ?? null)
  await delayed(entryOf)
  ids.length = 0
  if (redis !== null) await shared(entryOf, ids, redis.path)
  ids.length = 0
  await many(entryOf, ids)
} finally {
  redis?.end()
  endAll()
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
}
