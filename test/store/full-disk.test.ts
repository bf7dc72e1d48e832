import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { transpile } from '../harness/transpile.ts'
import { newFolder } from './store.helpers.ts'

/** KiB that the process may make a file: what lies beyond fails as a full disk does. */
const FILE_KIB = 1024

const SCRIPT = `
const { openLmdbStore } = await import(process.argv[1])
const ignore = () => undefined
process.on('SIGXFSZ', ignore)
const bootId = '0a'.repeat(32)
const store = await openLmdbStore({
  path: process.argv[2], durability: 'group', retention: { days: 30, bytes: 2 ** 40 }, rootKey: new Uint8Array(32),
  ephemeral: false, bootId, boot: { keysetDigest: 'k', receiptKeyId: 'r', address: 'a' }, now: () => 1, onFailure: ignore,
})
const ownership = { principal: 'alice', relay: false, ownerHash: null }
const text = (id) => [JSON.stringify({ receipt_id: id, chat_id: null, pad: 'x'.repeat(3000) }), 'h', 'a', '-', 'b', 'whole', 's', '-'].join('\\n')
const kept = []
let rejected = 0
for (let i = 0; i < 100 && rejected < 32; i++) {
  const ids = Array.from({ length: 16 }, (_, n) => 'rcpt-' + i + '-' + n)
  const all = await Promise.allSettled(ids.map((receiptId) =>
    store.put({ receiptId, chatId: null, ownership, opening: 'o', viewSignature: null, text: text(receiptId) })))
  all.forEach(({ status }, n) => (status === 'fulfilled' ? kept.push(ids[n]) : rejected++))
}
await new Promise((resolve) => setTimeout(resolve, 100))
const found = kept.filter((id) => store.get(id) !== null)
console.log(JSON.stringify({ kept: kept.length, found: found.length, rejected }))
process.exit(0)
`

test('a disk that is full rejects what it does not keep, ends no process, and goes on telling what it kept', async () => {
  const built = await transpile('enclave/store/lmdb-store.ts')
  const limited = `ulimit -f ${String(FILE_KIB)}; exec "$0" "$@"`
  const node = ['--input-type=module', '-e', SCRIPT, built.url, newFolder()]
  const { stdout } = await promisify(execFile)('bash', ['-c', limited, process.execPath, ...node])
  const told: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
  expect(told).toMatchObject({ rejected: 32 })
  expect(Reflect.get(Object(told), 'kept')).toBeGreaterThan(16)
  expect(Reflect.get(Object(told), 'found')).toBe(Reflect.get(Object(told), 'kept'))
  await built.remove()
})
