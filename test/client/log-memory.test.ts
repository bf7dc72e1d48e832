import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  lstatSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { fail, pass } from '../../attestation/appraiser/check.ts'
import type { RememberedLog } from '../../attestation/appraiser/log/log-state.ts'
import { MAX_LOG_STATE, parseLogState } from '../../attestation/appraiser/log/log-state.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { openLogMemory } from '../../src/client/log/log-memory.ts'

const BOOT = '0'.repeat(64)
const entry = (name: string, size: number): RememberedLog => ({
  head: { origin: `${name}/${BOOT}`, root: toHex32(new Uint8Array(32)), size },
  past: [],
})
const good = pass('log.continuity', 'a test')

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cs-memory-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'state.json')
}
const stateOf = (path: string) => parseLogState(readFileSync(path, 'utf8'))

describe('remembered heads', () => {
  test('are kept in a file of their own, for this user alone, and read back', async () => {
    const path = newFile()
    const memory = openLogMemory(path)
    expect(await memory.read()).toEqual({ ok: true, state: new Map() })
    const seen: (RememberedLog | null)[] = []
    for (const size of [1, 256]) {
      const outcome = await memory.update('one', async (remembered) => {
        seen.push(remembered)
        return Promise.resolve({ check: good, next: entry('one', size) })
      })
      expect(outcome).toEqual({ ok: true, check: good })
    }
    expect(seen).toEqual([null, entry('one', 1)])
    expect(stateOf(path)).toEqual(new Map([['one', entry('one', 256)]]))
    expect(readdirSync(join(path, '..'))).toEqual(['state.json'])
  })

  test('that are the same as before are not written again', async () => {
    const path = newFile()
    const keep = (size: number) =>
      openLogMemory(path).update('one', () =>
        Promise.resolve({ check: good, next: entry('one', size) }),
      )
    await keep(1)
    const { ino } = lstatSync(path)
    expect(await keep(1)).toEqual({ ok: true, check: good })
    expect(lstatSync(path).ino).toBe(ino)
    await keep(2)
    expect(stateOf(path)).toEqual(new Map([['one', entry('one', 2)]]))
  })

  test('behind a symbolic link stay behind it, and are not begun anew where it leads nowhere', async () => {
    const [path, link] = [newFile(), newFile()]
    symlinkSync(path, link)
    writeFileSync(path, `{"version":"countersign.log_state.v1","logs":{}}`)
    const keep = (size: number) =>
      openLogMemory(link).update('one', () =>
        Promise.resolve({ check: good, next: entry('one', size) }),
      )
    expect(await keep(256)).toEqual({ ok: true, check: good })
    expect(lstatSync(link).isSymbolicLink()).toBe(true)
    expect(stateOf(path)).toEqual(new Map([['one', entry('one', 256)]]))
    unlinkSync(path)
    const refused = { ok: false, detail: 'it is a link to a file that is missing' }
    expect(await openLogMemory(link).read()).toEqual(refused)
    expect(await keep(512)).toEqual(refused)
    expect(lstatSync(link).isSymbolicLink()).toBe(true)
  })

  test('stay as they are where nothing new is to be remembered', async () => {
    const path = newFile()
    const memory = openLogMemory(path)
    await memory.update('one', () => Promise.resolve({ check: good, next: entry('one', 256) }))
    const text = readFileSync(path, 'utf8')
    const refused = fail('log.continuity', 'log_forked', 'a test')
    const outcome = await memory.update('one', () =>
      Promise.resolve({ check: refused, next: null }),
    )
    expect(outcome).toEqual({ ok: true, check: refused })
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  test('of many verifiers at once are all kept, and each of one log is judged by what the one before kept', async () => {
    const path = newFile()
    const counts = new Map<string, number>()
    const one = async (name: string) =>
      // A handle of its own, as another process would have.
      openLogMemory(path).update(name, async (remembered) => {
        const size = (remembered?.head.size ?? 0) + 1
        counts.set(name, Math.max(counts.get(name) ?? 0, size))
        return Promise.resolve({ check: good, next: entry(name, size) })
      })
    const names = ['one', 'two', 'three']
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, i) => one(names[i % names.length] ?? 'one')),
    )
    expect(outcomes.every(({ ok }) => ok)).toBe(true)
    const sizes = [...(stateOf(path) ?? [])].map(([name, { head }]) => [name, head.size])
    // None was lost: four of each, one after the other.
    expect(sizes.toSorted()).toEqual([
      ['one', 4],
      ['three', 4],
      ['two', 4],
    ])
  })

  test('in a file that does not hold what was written there are refused, and the file is left as it is', async () => {
    for (const text of ['', 'nonsense', '{"version":"countersign.log_state.v1"}', '[]']) {
      const path = newFile()
      writeFileSync(path, text)
      const memory = openLogMemory(path)
      expect(await memory.read()).toMatchObject({ ok: false })
      const outcome = await memory.update('one', () => {
        throw new Error('nothing is judged without a memory')
      })
      expect(outcome).toMatchObject({ ok: false })
      expect(readFileSync(path, 'utf8')).toBe(text)
    }
  })

  test.skipIf(process.platform === 'win32')(
    'in a pipe that nobody writes to, a device without end, a folder or a file that is too long are refused at once, and nothing is judged',
    async () => {
      const pipe = newFile()
      execFileSync('mkfifo', [pipe])
      const long = newFile()
      writeFileSync(long, '')
      truncateSync(long, MAX_LOG_STATE + 1)
      const link = newFile()
      symlinkSync('/dev/zero', link)
      for (const path of [pipe, '/dev/zero', link, join(pipe, '..'), long]) {
        const detail = path === long ? 'the file is too large' : 'it is not a regular file'
        const memory = openLogMemory(path)
        expect(await memory.read()).toEqual({ ok: false, detail })
        const outcome = await memory.update('one', () => {
          throw new Error('nothing is judged without a memory')
        })
        expect(outcome).toEqual({ ok: false, detail })
      }
    },
  )

  const root = process.getuid?.() === 0
  if (root) console.warn('SKIPPED: root may write anywhere, so no folder is closed to it')
  test.skipIf(root)('that cannot be written are told', async () => {
    const path = newFile()
    chmodSync(join(path, '..'), 0o500)
    const outcome = await openLogMemory(path).update('one', () =>
      Promise.resolve({ check: good, next: entry('one', 1) }),
    )
    expect(outcome).toEqual({ ok: false, detail: 'EACCES' })
    chmodSync(join(path, '..'), 0o700)
  })

  test('under a lock that nobody gives back are told, and the lock stays', async () => {
    const path = newFile()
    writeFileSync(`${path}.lock`, '')
    const outcome = await openLogMemory(path).update('one', () =>
      Promise.resolve({ check: good, next: entry('one', 1) }),
    )
    expect(outcome).toMatchObject({ ok: false })
    expect(readdirSync(join(path, '..'))).toEqual(['state.json.lock'])
  }, 10_000)
})
