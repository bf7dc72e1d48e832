/**
 * The process that calls the driver, and nothing else: a wrong pointer, a crash in the library or a call that never
 * returns ends this process, not the one that holds the keys. It is given no environment, no key and no socket; it reads
 * requests from standard input, answers on descriptor 3, and ends when its input does. Before the library is loaded it gives up
 * new rights, core dumps and every descriptor but its channel; the service does too, so that a hostile library cannot look into it by way of /proc. It still runs as
 * the same user in the same container: what is left is said in SECURITY.md.
 *
 * Calls are synchronous. A buffer is a local of the function that makes the call, so it is referenced until that returns.
 *
 * @module
 */
import { writeSync } from 'node:fs'
import { closeInherited } from '../close-inherited.ts'
import { confineProcess } from '../confine-process.ts'
import { HANDLE_BYTES, HANDLE_SYMBOL, NVML_CALLS, NVML_SUCCESS } from './nvml-calls.ts'
import { REPORT_NONCE_OFFSET, SETTINGS_VERSION } from './nvml-calls.ts'
import type { NvmlCallName } from './nvml-calls.ts'
import { MAX_REQUEST_BYTES, createLineReader, parseRequest } from './nvml-messages.ts'
import type { NvmlFault, NvmlRequest } from './nvml-messages.ts'

const ANSWERS = 3

type Native = (...args: readonly (Buffer | bigint | number)[]) => unknown

interface Library {
  /** @throws where the library has no such symbol */
  find(symbol: string, args: readonly string[]): Native
}

interface Result {
  readonly code: number
  readonly out: Uint8Array
}

type Outcome = Result | NvmlFault

const NOTHING = new Uint8Array(0)
/** Handles are 64-bit pointers, which a C calling convention passes as it passes 64-bit integers. */
const HANDLE_TYPE = 'uint64_t'

let library: Library | null = null
const handles = new Map<number, bigint>()
const natives = new Map<string, Native>()

async function open(path: string): Promise<Outcome> {
  const confinement = await confineProcess()
  if (confinement === 'unbound') return 'binding'
  if (confinement === 'refused') return 'confinement'
  try {
    await closeInherited(ANSWERS)
  } catch {
    return 'confinement'
  }
  let koffi
  try {
    koffi = await import('koffi')
  } catch {
    return 'binding'
  }
  try {
    const loaded = koffi.load(path)
    library = {
      find: (symbol, args) => loaded.func(symbol, 'int32_t', [...args]),
    }
  } catch {
    return 'library'
  }
  return { code: NVML_SUCCESS, out: NOTHING }
}

function find(symbol: string, args: readonly string[]): Native | null {
  const known = natives.get(symbol)
  if (known !== undefined) return known
  try {
    const found = library?.find(symbol, args)
    if (found === undefined) return null
    natives.set(symbol, found)
    return found
  } catch {
    return null
  }
}

function returned(value: unknown, out: Uint8Array): Result {
  if (typeof value !== 'number') throw new TypeError('an NVML function returns a number')
  return { code: value, out: value === NVML_SUCCESS ? out : NOTHING }
}

function lookUp(index: number): Outcome {
  const call = find(HANDLE_SYMBOL, ['uint32_t', 'uint8_t *'])
  if (call === null) return 'function'
  const handle = Buffer.alloc(HANDLE_BYTES)
  const result = returned(call(index, handle), NOTHING)
  if (result.code === NVML_SUCCESS) handles.set(index, handle.readBigUInt64LE())
  return result
}

function call(request: Exclude<NvmlRequest, { call: 'open' | 'device' }>): Outcome {
  const name: NvmlCallName = request.call
  const { symbol, device, bytes, sized } = NVML_CALLS[name]
  const handle = request.device === null ? undefined : handles.get(request.device)
  if (device !== (handle !== undefined)) return 'request'
  const native = find(symbol, [
    ...(device ? [HANDLE_TYPE] : []),
    ...(bytes > 0 ? ['uint8_t *'] : []),
    ...(sized ? ['uint32_t'] : []),
  ])
  if (native === null) return 'function'
  const out = Buffer.alloc(bytes)
  if (name === 'settings') out.writeUInt32LE(SETTINGS_VERSION)
  if (request.nonce !== null) out.write(request.nonce, REPORT_NONCE_OFFSET, 'hex')
  const result = native(
    ...(handle === undefined ? [] : [handle]),
    ...(bytes > 0 ? [out] : []),
    ...(sized ? [bytes] : []),
  )
  return returned(result, out)
}

async function perform(request: NvmlRequest): Promise<Outcome> {
  switch (request.call) {
    case 'open':
      return open(request.library)
    case 'device':
      return lookUp(request.device)
    default:
      return call(request)
  }
}

function answer(id: number, outcome: Outcome): void {
  const message =
    typeof outcome === 'string'
      ? { fault: outcome, id }
      : { code: outcome.code, id, out: Buffer.from(outcome.out).toString('base64') }
  const line = Buffer.from(`${JSON.stringify(message)}\n`)
  for (let written = 0; written < line.length;) {
    written += writeSync(ANSWERS, line, written)
  }
}

let last: Promise<void> = Promise.resolve()
const read = createLineReader(MAX_REQUEST_BYTES, (line) => {
  const request = parseRequest(line)
  if (request === null) process.exit(2)
  last = last.then(async () => answer(request.id, await perform(request)))
})

process.stdin.on('data', (piece: Buffer) => {
  if (!read(piece)) process.exit(2)
})
process.stdin.on('end', () => process.exit(0))
