/**
 * Starts the process that calls the driver and speaks to it: one call at a time, each with a deadline, after which the
 * process is killed. A failure ends the process; whoever needs it again starts a new one.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { toHex32 } from '../../protocol/hex.ts'
import { HANDLE_SYMBOL, NVML_CALLS } from './nvml-calls.ts'
import type { NvmlCallName, NvmlReturn } from './nvml-calls.ts'
import { NvmlError } from './nvml-error.ts'
import type { NvmlErrorCode } from './nvml-error.ts'
import { MAX_ANSWER_BYTES, createLineReader, parseAnswer } from './nvml-messages.ts'
import type { NvmlAnswer, NvmlFault } from './nvml-messages.ts'

/** The script beside this module, once both are built. */
export const NVML_PROCESS = new URL('./nvml-process.js', import.meta.url)

/** Heap of that process in megabytes: it handles buffers of 12 KB. */
const HEAP_MB = 64

const FAULTS: Readonly<Record<NvmlFault, NvmlErrorCode>> = {
  binding: 'nvml_binding_missing',
  confinement: 'nvml_process_unconfined',
  library: 'nvml_library_unloadable',
  function: 'nvml_function_missing',
  request: 'nvml_answer_malformed',
}

export interface NvmlResult {
  readonly code: NvmlReturn
  /** The buffer; empty where the call did not succeed. */
  readonly out: Uint8Array
}

export interface NvmlCallOptions {
  /** Milliseconds until the process is killed. */
  readonly deadlineMs: number
  /** Index of the GPU. */
  readonly device?: number
  /** 32 bytes, of `report`. */
  readonly nonce?: Uint8Array
}

export interface NvmlClient {
  /** Loads the library. @throws NvmlError */
  open(library: string, deadlineMs: number): Promise<void>
  /** Looks up the handle that calls of this GPU need. @throws NvmlError where nothing was returned */
  device(index: number, deadlineMs: number): Promise<NvmlReturn>
  /** @throws NvmlError where the function returned nothing; what it returned is for the caller to judge */
  call(name: NvmlCallName, options: NvmlCallOptions): Promise<NvmlResult>
  /** False once it was killed or ended by itself. */
  readonly alive: boolean
  /** Resolves when the process is gone, which is never where it hangs in the kernel. */
  readonly gone: Promise<void>
  kill(): void
}

interface Pending {
  readonly id: number
  readonly bytes: number
  /** Function, for what is said of a failure. */
  readonly where: string
  readonly resolve: (answer: NvmlAnswer) => void
  readonly reject: (error: NvmlError) => void
  readonly timer: NodeJS.Timeout
}

function launch(script: URL): ChildProcess {
  return spawn(process.execPath, [`--max-old-space-size=${HEAP_MB}`, '--', fileURLToPath(script)], {
    // Nothing of ours: it holds bearer tokens, and LD_LIBRARY_PATH or NODE_OPTIONS would choose the code that runs there.
    env: {},
    cwd: '/',
    shell: false,
    // The library may print what it likes; answers have a descriptor of their own.
    stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
  })
}

/** @param script of the process; tests, which run from source, give one that they built */
export function startNvmlProcess(script: URL = NVML_PROCESS): NvmlClient {
  const child = launch(script)
  const answers = child.stdio[3]
  if (child.stdin === null || !(answers instanceof Readable)) throw new TypeError('no pipes')
  const requests = child.stdin
  let alive = true
  let nextId = 1
  let pending: Pending | null = null

  const end = (code: NvmlErrorCode, detail: string): void => {
    alive = false
    child.kill('SIGKILL')
    const waiting = pending
    pending = null
    if (waiting === null) return
    clearTimeout(waiting.timer)
    waiting.reject(new NvmlError({ code, detail: `${waiting.where}: ${detail}` }))
  }
  const gone = new Promise<void>((resolve) => {
    child.once('error', () => {
      end('nvml_process_died', 'it could not be started')
      resolve()
    })
    child.once('exit', (code, signal) => {
      end('nvml_process_died', signal === null ? `exit code ${code ?? 0}` : signal)
      resolve()
    })
  })
  // A pipe that breaks is the end of the process, which is told above.
  requests.on('error', () => {})
  answers.on('error', () => {})

  const read = createLineReader(MAX_ANSWER_BYTES, (line) => {
    const answer = pending === null ? null : parseAnswer(line, pending.bytes)
    if (pending === null || answer === null || answer.id !== pending.id) {
      end('nvml_answer_malformed', 'an answer that fits no request')
      return
    }
    const { resolve, timer } = pending
    pending = null
    clearTimeout(timer)
    resolve(answer)
  })
  answers.on('data', (piece: Buffer) => {
    if (alive && !read(piece)) end('nvml_answer_malformed', 'an answer that is too long')
  })

  const ask = async (
    message: Readonly<Record<string, string | number>>,
    { where, bytes, deadlineMs }: { where: string; bytes: number; deadlineMs: number },
  ): Promise<NvmlResult> => {
    if (!alive) throw new NvmlError({ code: 'nvml_process_died', detail: `${where}: not running` })
    if (pending !== null) throw new TypeError('one call at a time')
    const answer = await new Promise<NvmlAnswer>((resolve, reject) => {
      const id = nextId++
      const timer = setTimeout(() => {
        end('nvml_timeout', `no answer within ${deadlineMs} ms`)
      }, deadlineMs)
      pending = { id, bytes, where, resolve, reject, timer }
      requests.write(`${JSON.stringify({ ...message, id })}\n`)
    })
    if ('fault' in answer) throw new NvmlError({ code: FAULTS[answer.fault], detail: where })
    return answer
  }

  return {
    async open(library, deadlineMs) {
      await ask({ call: 'open', library }, { where: library, bytes: 0, deadlineMs })
    },
    async device(index, deadlineMs) {
      const where = `${HANDLE_SYMBOL} of GPU ${index}`
      return (await ask({ call: 'device', device: index }, { where, bytes: 0, deadlineMs })).code
    },
    call(name, { deadlineMs, device, nonce }) {
      const { symbol, bytes } = NVML_CALLS[name]
      const message = {
        call: name,
        ...(device === undefined ? {} : { device }),
        ...(nonce === undefined ? {} : { nonce: toHex32(nonce) }),
      }
      const where = device === undefined ? symbol : `${symbol} of GPU ${device}`
      return ask(message, { where, bytes, deadlineMs })
    },
    get alive() {
      return alive
    },
    gone,
    kill: () => end('nvml_process_died', 'it was ended'),
  }
}
