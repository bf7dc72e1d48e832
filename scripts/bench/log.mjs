// npm run bench:log: the log on this machine. What an append costs; memory after BENCH_LEAVES (default 1,000,000); how long the boot
// after a kill takes to close that log and publish its own first head; proofs of the old log. TMPDIR says on which disk.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBootSigner } from '../../dist/enclave/keys/ed25519-signer.js'
import { openBootLog } from '../../dist/enclave/log/boot-log.js'
import { openLmdbStore } from '../../dist/enclave/store/lmdb-store.js'
import { quantile } from './statistics.mjs'

const LEAVES = Number(process.env.BENCH_LEAVES ?? 1_000_000)
const BATCH = 4096
const PROOFS = 2000
const path = mkdtempSync(join(tmpdir(), 'cs-bench-log-'))
const rootKey = randomBytes(32)
const digest = (bytes) => `sha256:${bytes.toString('hex')}`
const mb = (bytes) => Math.round(bytes / 1024 / 1024)
const print = (what, ...values) =>
  process.stdout.write(`${what.padEnd(74)} ${values.map(String).join(' / ')}\n`)

async function boot() {
  const bootId = randomBytes(32).toString('hex')
  const store = await openLmdbStore({
    path,
    durability: 'group',
    retention: { days: 30, bytes: 64 * 1024 ** 3 },
    rootKey,
    ephemeral: false,
    bootId,
    boot: { keysetDigest: digest(Buffer.alloc(32)), receiptKeyId: 'bench', address: '0x' },
    now: () => Math.floor(Date.now() / 1000),
    onFailure: () => {
      throw new Error('the disk failed')
    },
  })
  const keys = { bootId, keysetDigest: digest(Buffer.alloc(32)), log: createBootSigner() }
  const log = await openBootLog({
    keys,
    configDigest: digest(Buffer.alloc(32)),
    name: 'bench',
    keeper: store.durable.leaves,
  })
  return { store, log, bootId }
}

print(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}, load`, ...loadavg())
const first = await boot()
const hashes = Array.from({ length: BATCH }, () => digest(randomBytes(32)))
globalThis.gc?.()
const memory = process.memoryUsage().rss
let spent = 0
for (let done = 0; done < LEAVES; done += BATCH) {
  const began = process.cpuUsage()
  for (const hash of hashes) first.log.append(hash)
  const { user, system } = process.cpuUsage(began)
  spent += user + system
  // As commits come under load: what was appended goes to the disk with them.
  await first.store.durable.probe()
}
print('an append, µs of processor time', (spent / (Math.ceil(LEAVES / BATCH) * BATCH)).toFixed(2))
globalThis.gc?.()
print('resident memory more than before, MB', mb(process.memoryUsage().rss - memory))
const published = performance.now()
await first.log.publish()
print('a head published, ms', (performance.now() - published).toFixed(1))
first.log.append(hashes[0])
await first.store.durable.close()
print('the file, MB', mb(statSync(join(path, 'receipts.mdb')).size))

const began = performance.now()
const second = await boot()
print(
  `a boot after one of ${first.log.nextIndex} leaves, ms`,
  (performance.now() - began).toFixed(1),
)
const old = second.log.of(first.bootId)
if (old === null || old.last.size < LEAVES) throw new Error('the log before is not whole')
const times = Array.from({ length: PROOFS }, () => {
  const start = performance.now()
  if (old.inclusion(Math.floor(Math.random() * LEAVES), old.last.size) === null) {
    throw new Error('a leaf is gone')
  }
  return performance.now() - start
})
print(
  'a proof of the old log, ms, median / p99',
  ...[0.5, 0.99].map((q) => quantile(times, q).toFixed(2)),
)
await second.store.durable.close()
rmSync(path, { recursive: true })
