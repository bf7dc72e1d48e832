/**
 * The GPUs of this machine as a source of evidence, read through NVML in a process of its own.
 *
 * The process is kept between collections, because initialising the driver is slow. Any failure ends it, and the next
 * collection starts a new one: so what failed for a passing cause works again without a restart of the service.
 *
 * @module
 */
import type { GpuEvidence, GpuEvidenceSource } from '../evidence-source.ts'
import { collectGpuReports } from './collect-gpu-reports.ts'
import { findNvmlLibrary } from './find-nvml-library.ts'
import { NVML_PROCESS, startNvmlProcess } from './nvml-client.ts'
import type { NvmlClient } from './nvml-client.ts'
import { NvmlError } from './nvml-error.ts'
import { NVML_TIMING, openNvmlSession } from './nvml-session.ts'
import type { NvmlSession, NvmlTiming } from './nvml-session.ts'
import { readGpuFacts } from './read-gpu-facts.ts'
import type { GpuFacts } from './read-gpu-facts.ts'

/** Milliseconds after a failure for which nothing is started: clients who ask must not make us spawn without end. */
export const RETRY_PAUSE_MS = 1_000
/** Milliseconds that a killed process gets to be gone before another is started. */
export const KILL_MS = 2_000

export interface NvmlOptions {
  /** How many GPUs there must be. */
  readonly required: number
  /** For tests; default: the first that {@link findNvmlLibrary} finds, looked up at each start of the process. */
  readonly library?: string
  /** For tests, which run from source. */
  readonly script?: URL
  readonly timing?: NvmlTiming
  readonly retryPauseMs?: number
  readonly killMs?: number
  readonly start?: (script: URL) => NvmlClient
}

export interface NvmlSource extends GpuEvidenceSource {
  /** Evidence of every GPU. @throws NvmlError */
  collect(nonce: Uint8Array): Promise<readonly GpuEvidence[]>
  /** What the driver says; each reading is an answer or a failure. @throws NvmlError where there is no driver to ask */
  facts(): Promise<GpuFacts>
  close(): Promise<void>
}

interface Running {
  readonly client: NvmlClient
  readonly session: NvmlSession
  readonly library: string
}

/** Starts nothing until it is asked. */
export function openNvml(options: NvmlOptions): NvmlSource {
  const { required, script = NVML_PROCESS, timing = NVML_TIMING } = options
  const { retryPauseMs = RETRY_PAUSE_MS, killMs = KILL_MS } = options
  const startProcess = options.start ?? startNvmlProcess
  let running: Running | null = null
  /** The newest process, also while it is still starting. */
  let newest: NvmlClient | null = null
  let leaving: NvmlClient | null = null
  let failed: { readonly error: NvmlError; readonly atMs: number } | null = null
  let closed = false
  let last: Promise<unknown> = Promise.resolve()

  /** One at a time: NVML is one device, and an answer belongs to one question. */
  const serially = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work)
    last = next.catch(() => {})
    return next
  }

  const end = (client: NvmlClient): void => {
    client.kill()
    running = null
    leaving = client
  }

  /** A process that hangs in the kernel outlives SIGKILL; starting more would pile them up. */
  const waitForEnd = async (): Promise<void> => {
    if (leaving === null) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, killMs, true)
    })
    const stuck = await Promise.race([leaving.gone.then(() => false), late])
    clearTimeout(timer)
    if (stuck) throw new NvmlError({ code: 'nvml_process_stuck', detail: 'the last call' })
    leaving = null
  }

  const start = async (): Promise<Running> => {
    if (closed) throw new NvmlError({ code: 'nvml_process_died', detail: 'it was closed' })
    await waitForEnd()
    const library = options.library ?? findNvmlLibrary()
    if (library === null)
      throw new NvmlError({
        code: 'nvml_library_absent',
        detail: 'libnvidia-ml.so.1, at none of its places',
      })
    const client = startProcess(script)
    newest = client
    try {
      const session = await openNvmlSession(client, library, timing)
      return { client, session, library }
    } catch (error) {
      end(client)
      throw error
    }
  }

  const use = <T>(work: (running: Running) => Promise<T>): Promise<T> =>
    serially(async () => {
      if (failed !== null && Date.now() - failed.atMs < retryPauseMs) throw failed.error
      failed = null
      try {
        if (running?.client.alive === false) end(running.client)
        running ??= await start()
        return await work(running)
      } catch (error) {
        if (running !== null) end(running.client)
        if (error instanceof NvmlError) failed = { error, atMs: Date.now() }
        throw error
      }
    })

  return {
    collect: (nonce) => use(({ session }) => collectGpuReports(session, nonce, required)),
    facts: () => use(({ session, library }) => readGpuFacts(session, library)),
    async close() {
      closed = true
      newest?.kill()
      await last
    },
  }
}
