/**
 * The weights as `serve` measures them at every start, with a line of progress now and then.
 *
 * @module
 */
import type { Config } from '../config/config.ts'
import { SILENT_LOG } from '../operations/open-log.ts'
import type { ServiceLog } from '../operations/open-log.ts'
import type { Weights } from '../weights/measure-weights.ts'
import { measureFolder } from './measure-folder.ts'

const fields = (at: { files: number; ofFiles: number; bytes: number; ofBytes: number }) => ({
  files: at.files,
  of_files: at.ofFiles,
  bytes: at.bytes,
  of_bytes: at.ofBytes,
})

/**
 * @param stopped ends it when it resolves
 * @returns null where the configuration names no folder
 * @throws Refusal where the folder cannot be measured, or it was ended: a service never starts with less than it was told to attest
 */
export async function loadWeights(
  config: Config,
  stopped: Promise<void>,
  log: ServiceLog = SILENT_LOG,
): Promise<Weights | null> {
  if (config.weights === undefined) return null
  const ended = new AbortController()
  void stopped.then(() => ended.abort())
  const began = performance.now()
  const weights = await measureFolder(config.weights, {
    signal: ended.signal,
    onProgress: (progress) => log.info(fields(progress), 'measuring the weights'),
  })
  const ms = Math.round(performance.now() - began)
  log.info({ ...weights, ms }, 'measured the folder of weights')
  return weights
}
