/** One row for each way to spoil the compose file inside the shipped one: what it is, what is found, what must be. */
import { withKeys, withMembers, withService, withYaml, YAML } from './compose.helpers.ts'

export interface Row {
  readonly what: string
  readonly found: () => string[]
  readonly expected: readonly string[]
}
export type Told = readonly [what: string, found: () => string[], ...expected: string[]]

export function rows(...told: readonly Told[]): readonly Row[] {
  return told.map(([what, found, ...expected]) => ({ what, found, expected }))
}

export const PINNED = `image: a@sha256:${'0123456789abcdef'.repeat(4)}`
export const at = (service: string, key: string) => `services.${service}.${key}`
export const beside = (lines: string) => () => withService('x', `${PINNED}\n${lines}`)
export const vllm = (lines: string) => () => withKeys('vllm', lines)
export const yaml = (place: string | RegExp, by: string) => () => withYaml(place, by)
/** One more flag of the sidecar. */
export const more = (flag: string) =>
  yaml('- --require-gpu=1', `- --require-gpu=1\n      - ${flag}`)
export const whole = (text: string) => () => withMembers({ docker_compose_file: text })

export const YAML_ROWS = rows(
  [
    'logs that the daemon would send elsewhere',
    vllm('logging: { driver: syslog }'),
    `key_unknown ${at('vllm', 'logging')}`,
  ],
  ['text that is not YAML', whole('services: ['), 'yaml_malformed docker_compose_file'],
  ['a list', whole('- services'), 'yaml_malformed docker_compose_file'],
  ['two documents', whole(`${YAML}---\nservices: {}\n`), 'yaml_malformed docker_compose_file'],
  ['a directive', whole(`%YAML 1.1\n---\n${YAML}`), 'yaml_malformed docker_compose_file'],
  ...(
    [
      ['a line separator', '\u2028'],
      ['a paragraph separator', '\u2029'],
      ['a next line', '\u0085'],
      ['a carriage return', '\r'],
      ['a byte order mark', '\ufeff'],
      ['a form feed', '\f'],
      ['an escape', '\u001b'],
      ['a delete', '\u007f'],
      ['a tab', '\t'],
    ] as const
  ).map(([what, character]): Told => [
    `${what} in a comment, after which Compose may see keys`,
    yaml('    # Nothing here', `    # note${character}    privileged: true\n    # Nothing here`),
    'yaml_malformed docker_compose_file',
  ]),
  ['a key that is no text', whole(`${YAML}? [a]\n: b\n`), 'yaml_malformed docker_compose_file'],
  ['a key that is a number', whole(`${YAML}1: b\n`), 'yaml_malformed docker_compose_file'],
  ['a number without a value', whole(`${YAML}name: .nan\n`), 'yaml_malformed docker_compose_file'],
  [
    'nesting without end',
    whole(`${YAML}name: ${'['.repeat(20_000)}${']'.repeat(20_000)}\n`),
    'yaml_malformed docker_compose_file',
  ],
  [
    'nesting too deep',
    whole(`${YAML}name: ${'['.repeat(40)}${']'.repeat(40)}\n`),
    'yaml_malformed docker_compose_file',
  ],
  [
    'a service named twice, of which readers take different ones',
    yaml(/^networks:/m, `  vllm:\n    ${PINNED}\nnetworks:`),
    'yaml_duplicate_key docker_compose_file',
  ],
  ['a key twice in a service', vllm('restart: "no"'), 'yaml_duplicate_key docker_compose_file'],
  ['an anchor', yaml('  vllm:\n', '  vllm: &x\n'), 'yaml_anchor docker_compose_file'],
  [
    'an alias',
    yaml(/^networks:/m, `  x: &x\n    ${PINNED}\n  y: *x\nnetworks:`),
    'yaml_anchor docker_compose_file',
  ],
  ['a merge key', vllm('<<: { init: true }'), 'yaml_anchor docker_compose_file'],
  ['a tag', vllm('init: !!str true'), 'yaml_anchor docker_compose_file'],
  ['a tag of Compose', vllm('expose: !reset []'), 'yaml_anchor docker_compose_file'],
  ['no services', whole('name: x\n'), 'services_missing services'],
  ['a part that nobody looked at', whole(`${YAML}include: [other.yaml]\n`), 'key_unknown include'],
  ['configurations beside the text', whole(`${YAML}configs: {}\n`), 'key_unknown configs'],
  [
    'a key that nobody looked at',
    vllm('post_start: []'),
    `key_unknown ${at('vllm', 'post_start')}`,
  ],
  [
    'a key that every object has',
    vllm('constructor: x'),
    `key_unknown ${at('vllm', 'constructor')}`,
  ],
  ['an inherited service', vllm('extends: { service: x }'), `key_unknown ${at('vllm', 'extends')}`],
  [
    'a restart policy below deploy',
    yaml('    deploy:\n', '    deploy:\n      restart_policy: { condition: any }\n'),
    `key_unknown ${at('vllm', 'deploy.restart_policy')}`,
  ],
  [
    'a network that is not of this file',
    yaml('  default: {}', '  default: { external: true }'),
    'key_unknown networks.default.external',
  ],
  [
    'a service that is no map',
    yaml(/^networks:/m, '  x: 1\nnetworks:'),
    'value_unexpected services.x',
  ],
  [
    'an environment that is a text',
    beside('environment: A=b'),
    `value_unexpected ${at('x', 'environment')}`,
  ],
  [
    'a variable named twice',
    beside('environment: [A=b, A=c]'),
    `value_unexpected ${at('x', 'environment.1')}`,
  ],
  [
    'a command that is a map',
    beside('command: { a: b }'),
    `value_unexpected ${at('x', 'command')}`,
  ],
  [
    'a mount with propagation',
    beside('volumes: ["models:/m:rshared"]'),
    `value_unexpected ${at('x', 'volumes.0')}`,
  ],
  [
    'a mount with options that are not read',
    beside('volumes: [{ type: volume, source: models, target: /m, volume: { subpath: .. } }]'),
    `value_unexpected ${at('x', 'volumes.0')}`,
  ],
  [
    'a restart policy in another spelling',
    beside('restart: Always'),
    `value_unexpected ${at('x', 'restart')}`,
  ],
  [
    'a network mode that is not read',
    beside('network_mode: x'),
    `value_unexpected ${at('x', 'network_mode')}`,
  ],
)

export const VARIABLE_ROWS = rows(
  [
    'an image',
    yaml(/image: vllm[^\n]*/, 'image: "${IMAGE}"'),
    `variable_used ${at('vllm', 'image')}`,
    `image_mutable ${at('vllm', 'image')}`,
  ],
  [
    'a flag',
    yaml('--served-model-name=model', '--served-model-name=$MODEL'),
    `variable_used ${at('vllm', 'command.0')}`,
    `model_server_command ${at('vllm', 'command')}`,
  ],
  [
    'a value that is allowed, in a place where it is not',
    yaml('--served-model-name=model', '--served-model-name=${COUNTERSIGN_TOKENS}'),
    `variable_used ${at('vllm', 'command.0')}`,
    `model_server_command ${at('vllm', 'command')}`,
  ],
  [
    'a value that is allowed, under another name',
    yaml('VLLM_HOST_IP: 127.0.0.1', 'VLLM_HOST_IP: ${HF_TOKEN}'),
    `variable_used ${at('vllm', 'environment.VLLM_HOST_IP')}`,
  ],
  [
    'a default that hides it',
    yaml('COUNTERSIGN_TOKENS: ${COUNTERSIGN_TOKENS}', 'COUNTERSIGN_TOKENS: ${OTHER:-x}'),
    `variable_used ${at('countersign', 'environment.COUNTERSIGN_TOKENS')}`,
  ],
  [
    'a variable passed through',
    beside('environment: [LD_PRELOAD]'),
    `variable_used ${at('x', 'environment.0')}`,
  ],
  [
    'one passed through in a map',
    beside('environment: { LD_PRELOAD: }'),
    `variable_used ${at('x', 'environment.LD_PRELOAD')}`,
  ],
  ['a file of variables', beside('env_file: .env'), `variable_used ${at('x', 'env_file')}`],
  [
    'a network',
    yaml('  default: {}', '  default: { internal: "${OPEN}" }'),
    'variable_used networks.default.internal',
  ],
)

const mount = (source: string) => beside(`volumes: ["${source}:/x"]`)

export const CONTAINER_ROWS = rows(
  ['no image', yaml(/image: vllm[^\n]*/, 'init: true'), `image_missing ${at('vllm', 'image')}`],
  [
    'an image by tag, which its registry can move',
    yaml(/image: vllm[^\n]*/, 'image: vllm/vllm-openai:v0.11.0'),
    `image_mutable ${at('vllm', 'image')}`,
  ],
  [
    'a digest that is too short',
    yaml(/image: vllm[^\n]*/, 'image: vllm@sha256:0123'),
    `image_mutable ${at('vllm', 'image')}`,
  ],
  ['an image built in the guest', beside('build: .'), `image_built_in_place ${at('x', 'build')}`],
  [
    'the placeholder of a digest',
    yaml(/image: vllm[^\n]*/, `image: vllm@sha256:${'0'.repeat(64)}`),
    `image_placeholder ${at('vllm', 'image')}`,
  ],
  ['privileges', vllm('privileged: true'), `privileged ${at('vllm', 'privileged')}`],
  [
    'privileges in words that Compose takes for true',
    vllm('privileged: "yes"'),
    `privileged ${at('vllm', 'privileged')}`,
  ],
  ['a capability', beside('cap_add: [SYS_ADMIN]'), `capability_added ${at('x', 'cap_add')}`],
  ['a device', beside('devices: [/dev/tdx_guest]'), `capability_added ${at('x', 'devices')}`],
  ['the processes of the guest', beside('pid: host'), `host_namespace ${at('x', 'pid')}`],
  [
    'the memory of another container',
    beside('ipc: service:countersign'),
    `host_namespace ${at('x', 'ipc')}`,
  ],
  [
    "another container's network",
    beside('network_mode: service:countersign'),
    `host_namespace ${at('x', 'network_mode')}`,
  ],
  [
    "another container's volumes",
    beside('volumes_from: [countersign]'),
    `host_namespace ${at('x', 'volumes_from')}`,
  ],
  [
    'the network of the guest',
    beside('network_mode: host'),
    `host_network ${at('x', 'network_mode')}`,
  ],
  [
    'system calls without a filter',
    beside('security_opt: [seccomp:unconfined]'),
    `security_opt_weakened ${at('x', 'security_opt')}`,
  ],
  [
    'AppArmor switched off',
    beside('security_opt: ["apparmor=unconfined"]'),
    `security_opt_weakened ${at('x', 'security_opt')}`,
  ],
  [
    'restart always, which runs before the text is measured',
    beside('restart: always'),
    `restart_always ${at('x', 'restart')}`,
  ],
  [
    'restart unless stopped, which does too',
    beside('restart: unless-stopped'),
    `restart_always ${at('x', 'restart')}`,
  ],
  [
    "the container daemon's socket",
    mount('/var/run/docker.sock'),
    `docker_socket ${at('x', 'volumes')}`,
  ],
  [
    "the container daemon's socket by its other path",
    mount('/run/../run/docker.sock'),
    `docker_socket ${at('x', 'volumes')}`,
  ],
  [
    "the container daemon's folder",
    mount('/var/lib/docker'),
    `docker_socket ${at('x', 'volumes')}`,
  ],
  [
    "containerd's socket",
    mount('/run/containerd/containerd.sock'),
    `docker_socket ${at('x', 'volumes')}`,
  ],
  [
    "Compose's own way to that socket",
    beside('use_api_socket: true'),
    `docker_socket ${at('x', 'use_api_socket')}`,
  ],
  [
    'the folder in which all sockets lie',
    mount('/var/run'),
    `host_path_mounted ${at('x', 'volumes')}`,
  ],
  ['the whole guest', mount('/'), `host_path_mounted ${at('x', 'volumes')}`],
  ['a path relative to the text', mount('./data'), `host_path_mounted ${at('x', 'volumes')}`],
  [
    'a path in the long form',
    beside('volumes: [{ type: bind, source: /dstack, target: /x }]'),
    `host_path_mounted ${at('x', 'volumes')}`,
  ],
  [
    'a volume that is a path of the guest',
    yaml('  models: {}', '  models: { driver_opts: { type: none, o: bind, device: /run } }'),
    'host_path_mounted volumes.models.driver_opts',
  ],
  [
    'a second container with the agent socket',
    mount('/var/run/dstack.sock'),
    'agent_socket_shared services.countersign.volumes',
    'agent_socket_shared services.x.volumes',
  ],
  [
    'a second container with the old agent socket',
    mount('/run/tappd.sock'),
    'agent_socket_shared services.countersign.volumes',
    'agent_socket_shared services.x.volumes',
  ],
  [
    'a port beside the sidecar, past which nothing is signed',
    beside('ports: ["8000:8000"]'),
    `port_published_beside ${at('x', 'ports')}`,
  ],
  [
    "0G's broker by its name",
    () => withService('0g-serving-provider-broker', PINNED),
    'broker_in_same_vm services.0g-serving-provider-broker',
  ],
  [
    "0G's broker by its image",
    () => withService('x', PINNED.replace('a@', 'ghcr.io/0gfoundation/0g-serving-broker@')),
    'broker_in_same_vm services.x',
  ],
)

export const sidecar = (key: string) => at('countersign', key)

export const SIDECAR_ROWS = rows(
  [
    'without the agent socket',
    yaml(/ {6}- \/var\/run\/dstack.sock:[^\n]*\n/, ''),
    'agent_socket_missing services',
    'variable_used services.countersign.environment.COUNTERSIGN_TOKENS',
  ],
  [
    'on a root that it can write',
    yaml(
      "    read_only: true\n    cap_drop: [ALL]\n    security_opt: ['no-new-privileges:true']\n    ports",
      "    cap_drop: [ALL]\n    security_opt: ['no-new-privileges:true']\n    ports",
    ),
    `sidecar_root_writable ${sidecar('read_only')}`,
  ],
  ['as root', yaml("user: '65532:65532'", "user: '0:0'"), `sidecar_user_root ${sidecar('user')}`],
  [
    'as the user that the image names',
    yaml("user: '65532:65532'", 'init: true'),
    `sidecar_user_root ${sidecar('user')}`,
  ],
  [
    'with some capabilities',
    yaml('cap_drop: [ALL]', 'cap_drop: [NET_RAW]'),
    `sidecar_capabilities ${sidecar('cap_drop')}`,
  ],
  [
    'with a way to new privileges',
    yaml("security_opt: ['no-new-privileges:true']", 'security_opt: []'),
    `sidecar_new_privileges ${sidecar('security_opt')}`,
  ],
  [
    'with the part of the driver that computes',
    yaml('NVIDIA_DRIVER_CAPABILITIES: utility', 'NVIDIA_DRIVER_CAPABILITIES: all'),
    `sidecar_gpu_capabilities ${sidecar('environment.NVIDIA_DRIVER_CAPABILITIES')}`,
  ],
  [
    'with a reservation of GPUs',
    () => withKeys('countersign', 'deploy: { resources: {} }'),
    `sidecar_gpu_capabilities ${sidecar('deploy')}`,
  ],
  [
    'killed while it leaves',
    yaml('stop_grace_period: 45s', 'stop_grace_period: 35s'),
    `sidecar_stop_grace ${sidecar('stop_grace_period')}`,
  ],
  [
    'with a time to leave that is not read',
    yaml('stop_grace_period: 45s', 'stop_grace_period: 1e3s'),
    `sidecar_stop_grace ${sidecar('stop_grace_period')}`,
  ],
  [
    'that waits for the model server',
    yaml(
      '      weights: { condition: service_completed_successfully }\n  vllm',
      '      weights: { condition: service_completed_successfully }\n      vllm: { condition: service_healthy }\n  vllm',
    ),
    `sidecar_depends_on_model ${sidecar('depends_on.vllm')}`,
  ],
  [
    'with a model server elsewhere',
    more('--allow-remote-upstream'),
    `sidecar_remote_upstream ${sidecar('command')}`,
  ],
  ['that simulates', more('--simulate'), `sidecar_simulated ${sidecar('command')}`],
  ['that simulates GPUs', more('--simulate-gpus=7'), `sidecar_simulated ${sidecar('command')}`],
  [
    'that does not measure the weights',
    yaml('      - --weights=/models/model\n', ''),
    `sidecar_without_weights ${sidecar('command')}`,
    `sidecar_mount ${sidecar('volumes')}`,
  ],
  [
    'that can write the weights',
    yaml('models:/models:ro', 'models:/models'),
    `weights_writable ${sidecar('volumes')}`,
  ],
  [
    'whose weights are in no volume',
    yaml('--weights=/models/model', '--weights=/other'),
    `weights_writable ${sidecar('volumes')}`,
    `sidecar_mount ${sidecar('volumes')}`,
  ],
  [
    'beside a model server that can write the weights',
    yaml(
      /(vllm-socket:\/run\/vllm\n {6}- models:\/models):ro(?=\n {4}shm)/,
      'vllm-socket:/run/vllm\n      - models:/models',
    ),
    `weights_writable ${at('vllm', 'volumes')}`,
  ],
  [
    'beside one that fetches while it serves',
    yaml(
      '      weights: { condition: service_completed_successfully }\n  vllm',
      '      weights: { condition: service_started }\n  vllm',
    ),
    `sidecar_depends_on_model ${sidecar('depends_on.weights')}`,
    `weights_writable ${at('weights', 'volumes')}`,
  ],
)

export const SIDECAR_START_ROWS = rows(
  [
    'by another entrypoint',
    () => withKeys('countersign', 'entrypoint: [sh]'),
    `sidecar_entrypoint ${sidecar('entrypoint')}`,
    `sidecar_flag ${sidecar('command')}`,
  ],
  [
    'in another folder, whose files it would take for its own',
    () => withKeys('countersign', 'working_dir: /models'),
    `sidecar_entrypoint ${sidecar('working_dir')}`,
  ],
  [
    'with code loaded by a variable',
    yaml('NVIDIA_VISIBLE_DEVICES: all', 'NODE_OPTIONS: --import=/models/x.js'),
    `sidecar_environment ${sidecar('environment.NODE_OPTIONS')}`,
  ],
  [
    'with its configuration in a file',
    more('--config=/models/config.json'),
    `sidecar_config_elsewhere ${sidecar('command')}`,
  ],
  [
    'with flags hidden in quotes',
    yaml(
      / {4}command:\n(?: {6}- --.*\n)+/,
      '    command: \'"--simulate" --weights=/models/model\'\n',
    ),
    `value_unexpected ${sidecar('command')}`,
    `sidecar_without_weights ${sidecar('command')}`,
    `sidecar_without_gpu ${sidecar('command')}`,
    `sidecar_mount ${sidecar('volumes')}`,
    `sidecar_port ${sidecar('ports')}`,
  ],
)

export const MODEL_ROWS = rows(
  [
    'that logs requests',
    yaml('--no-enable-log-requests', '--enable-log-requests'),
    'request_logging services.vllm',
  ],
  [
    'that logs answers',
    yaml('--no-enable-log-requests', '--enable-log-outputs'),
    'request_logging services.vllm',
  ],
  [
    'that logs everything',
    yaml('VLLM_HOST_IP: 127.0.0.1', 'VLLM_LOGGING_LEVEL: debug'),
    'request_logging services.vllm',
  ],
  [
    'that fetches pictures from wherever a request says',
    () =>
      withMembers({
        docker_compose_file: YAML.replace('    network_mode: none\n', '').replace(
          / {6}- --allowed-media-domains[^\n]*\n/,
          '',
        ),
      }),
    'media_unlimited services.vllm.command',
    'model_server_network services.vllm.network_mode',
  ],
  [
    'that fetches the model of today',
    yaml(/, --revision=\d+/, ''),
    'revision_mutable services.weights.command',
  ],
  [
    'that fetches a branch',
    yaml(/--revision=\d+/, '--revision=main'),
    'revision_mutable services.weights.command',
  ],
  [
    'with the placeholder of a commit',
    yaml(/--revision=\d+/, `--revision=${'0'.repeat(40)}`),
    'revision_placeholder services.weights.command',
  ],
  [
    'named on the command line of vLLM',
    beside('command: vllm serve org/model'),
    'revision_mutable services.x.command',
    'media_unlimited services.x.command',
  ],
)
