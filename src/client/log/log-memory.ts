/**
 * Remembers heads of logs in a file, which several verifiers may share.
 *
 * What is remembered is read, judged against the service, and written under a lock if it is still the same; otherwise it is judged again.
 * The file is replaced whole or not at all. One that cannot be read as what was written here is refused and left as it is: a verifier
 * that began anew in its place would have forgotten what it is there to remember.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { lstat, open, realpath, rename, unlink } from 'node:fs/promises'
import type { Check } from '../../../attestation/appraiser/check.ts'
import type { Continuity } from '../../../attestation/appraiser/log/judge-continuity.ts'
import {
  MAX_LOG_STATE,
  MAX_REMEMBERED_LOGS,
  formatLogState,
  parseLogState,
} from '../../../attestation/appraiser/log/log-state.ts'
import type { LogState, RememberedLog } from '../../../attestation/appraiser/log/log-state.ts'
import { readRegularFile } from '../../read-regular-file.ts'
import type { RegularFile } from '../../read-regular-file.ts'

/** Milliseconds to wait for a verifier that writes, and between two looks. Writing takes as long as a flush of the disk. */
export const STATE_LOCK_MS = 5_000
const LOCK_LOOK_MS = 20
/** Times that a head is judged anew because somebody else remembered another one meanwhile. */
const MAX_ATTEMPTS = 32
const FILE_MODE = 0o600

export type MemoryOutcome =
  { readonly ok: true; readonly check: Check } | { readonly ok: false; readonly detail: string }

export type MemorySnapshot =
  { readonly ok: true; readonly state: LogState } | { readonly ok: false; readonly detail: string }

export interface LogMemory {
  /** What is remembered now: to be read before a document is asked for. */
  read(): Promise<MemorySnapshot>
  /**
   * @param judge given what is remembered of that log; what it wants remembered is kept before its check counts
   */
  update(
    name: string,
    judge: (remembered: RememberedLog | null) => Promise<Continuity>,
  ): Promise<MemoryOutcome>
}

class StateFault extends Error {}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? code : 'unreadable'
}

/** The file behind links, so that it is replaced and locked, and no link is. */
async function fileBehind(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
  const found = await lstat(path).catch(() => null)
  // What it pointed to may be a disk that is not mounted: beginning anew there would forget.
  if (found?.isSymbolicLink() === true)
    throw new StateFault('it is a link to a file that is missing')
  return path
}

async function readState(path: string): Promise<LogState> {
  let file: RegularFile
  try {
    file = await readRegularFile(path, MAX_LOG_STATE)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return new Map()
    throw error
  }
  if (!file.ok) {
    throw new StateFault(
      file.why === 'too_large' ? 'the file is too large' : 'it is not a regular file',
    )
  }
  const state = parseLogState(file.bytes.toString('utf8'))
  if (state === null) throw new StateFault('the file does not hold what was written there')
  return state
}

/** Replaces the file whole or not at all. */
async function writeState(path: string, state: LogState): Promise<void> {
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', FILE_MODE)
    try {
      await file.writeFile(formatLogState(state))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
}

async function locked<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`
  const until = Date.now() + STATE_LOCK_MS
  for (;;) {
    try {
      await (await open(lock, 'wx', FILE_MODE)).close()
      break
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
      // Never broken: who cannot tell a dead owner from a slow one must not take the lock from it.
      if (Date.now() > until) {
        throw new StateFault('its .lock file stays: remove it if no verifier runs')
      }
      await new Promise((resolve) => setTimeout(resolve, LOCK_LOOK_MS))
    }
  }
  try {
    return await work()
  } finally {
    await unlink(lock).catch(() => undefined)
  }
}

const sameEntry = (a: RememberedLog | null, b: RememberedLog | null): boolean =>
  JSON.stringify(a) === JSON.stringify(b)

/** @param path of the file; made where it is missing */
export function openLogMemory(path: string): LogMemory {
  const detailOf = (error: unknown): string =>
    error instanceof StateFault ? error.message : codeOf(error)
  return {
    async read() {
      try {
        return { ok: true, state: await readState(await fileBehind(path)) }
      } catch (error) {
        return { ok: false, detail: detailOf(error) }
      }
    },
    async update(name, judge) {
      try {
        for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
          const file = await fileBehind(path)
          const remembered = (await readState(file)).get(name) ?? null
          const { check, next } = await judge(remembered)
          if (next === null || sameEntry(next, remembered)) return { ok: true, check }
          const kept = await locked(file, async () => {
            const state = new Map(await readState(file))
            if (!sameEntry(state.get(name) ?? null, remembered)) return false
            if (!state.has(name) && state.size >= MAX_REMEMBERED_LOGS) {
              throw new StateFault('as many logs are remembered as may be')
            }
            state.set(name, next)
            await writeState(file, state)
            return true
          })
          if (kept) return { ok: true, check }
        }
        return { ok: false, detail: 'other verifiers keep changing the file' }
      } catch (error) {
        return { ok: false, detail: detailOf(error) }
      }
    },
  }
}
