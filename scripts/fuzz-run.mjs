// What the fuzz targets share: a worker that makes inputs and judges them, and a watchdog over it.
//
// Wrong is what a target says, and for each input: an exception; more than MAX_CPU_MS of processor time or MAX_GROWTH_BYTES of memory;
// and not to end (MAX_WALL_MS, or the worker's heap limit). What was found is printed as JSON with the input in base64 and ends the
// run with 1; the seed repeats it.
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const MAX_CPU_MS = 500
const MAX_WALL_MS = 20_000
const MAX_GROWTH_BYTES = 64 * 1024 * 1024
const MAX_HEAP_MB = 256
/** Shared with the watchdog: [0] inputs tried, [1] bytes of the present one, then the bytes. */
const SHARED_BYTES = 1024 * 1024

/** @param prepare from a seed: `targets`, by name a pair that makes an input and says whether all is well with it, and `counts` */
async function fuzz({ seconds, seed, shared }, prepare) {
  const { targets, counts } = prepare(seed)
  const [heads, place] = [new Int32Array(shared, 0, 2), Buffer.from(shared, 8)]
  const runs = Object.fromEntries(Object.keys(targets).map((name) => [name, 0]))
  const slowest = { target: '', cpuMs: 0 }
  const used = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const until = performance.now() + seconds * 1000
  while (performance.now() < until) {
    for (const [name, [make, check]] of Object.entries(targets)) {
      const bytes = make()
      bytes.copy(place)
      heads[1] = Math.min(bytes.length, place.length)
      Atomics.add(heads, 0, 1)
      const memory = used()
      const started = process.cpuUsage()
      let error = null
      try {
        if (!(await check(bytes))) error = 'accepted what no vector has'
      } catch (thrown) {
        error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
      }
      const { user, system } = process.cpuUsage(started)
      const cpuMs = (user + system) / 1000
      if (cpuMs > slowest.cpuMs) Object.assign(slowest, { target: name, cpuMs })
      if (cpuMs > MAX_CPU_MS) error ??= `took ${cpuMs} ms of processor time`
      if (used() - memory > MAX_GROWTH_BYTES) error ??= `took ${used() - memory} bytes`
      runs[name]++
      if (error === null) continue
      parentPort.postMessage({ ok: false, target: name, error, input: bytes.toString('base64') })
      return
    }
  }
  // A run in which all were refused, or all were read, has tried nothing.
  const tried = Object.values(counts).every((count) => count > 0)
  parentPort.postMessage({ ok: tried, runs, ...counts, slowest })
}

function watch(script) {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
  })
  const seconds = Number(values.seconds)
  const seed = Number(values.seed ?? Date.now() % 2 ** 31)
  if (!(seconds > 0) || !Number.isInteger(seed)) throw new TypeError('--seconds N --seed N')
  const shared = new SharedArrayBuffer(SHARED_BYTES)
  const heads = new Int32Array(shared, 0, 2)
  const worker = new Worker(new URL(script), {
    workerData: { seconds, seed, shared },
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  })
  const end = (result) => {
    clearInterval(timer)
    console.log(JSON.stringify({ seed, seconds, ...result }))
    process.exit(result.ok ? 0 : 1)
  }
  const present = () => Buffer.from(shared, 8, heads[1]).toString('base64')
  let [last, since] = [0, performance.now()]
  const timer = setInterval(() => {
    const tried = Atomics.load(heads, 0)
    if (tried !== last) [last, since] = [tried, performance.now()]
    else if (performance.now() - since > MAX_WALL_MS) {
      end({ ok: false, error: 'does not end', input: present() })
    }
  }, 500)
  worker.on('message', end)
  worker.on('error', (error) => end({ ok: false, error: String(error), input: present() }))
  worker.on('exit', (code) =>
    end({ ok: false, error: `the worker left with ${code}`, input: present() }),
  )
}

/** @param script the address of the module that calls, which is also what the worker runs */
export function startFuzz(script, prepare) {
  if (isMainThread) watch(script)
  else void fuzz(workerData, prepare)
}
