/**
 * One run of `nvattest`: absolute path, no shell, no environment of ours, bounded output, a deadline.
 *
 * @module
 */
import { execFile } from 'node:child_process'
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
    const child = execFile(
      path,
      [...args],
      // Bearer tokens stay here; NVAT_… variables and LD_LIBRARY_PATH would choose whom it asks and what it loads.
      { env: {}, cwd: '/', shell: false, encoding: 'buffer', maxBuffer: MAX_NVATTEST_BYTES },
      (error, stdout) => {
        clearTimeout(timer)
        if (error === null || typeof error.code === 'number') {
          resolve(stdout)
          return
        }
        if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') {
          const detail = `more than ${MAX_NVATTEST_BYTES} bytes`
          reject(new NvattestError('nvattest_malformed', detail))
        } else if (typeof error.code === 'string') {
          reject(new NvattestError('nvattest_absent', `${path} (${error.code})`))
        } else {
          reject(new NvattestError('nvattest_failed', `${path} ended by ${error.signal ?? '?'}`))
        }
      },
    )
    // Not execFile's own time-out, which then waits for whatever else holds the output open.
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      child.stdout?.destroy()
      child.stderr?.destroy()
      reject(new NvattestError('nvattest_timeout', `${path} after ${deadlineMs} ms`))
    }, deadlineMs)
  })
}
