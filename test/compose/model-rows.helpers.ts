/** Ways past the rules about the model server: what a shell, argparse and vLLM's variables make of the text. */
import { withMembers, YAML } from './compose.helpers.ts'
import { at, beside, rows, yaml } from './refusals.helpers.ts'

const SERVE = 'exec vllm serve /models/model'
/** More words inside of the text for the shell. */
const inShell = (words: string) => yaml(SERVE, `${SERVE} ${words}`)
/** One more word of the command. */
const word = (text: string) => yaml('- --uds=', `- ${text}\n      - --uds=`)
const variable = (text: string) => yaml('VLLM_HOST_IP: 127.0.0.1', text)
/** A model server of another kind, with a network, that the sidecar does not use. */
const other = (command: string) =>
  beside(`command: [vllm, serve, --uds=/x, --allowed-media-domains=none.invalid, ${command}]`)
const LOGS = 'request_logging services.vllm'
const COMMAND = `model_server_command ${at('vllm', 'command')}`
const FETCHES = `revision_mutable ${at('x', 'command')}`
const COMMIT = '0123456789'.repeat(4)

export const SHELL_ROWS = rows(
  ['that logs, told so in the text for the shell', inShell('--enable-log-requests'), LOGS],
  ['that logs answers, told so there', inShell('--enable-log-outputs'), LOGS],
  ['whose shell runs more than it', yaml(SERVE, `nc -lU /run/vllm/x & ${SERVE}`), COMMAND],
  ['whose shell takes it from a variable', yaml(SERVE, 'exec sh -c $$EVIL'), COMMAND],
  [
    'whose shell has its text in another spelling of -c',
    yaml('      - -c\n      # vLLM', '      - -ec\n      # vLLM'),
    COMMAND,
  ],
  [
    'that is a program in the text',
    () =>
      withMembers({
        docker_compose_file: YAML.replace(
          /(vllm:\n[^]*?)entrypoint:\n {6}- \/bin\/sh\n[^]*? {6}- vllm\n/,
          (_all, before: string) => `${before}entrypoint: [python3, -c, "print(open('/x'))"]\n`,
        ),
      }),
    COMMAND,
  ],
  ['with flags in a file', word('--config=/models/model/flags.yaml'), COMMAND],
  ['with code before each request', word('--middleware=x.y'), COMMAND],
  [
    'that serves a branch, told so in a text for the shell',
    beside('command: [sh, -c, "vllm serve org/model --allowed-media-domains=none.invalid"]'),
    FETCHES,
  ],
)

export const LOG_ROWS = rows(
  ['that logs requests, in the other spelling', word('--enable_log_requests'), LOGS],
  ['that logs requests, by the beginning of the flag', word('--enable-log-req'), LOGS],
  ['that logs requests, as SGLang calls it', word('--log-requests'), LOGS],
  ['that writes requests to a folder', word('--crash-dump-folder=/x'), LOGS],
  ['that sends traces', word('--otlp-traces-endpoint=http://127.0.0.1:4317'), LOGS],
  ['that publishes the tokens of prompts', word('--kv-events-config={"publisher":"zmq"}'), LOGS],
  ['that publishes them, in parts', word('--kv-events-config.publisher=zmq'), LOGS],
  ['that logs answers, by a variable', variable("VLLM_DEBUG_LOG_API_SERVER_RESPONSE: '1'"), LOGS],
  ['whose logs a file describes', variable('VLLM_LOGGING_CONFIG_PATH: /x.json'), LOGS],
  ['with the endpoints of its developers', variable("VLLM_SERVER_DEV_MODE: '1'"), LOGS],
  ['that traces every call', variable("VLLM_TRACE_FUNCTION: '1'"), LOGS],
  ['with a level of logs that is none', variable('VLLM_LOGGING_LEVEL: trace'), LOGS],
)

export const FETCH_ROWS = rows(
  [
    'that fetches the last of two revisions',
    yaml(/--revision=\d+/, `--revision=${COMMIT}, --revision=main`),
    `revision_mutable ${at('weights', 'command')}`,
  ],
  [
    'that fetches a branch by the beginning of the flag',
    yaml(/--revision=\d+/, `--revision=${COMMIT}, --rev=main`),
    `revision_mutable ${at('weights', 'command')}`,
  ],
  [
    'with a tokenizer of today',
    other(`--model=org/model, --revision=${COMMIT}, --tokenizer=evil/repo`),
    FETCHES,
  ],
  [
    'with code of a repository',
    other(`--model=org/model, --revision=${COMMIT}, --trust-remote-code`),
    FETCHES,
  ],
  ['with an adapter of today', other('--model=/m, --lora-modules=a=evil/repo'), FETCHES],
  [
    'with a draft model of today',
    other(`--model=/m, '--speculative-config={"model":"evil/repo"}'`),
    FETCHES,
  ],
)

/** What a provider may well write. */
export const FIT_MODELS: readonly (readonly [string, () => string[]])[] = [
  ['JSON as a value', word('\'--limit-mm-per-prompt={"image": 4}\'')],
  ['JSON as a word', word('--limit-mm-per-prompt\n      - \'{"image": 4}\'')],
  ['code of the measured folder', word('--trust-remote-code')],
  ['flags in the text for the shell', inShell('--max-model-len 8192')],
  ['a level of logs', variable('VLLM_LOGGING_LEVEL: WARNING')],
  ['an interval of statistics', variable("VLLM_LOG_STATS_INTERVAL: '60'")],
  ['threads for logits', variable("VLLM_LOGITS_PROCESSOR_THREADS: '4'")],
  [
    'SGLang',
    () =>
      withMembers({
        docker_compose_file: YAML.replace(
          'exec vllm serve /models/model "$$@"',
          () => 'exec python3 -m sglang.launch_server --model-path /models/model "$$@"',
        ),
      }),
  ],
  [
    'no shell',
    () =>
      withMembers({
        docker_compose_file: YAML.replace(
          /(vllm:\n[^]*?)entrypoint:\n {6}- \/bin\/sh\n[^]*? {6}- vllm\n/,
          (_all, before: string) => `${before}entrypoint: [vllm, serve, /models/model]\n`,
        ),
      }),
  ],
]
