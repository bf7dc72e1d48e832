/**
 * What a model server must be told, where a service is one: vLLM (0.10 and later), by its image or its command.
 *
 * @module
 */
import { argumentOf } from './check-sidecar.ts'
import type { Report } from './compose-refusals.ts'
import type { ComposeService } from './read-services.ts'

const LOGGING = new Set(['--enable-log-requests', '--enable-log-outputs', '--enable-log-deltas'])
/** A commit of the model's repository. A branch or a tag can be moved. */
const COMMIT = /^[0-9a-f]{40}$/

function isModelServer({ image, words }: ComposeService): boolean {
  return (
    /(?:^|[/-])(?:vllm|sglang)/.test(image ?? '') || words.some((word) => /\bvllm\b/.test(word))
  )
}

/** Named by a flag, or after `vllm serve` and `hf download`; null where none is. */
function modelOf(words: readonly string[]): string | null {
  const flagged = argumentOf(words, '--model') ?? argumentOf(words, '--repo')
  if (flagged !== null) return flagged
  const verb = words.findIndex((word) => word === 'serve' || word === 'download')
  const next = verb === -1 ? undefined : words[verb + 1]
  return next === undefined || next.startsWith('-') ? null : next
}

/** By the name of a repository, and not from a folder. */
function isFetched({ words }: ComposeService): boolean {
  const model = modelOf(words)
  return model !== null && !model.startsWith('/')
}

function checkRevision(service: ComposeService, report: Report): void {
  const revision = argumentOf(service.words, '--revision')
  const where = `${service.where}.command`
  if (revision === null) {
    if (isFetched(service)) report('revision_mutable', where)
  } else if (!COMMIT.test(revision)) report('revision_mutable', where)
  else if (/^0+$/.test(revision)) report('revision_placeholder', where)
}

export function checkModelServer(service: ComposeService, report: Report): void {
  checkRevision(service, report)
  if (!isModelServer(service)) return
  const { words, environment, where } = service
  if (
    words.some((word) => LOGGING.has(word)) ||
    environment.get('VLLM_LOGGING_LEVEL')?.toUpperCase() === 'DEBUG'
  ) {
    report('request_logging', where)
  }
  // A service that fetches and ends answers nobody.
  const serves = words.some(
    (word) => word.startsWith('--uds') || word.startsWith('--port') || /\bserve\b/.test(word),
  )
  const offline = service.keys.get('network_mode') === 'none'
  if (serves && !offline && !words.some((word) => word.startsWith('--allowed-media-domains'))) {
    report('media_unlimited', `${where}.command`)
  }
}
