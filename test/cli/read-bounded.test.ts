import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAX_DOCUMENT_BYTES, readBounded } from '../../src/cli/read-bounded.ts'
import { Refusal } from '../../src/cli/refusal.ts'

describe('a file that was named on the command line', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  test('is read to its last byte, up to the limit, also through a link', async () => {
    const path = join(folder, 'file')
    for (const length of [0, 1, 9, 10]) {
      const bytes = Buffer.from('0123456789').subarray(0, length)
      await writeFile(path, bytes)
      expect(await readBounded(path, 10)).toEqual(bytes)
    }
    const link = join(folder, 'link')
    await symlink(path, link)
    expect((await readBounded(link)).toString()).toBe('0123456789')
    await writeFile(path, '01234567890')
    await expect(readBounded(path, 10)).rejects.toThrow('is too large')
  })

  test('that is huge is refused by its size, before it fills the memory', async () => {
    const path = join(folder, 'huge')
    await writeFile(path, '')
    await truncate(path, 2 ** 40)
    const before = process.memoryUsage().rss
    await expect(readBounded(path)).rejects.toThrow(Refusal)
    expect(process.memoryUsage().rss - before).toBeLessThan(MAX_DOCUMENT_BYTES)
  })

  test.skipIf(process.platform === 'win32')(
    'that is a pipe nobody writes to, a device without end or a folder is refused at once',
    async () => {
      const pipe = join(folder, 'pipe')
      execFileSync('mkfifo', [pipe])
      for (const path of [pipe, '/dev/zero', folder]) {
        await expect(readBounded(path)).rejects.toThrow('not a regular file')
      }
    },
  )

  // Files of procfs are regular and have size 0.
  const onLinux = test.skipIf(process.platform !== 'linux')
  onLinux('that says it is empty and is not is read all the same, within the limit', async () => {
    expect((await readBounded('/proc/self/status')).toString()).toContain('Pid:')
    await expect(readBounded('/proc/self/status', 16)).rejects.toThrow('is too large')
  })
})
