/**
 * What a model server must be told, where a service is one: vLLM (0.10 and later) and SGLang, by image or command.
 *
 * @module
 */
import { readModelWords } from './read-model-words.ts'
import type { ModelWords } from './read-model-words.ts'
import type { Report } from './compose-refusals.ts'
import type { ComposeService } from './read-services.ts'

/** Flags by which requests or answers reach a log, a file or another service. */
const LOGGING = [
  ...['--enable-log-requests', '--enable-log-outputs', '--enable-log-deltas', '--log-config-file'],
  ...['--otlp-traces-endpoint', '--collect-detailed-traces', '--kv-events-config'],
  ...['--log-requests', '--log-requests-level', '--log-requests-target', '--log-requests-format'],
  ...['--dump-requests-folder', '--crash-dump-folder', '--enable-trace'],
]
/** Flags that name a file with flags in it, or code to load. */
const ELSEWHERE = ['--config', '--middleware']
/** Flags whose value may be the name of a repository, or that run what one holds. */
const FETCHED = [
  ...['--tokenizer', '--tokenizer-path', '--lora-modules', '--lora-paths', '--speculative-config'],
  ...['--speculative-draft-model-path', '--hf-config-path', '--trust-remote-code'],
]
const REVISION = ['--revision']
const KNOWN = [...LOGGING, ...ELSEWHERE, ...FETCHED, ...REVISION]

/** A commit of the model's repository. A branch or a tag can be moved. */
const COMMIT = /^[0-9a-f]{40}$/

/** Variables of vLLM about logs, traces and its developers' endpoints; those named after it show no request. */
const TELLING = /^(?:VLLM|SGLANG)(?:_[A-Z0-9]+)*_(?:LOG|LOGGING|DEBUG|TRACE|PROFILER|DEV)(?:_|$)/
const QUIET = new Set([
  ...['VLLM_LOGGING_PREFIX', 'VLLM_LOGGING_COLOR', 'VLLM_LOGGING_STREAM', 'VLLM_CONFIGURE_LOGGING'],
  ...['VLLM_LOG_STATS_INTERVAL', 'VLLM_LOG_BATCHSIZE_INTERVAL'],
])

function isNamedLikeOne({ image, words }: ComposeService): boolean {
  return (
    /(?:^|[/-])(?:vllm|sglang)/.test(image ?? '') ||
    words.some((word) => /\b(?:vllm|sglang)\b/.test(word))
  )
}

/** argparse takes every beginning of a flag for the flag, where no other begins so. */
function flagMeant(flag: string): string {
  if (KNOWN.includes(flag) || flag.length < '--re'.length) return flag
  return KNOWN.find((known) => known.startsWith(flag)) ?? flag
}

function hasFlag({ flags }: ModelWords, among: readonly string[]): boolean {
  return flags.some(({ name }) => among.includes(flagMeant(name)))
}

/** Values by which a server is told of weights beside its model's, and of what goes with them. */
export function furtherWeights({ flags }: ModelWords): readonly string[] {
  return flags.flatMap(({ name, value }) => {
    const meant = flagMeant(name)
    if (value === null || meant === '--trust-remote-code' || !FETCHED.includes(meant)) return []
    // A method that guesses without a model names none.
    return value.startsWith('{') && !/"(?:model|tokenizer)/.test(value) ? [] : [value]
  })
}

function isTelling([name, value]: readonly [string, string | null]): boolean {
  if (name === 'VLLM_LOGGING_LEVEL')
    return !/^(?:INFO|WARNING|WARN|ERROR|CRITICAL)$/i.test(value ?? '')
  return TELLING.test(name) && !QUIET.has(name)
}

function checkRevision(service: ComposeService, read: ModelWords, report: Report): void {
  const where = `${service.where}.command`
  const revisions = read.flags.filter(({ name }) => REVISION.includes(flagMeant(name)))
  const isFetched = read.model !== null && !read.model.startsWith('/')
  if (revisions.length === 0) {
    if (isFetched) report('revision_mutable', where)
    return
  }
  const [revision] = revisions
  // Of several argparse takes the last, and under a shorter name a reader does not find it.
  if (
    revisions.length > 1 ||
    revision?.name !== '--revision' ||
    !COMMIT.test(revision.value ?? '')
  ) {
    report('revision_mutable', where)
  } else if (/^0+$/.test(revision.value ?? '')) report('revision_placeholder', where)
}

function checkFetching(service: ComposeService, read: ModelWords, report: Report): void {
  const where = `${service.where}.command`
  if (hasFlag(read, ELSEWHERE)) report('model_server_command', where)
  if (service.keys.get('network_mode') === 'none') return
  if (hasFlag(read, FETCHED)) report('revision_mutable', where)
  // A service that fetches and ends answers nobody.
  const serves = read.flags.some(({ name }) => name === '--uds' || name === '--port') || read.serves
  if (serves && !read.flags.some(({ name }) => name === '--allowed-media-domains')) {
    report('media_unlimited', where)
  }
}

/** @param answers whether the sidecar sends it requests */
export function checkModelServer(service: ComposeService, answers: boolean, report: Report): void {
  const read = readModelWords(service.words)
  checkRevision(service, read, report)
  if (!answers && !isNamedLikeOne(service)) return
  if (hasFlag(read, LOGGING) || [...service.environment].some(isTelling)) {
    report('request_logging', service.where)
  }
  checkFetching(service, read, report)
  if (!answers) return
  if (service.keys.get('network_mode') !== 'none') {
    report('model_server_network', `${service.where}.network_mode`)
  }
  if (!read.plain) report('model_server_command', `${service.where}.command`)
}
