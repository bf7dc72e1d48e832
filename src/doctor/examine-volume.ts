/**
 * The folders that the service keeps files in: whether each takes a file, how long a flushed write takes, how much room is left.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { open, stat, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { finding, good } from './doctor-row.ts'
import type { DoctorRow } from './doctor-row.ts'

/** Bytes of each write, and how many writes are timed. */
export const WRITE_BYTES = 4096
export const WRITES = 21
/** Milliseconds of the median from which on it is slow: a spinning disk flushes in less. */
export const SLOW_MS = 25
/** Bytes below which room is short. */
export const LOW_BYTES = 1024 ** 3

export interface VolumeFile {
  write(bytes: Uint8Array, position: number): Promise<unknown>
  datasync(): Promise<void>
  close(): Promise<void>
}

export interface Volume {
  /** What is kept there; the first part of its rows. */
  readonly role: 'volume' | 'store' | 'keys'
  readonly folder: string
}

/** For tests, which cannot fill or remount a disk. */
export interface VolumeFiles {
  readonly open: (path: string) => Promise<VolumeFile>
  readonly free: (folder: string) => Promise<number>
  /** Milliseconds. */
  readonly now: () => number
}

const FILES: VolumeFiles = {
  async open(path) {
    const file = await open(path, 'wx', 0o600)
    return {
      write: (bytes, position) => file.write(bytes, 0, bytes.length, position),
      datasync: () => file.datasync(),
      close: () => file.close(),
    }
  },
  async free(folder) {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  },
  now: () => performance.now(),
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'unknown'
}

function failed(error: unknown, { role, folder }: Volume): DoctorRow {
  const check = `${role}.write`
  const code = codeOf(error)
  const seen = `${folder}: ${code}`
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return finding(check, 'volume_absent', seen)
    case 'EROFS':
      return finding(check, 'volume_read_only', seen)
    case 'EACCES':
    case 'EPERM':
      return finding(check, 'volume_denied', seen)
    case 'ENOSPC':
    case 'EDQUOT':
      return finding(check, 'volume_full', seen)
    default:
      return finding(check, 'volume_failed', seen)
  }
}

async function timeWrites(path: string, { open: openFile, now }: VolumeFiles): Promise<number> {
  const file = await openFile(path)
  try {
    const bytes = randomBytes(WRITE_BYTES)
    const times: number[] = []
    for (let count = 0; count < WRITES; count++) {
      const start = now()
      await file.write(bytes, count * bytes.length)
      await file.datasync()
      times.push(now() - start)
    }
    return times.toSorted((a, b) => a - b)[Math.floor(WRITES / 2)] ?? 0
  } finally {
    await file.close()
  }
}

async function examineVolume(volume: Volume, files: VolumeFiles): Promise<readonly DoctorRow[]> {
  const { role, folder } = volume
  const path = join(folder, `.countersign-doctor-${randomBytes(8).toString('hex')}`)
  let medianMs: number
  let free: number
  try {
    if (!(await stat(folder)).isDirectory()) {
      return [finding(`${role}.write`, 'volume_absent', `${folder} is no folder`)]
    }
    medianMs = await timeWrites(path, files)
    free = await files.free(folder)
  } catch (error) {
    return [failed(error, volume)]
  } finally {
    await unlink(path).catch(() => {})
  }
  const speed = `fdatasync of ${WRITE_BYTES} bytes, median of ${WRITES}: ${medianMs.toFixed(2)} ms`
  const room = `${Math.floor(free / 1024 ** 2)} MiB free`
  return [
    good(`${role}.write`, folder),
    medianMs > SLOW_MS
      ? finding(`${role}.fsync`, 'volume_slow', speed)
      : good(`${role}.fsync`, speed),
    free < LOW_BYTES ? finding(`${role}.space`, 'volume_low', room) : good(`${role}.space`, room),
  ]
}

/** Each folder once, whatever it is for. */
export async function examineVolumes(
  volumes: readonly Volume[],
  files: VolumeFiles = FILES,
): Promise<readonly DoctorRow[]> {
  const folders = new Map(volumes.toReversed().map((volume) => [volume.folder, volume]))
  const distinct = volumes.filter((volume) => folders.get(volume.folder) === volume)
  if (distinct.length === 0) {
    return [good('volume.write', 'no files are kept: neither --store nor a sealed address key')]
  }
  const rows: DoctorRow[] = []
  // One after the other: they may be one disk, and its speed is measured.
  for (const volume of distinct) rows.push(...(await examineVolume(volume, files)))
  return rows
}
