/**
 * One run of `nvattest`: absolute path, no shell, no environment of ours, bounded output, a deadline.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { isAbsolute } from 'node:path'
import { NvattestError } from './nvattest-error.ts'

/** Milliseconds for the whole run: nvattest starts the driver's library anew each time. */
export const NVATTEST_MS = 30_000
/** Bytes of output; the evidence of a device has about 13 KB in JSON. */
export const MAX_NVATTEST_BYTES = 1024 * 1024

export interface NvattestRun {
  /** Absolute. */
  readonly path: string
  readonly args: readonly string[]
  readonly deadlineMs: number
}

/**
 * Its exit code is its result code, which the document says too, so that is not looked at here.
 * @returns what it printed
 * @throws NvattestError `nvattest_absent`, `nvattest_timeout`, `nvattest_failed` or `nvattest_malformed`
 */
export function runNvattest({ path, args, deadlineMs }: NvattestRun): Promise<Buffer> {
  if (!isAbsolute(path)) throw new TypeError('the path of nvattest is absolute')
  return new Promise((resolve, reject) => {
    const child = spawn(path, [...args], {
      // Bearer tokens stay here; NVAT_… variables and LD_LIBRARY_PATH would choose whom it asks and what it loads.
      env: {},
      cwd: '/',
      shell: false,
      stdio: ['ignore', 'pipe', 'ignore'],
      // A group of its own: what it starts, and would leave behind, is ended with it.
      detached: true,
    })
    const chunks: Buffer[] = []
    let length = 0
    const end = (error: NvattestError): void => {
      clearTimeout(timer)
      if (child.pid !== undefined) killGroup(child.pid)
      child.stdout.destroy()
      reject(error)
    }
    const timer = setTimeout(() => {
      end(new NvattestError('nvattest_timeout', `${path} after ${deadlineMs} ms`))
    }, deadlineMs)
    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= MAX_NVATTEST_BYTES) chunks.push(chunk)
      else {
        end(new NvattestError('nvattest_malformed', `more than ${MAX_NVATTEST_BYTES} bytes`))
      }
    })
    child.once('error', (error) => {
      const code = 'code' in error ? String(error.code) : 'unknown'
      end(new NvattestError('nvattest_absent', `${path} (${code})`))
    })
    // Not `exit`: output may still be on its way, and what it started may hold the output open, up to the deadline.
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      if (code !== null) resolve(Buffer.concat(chunks))
      else reject(new NvattestError('nvattest_failed', `${path} ended by ${signal ?? '?'}`))
    })
  })
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // All of it has ended.
  }
}
