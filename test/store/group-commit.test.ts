import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { MAX_AHEAD, createGroupCommit } from '../../enclave/store/group-commit.ts'
import type { Durability } from '../../enclave/store/group-commit.ts'
import { TIMED } from '../harness/timed.ts'

interface Disk {
  delayMs: number
  broken: boolean
}

function onDisk(durability: Durability, disk: Disk) {
  const commits: number[][] = []
  const failures: number[] = []
  let flushing = 0
  const group = createGroupCommit<number>({
    durability,
    async commit(items) {
      expect(++flushing).toBe(1)
      await sleep(disk.delayMs)
      flushing--
      if (disk.broken) throw new Error('no space')
      commits.push([...items])
    },
    onFailure: (lost) => failures.push(lost),
  })
  return { group, commits, failures }
}

describe('group', () => {
  test(
    'what comes while one flush runs goes into the next, in order, and waits for two flushes at most',
    TIMED,
    async () => {
      const disk = { delayMs: 20, broken: false }
      const { group, commits } = onDisk('group', disk)
      const waits: number[] = []
      await Promise.all(
        Array.from({ length: 60 }, async (_, i) => {
          await sleep(i)
          const before = performance.now()
          await group.write(i)
          waits.push(performance.now() - before)
        }),
      )
      expect(commits.flat()).toEqual(Array.from({ length: 60 }, (_, i) => i))
      expect(commits.length).toBeLessThan(20)
      // Two flushes of 20 ms, and what a busy machine's timers add.
      expect(waits.toSorted((a, b) => a - b)[30]).toBeLessThan(80)
    },
  )

  test('is acknowledged only when the flush is over', async () => {
    const { group, commits } = onDisk('group', { delayMs: 30, broken: false })
    const written = group.write(1)
    expect(written).toBeInstanceOf(Promise)
    await sleep(5)
    expect(commits).toEqual([])
    await written
    expect(commits).toEqual([[1]])
  })

  test('a commit that fails fails for all of it, and the next one is tried afresh', async () => {
    const disk = { delayMs: 0, broken: true }
    const { group, commits, failures } = onDisk('group', disk)
    const all = await Promise.allSettled([group.write(1), group.write(2)])
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(failures).toEqual([0])
    disk.broken = false
    await group.write(3)
    expect(commits).toEqual([[3]])
  })
})

describe('async', () => {
  test('is acknowledged at once, and everything is written', async () => {
    const { group, commits } = onDisk('async', { delayMs: 10, broken: false })
    expect([1, 2, 3].map((item) => group.write(item))).toEqual([undefined, undefined, undefined])
    expect(commits).toEqual([])
    await group.idle()
    expect(commits).toEqual([[1, 2, 3]])
  })

  test('says how many it lost, waits for a disk that failed, and trusts it again when it works', async () => {
    const disk = { delayMs: 0, broken: true }
    const { group, failures } = onDisk('async', disk)
    expect([group.write(1), group.write(2)]).toEqual([undefined, undefined])
    await group.idle()
    expect(failures).toEqual([2])
    await expect(group.write(3)).rejects.toThrow('no space')
    disk.broken = false
    await group.write(4)
    expect(group.write(5)).toBeUndefined()
    await group.idle()
  })

  test('never runs further ahead of the disk than its bound', async () => {
    const { group } = onDisk('async', { delayMs: 5, broken: false })
    const acknowledged = Array.from({ length: MAX_AHEAD + 10 }, (_, i) => group.write(i))
    expect(acknowledged.filter((written) => written === undefined)).toHaveLength(MAX_AHEAD)
    await group.idle()
    expect(group.write(1)).toBeUndefined()
    await group.idle()
  })
})

test('a flush that is asked for is waited for, whatever was chosen', async () => {
  const { group, commits } = onDisk('async', { delayMs: 5, broken: false })
  await group.flushed(1)
  expect(commits).toEqual([[1]])
})
