/** What a measured compose text can say of store and log: all of it is flags. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig } from '../../src/cli/serve.ts'
import type { ServeOptions } from '../../src/cli/serve.ts'
import { newFolder } from '../store/store.helpers.ts'

const configOf = (flags: ServeOptions) =>
  loadConfig({ upstream: ['unix:/run/vllm.sock'], ...flags })

test('name and interval of the log, durability and days of the store', async () => {
  const { log, store } = await configOf({
    logName: 'example/node-1',
    logInterval: '5000',
    store: '/data',
    storeDurability: 'async',
    storeDays: '90',
  })
  expect(log).toEqual({ name: 'example/node-1', public: false, interval_ms: 5000 })
  expect(store).toMatchObject({ path: '/data', durability: 'async', retention: { days: 90 } })
})

test('stand above the file, member by member', async () => {
  const config = join(newFolder(), 'config.json')
  const retention = { days: 7, bytes: 32 * 1024 * 1024 }
  const log = { name: 'old', public: true, interval_ms: 2000 }
  writeFileSync(config, JSON.stringify({ log, store: { path: '/data', retention } }))
  const found = await configOf({ config, logName: 'new', storeDays: '8' })
  expect(found.log).toEqual({ ...log, name: 'new' })
  expect(found.store).toMatchObject({ durability: 'group', retention: { ...retention, days: 8 } })
})

test.each<[ServeOptions, RegExp]>([
  [{ storeDays: '30' }, /^--store-days stands beside --store\b/],
  [{ storeDurability: 'async' }, /^--store-durability stands beside --store\b/],
  [{ store: '/data', storeDays: '1e3' }, /store\.retention\.days/],
  [{ store: '/data', storeDays: '0' }, /store\.retention\.days/],
  [{ store: '/data', storeDurability: 'none' }, /store\.durability/],
  [{ logName: 'Node 1' }, /log/],
  [{ logInterval: '60s' }, /log/],
  [{ logInterval: '999' }, /log/],
])('%j is refused', async (flags, problem) => {
  await expect(configOf(flags)).rejects.toThrow(problem)
})
