/** Ways into the sidecar by what stands around it in the compose file: mounts, flags, ports, its health check. */
import { withKeys, withMembers, withYaml, YAML } from './compose.helpers.ts'
import { at, beside, more, PINNED, rows, sidecar, yaml } from './refusals.helpers.ts'

const SOCKET = '      - /var/run/dstack.sock:/var/run/dstack.sock\n'
/** One more volume of the sidecar. */
export const volume = (entry: string) => yaml(SOCKET, `${SOCKET}      - ${entry}\n`)
/** The same, of a volume that another service can write. */
const shared = (entry: string) => () => {
  const mounted = YAML.replace(SOCKET, `${SOCKET}      - ${entry}\n`)
  const other = `  x:\n    ${PINNED}\n    volumes: ['code:/code']\nnetworks:`
  return withMembers({ docker_compose_file: mounted.replace(/^networks:/m, other) })
}
export const MOUNT = `sidecar_mount ${sidecar('volumes')}`
const COMMAND = sidecar('command')

export const MOUNT_ROWS = rows(
  ['a volume over its code, which another service writes', shared('code:/app/dist'), MOUNT],
  ['a volume over its code, of which nobody knows who writes it', volume('code:/app/dist'), MOUNT],
  ['a volume over the system configuration', volume('code:/etc'), MOUNT],
  [
    "a volume over the folder of the driver's library",
    volume('code:/usr/lib/x86_64-linux-gnu'),
    MOUNT,
  ],
  ["a volume where the driver's own container puts it", volume('code:/run/nvidia/driver'), MOUNT],
  ['a volume over modules that Node looks for', volume('code:/node_modules'), MOUNT],
  ['a volume over everything', volume('code:/srv/..'), `value_unexpected ${sidecar('volumes.1')}`],
  ['a volume without a name over its code', volume('/app'), MOUNT],
  [
    'a file system in memory over its code, in which files may be run',
    () => withKeys('countersign', "tmpfs: ['/app:exec']"),
    `sidecar_mount ${sidecar('tmpfs')}`,
  ],
  [
    'the same in the long form',
    volume('{ type: tmpfs, target: /app }'),
    `sidecar_mount ${sidecar('tmpfs')}`,
  ],
  [
    'the folder of a model server named so that a volume lies over its code',
    () =>
      withMembers({
        docker_compose_file: YAML.replaceAll('/run/vllm', '/app/dist'),
      }),
    MOUNT,
  ],
  [
    'the folder of the weights named so that a volume lies over its code',
    () => withMembers({ docker_compose_file: YAML.replaceAll('/models', '/app/dist') }),
    MOUNT,
  ],
  [
    "the guest agent's socket at a path where nothing looks for it",
    yaml(SOCKET, '      - /var/run/dstack.sock:/run/vllm/agent.sock\n'),
    MOUNT,
  ],
  [
    'a sealed key in the folder that the model server writes',
    more('--address-key-dir=/run/vllm/key'),
    MOUNT,
  ],
  ['a sealed key that no volume keeps', yaml('-key=derived', '-key=sealed'), MOUNT],
  [
    'stored receipts in a volume that another service has',
    () => {
      const flag = YAML.replace('- --require-gpu=1', '- --require-gpu=1\n      - --store=/data/r')
      const mounted = flag.replace(SOCKET, `${SOCKET}      - code:/data\n`)
      const other = `  x:\n    ${PINNED}\n    volumes: ['code:/code']\nnetworks:`
      return withMembers({ docker_compose_file: mounted.replace(/^networks:/m, other) })
    },
    MOUNT,
  ],
)

export const START_ROWS = rows(
  [
    'a device of the guest by the name of a GPU',
    yaml('NVIDIA_VISIBLE_DEVICES: all', 'NVIDIA_VISIBLE_DEVICES: vendor.example/class=all'),
    `sidecar_gpu_capabilities ${sidecar('environment.NVIDIA_VISIBLE_DEVICES')}`,
  ],
  [
    'a health check, which is any command beside the agent socket',
    () => withKeys('countersign', 'healthcheck: { test: [CMD, /x] }'),
    `sidecar_entrypoint ${sidecar('healthcheck')}`,
  ],
  [
    'a health check that says it is none',
    () => withKeys('countersign', 'healthcheck: { disable: true, test: [CMD, /x] }'),
    `sidecar_entrypoint ${sidecar('healthcheck')}`,
  ],
  ['a flag that prints and ends', more('--print-config'), `sidecar_flag ${COMMAND}`],
  ['an expected address that is none', more('--expect-address=0x00'), `sidecar_flag ${COMMAND}`],
  [
    'two expected addresses, of which the last would count',
    yaml(
      '- --require-gpu=1',
      `- --require-gpu=1\n      - --expect-address=0x${'ab'.repeat(20)}\n      - --expect-address=0x${'cd'.repeat(20)}`,
    ),
    `sidecar_flag ${COMMAND}`,
  ],
  [
    'a collector of evidence in a volume, where it can be exchanged',
    more('--nvattest=/models/nvattest'),
    `sidecar_nvattest_elsewhere ${COMMAND}`,
  ],
  [
    'a collector of evidence in memory',
    yaml(
      '- --require-gpu=1\n',
      '- --require-gpu=1\n      - --nvattest=/tmp/nvattest\n    tmpfs: [/tmp]\n',
    ),
    `sidecar_nvattest_elsewhere ${COMMAND}`,
  ],
  [
    'a collector of evidence by a path that climbs',
    more('--nvattest=/usr/../models/x'),
    `sidecar_flag ${COMMAND}`,
  ],
  [
    'a number of NVSwitches that is none',
    more('--require-nvswitches=four'),
    `sidecar_flag ${COMMAND}`,
  ],
  ['a flag that nobody looked at', more('--new-flag=x'), `sidecar_flag ${COMMAND}`],
  ['a name of the log that none has', more('--log-name=Node 1'), `sidecar_flag ${COMMAND}`],
  ['an interval of the log that is none', more('--log-interval=1m'), `sidecar_flag ${COMMAND}`],
  ['a durability that is none', more('--store-durability=never'), `sidecar_flag ${COMMAND}`],
  ['days of receipts that are none', more('--store-days=-1'), `sidecar_flag ${COMMAND}`],
  [
    'a shared store over plain TCP, where its password could be read',
    more('--shared-store=redis://10.0.0.5:6379'),
    `sidecar_flag ${COMMAND}`,
  ],
  [
    'a shared store with a password for all to read',
    more('--shared-store=rediss://replica:secret@redis.internal'),
    `sidecar_flag ${COMMAND}`,
  ],
  ['a word that is no flag', more('x'), `sidecar_flag ${COMMAND}`],
  ['a word that every object has', more('constructor'), `sidecar_flag ${COMMAND}`],
  ['a flag that simulates by a file', more('--compose=/x'), `sidecar_simulated ${COMMAND}`],
  ['no number of GPUs', yaml('      - --require-gpu=1\n', ''), `sidecar_without_gpu ${COMMAND}`],
  [
    'a number of GPUs that is none',
    yaml('--require-gpu=1', '--require-gpu=all'),
    `sidecar_flag ${COMMAND}`,
    `sidecar_without_gpu ${COMMAND}`,
  ],
  [
    'metrics for everybody',
    () =>
      withMembers({
        docker_compose_file: YAML.replace(
          '- --require-gpu=1',
          '- --require-gpu=1\n      - --metrics=0.0.0.0:9464',
        ).replace("ports: ['8080:8080']", "ports: ['8080:8080', '9464:9464']"),
      }),
    `sidecar_port ${sidecar('ports')}`,
  ],
  [
    'a range of ports',
    yaml("['8080:8080']", "['8080-9464:8080-9464']"),
    `sidecar_port ${sidecar('ports')}`,
  ],
  [
    'the group of root',
    yaml("user: '65532:65532'", "user: '65532:0'"),
    `sidecar_user_root ${sidecar('user')}`,
  ],
  ...['http://10.0.2.2:8000', 'http://192.168.1.1:8000', 'http://vllm:8000', 'x'].map(
    (url) =>
      [
        `a model server at ${url}, where the host could answer`,
        more(`--upstream=other=${url}`),
        `sidecar_remote_upstream ${COMMAND}`,
      ] as const,
  ),
)

export const AROUND_ROWS = rows(
  [
    "a third container with the model server's socket",
    beside("volumes: ['vllm-socket:/run/vllm']"),
    `upstream_shared ${at('x', 'volumes')}`,
    `upstream_shared ${at('vllm', 'volumes')}`,
    `model_server_network ${at('x', 'network_mode')}`,
    `weights_other ${at('x', 'volumes')}`,
  ],
  [
    'the tokens of the service, given to the model server',
    () => withYaml('VLLM_HOST_IP: 127.0.0.1', 'COUNTERSIGN_TOKENS: ${COUNTERSIGN_TOKENS}'),
    `variable_used ${at('vllm', 'environment.COUNTERSIGN_TOKENS')}`,
  ],
  [
    'a path of the guest behind a volume that is called one in memory',
    yaml("o: 'size=1m,mode=0700,uid=65532,gid=65532'", 'o: bind'),
    'host_path_mounted volumes.vllm-socket.driver_opts',
  ],
  [
    'a runtime of another name',
    yaml('runtime: nvidia', 'runtime: sysbox-runc'),
    `runtime_unknown ${sidecar('runtime')}`,
  ],
  [
    'any device of the guest, by way of CDI',
    yaml('{ driver: nvidia,', '{ driver: cdi,'),
    `capability_added ${at('vllm', 'deploy.resources.reservations.devices')}`,
  ],
  [
    'resources that nobody looked at',
    yaml('    deploy:\n      resources:\n', '    deploy:\n      resources:\n        x: {}\n'),
    `key_unknown ${at('vllm', 'deploy.resources.x')}`,
  ],
)

/** What a provider may well write. */
export const FIT: readonly (readonly [string, () => string[]])[] = [
  ['no health check', () => withKeys('countersign', 'healthcheck: { disable: true }')],
  [
    'eight GPUs and four NVSwitches, in a derived image that has nvattest',
    () =>
      withMembers({
        docker_compose_file: YAML.replace(
          /countersign@sha256:[0-9a-f]{64}/,
          `registry.example/countersign-nvattest@sha256:${'ab'.repeat(32)}`,
        ).replace(
          '- --require-gpu=1',
          '- --require-gpu=8\n      - --require-nvswitches=4\n      - --nvattest=/usr/bin/nvattest',
        ),
      }),
  ],
  ['the address that it must have', more(`--expect-address=0x${'aB'.repeat(20)}`)],
  [
    'a model server with a cache of its own',
    yaml(/(models:\/models:ro\n)(?= {4}shm)/, 'models:/models:ro\n      - cache:/cache\n'),
  ],
  ['a folder in memory', () => withKeys('countersign', 'tmpfs: [/tmp]')],
  ['flags in two words', yaml('- --require-gpu=1', '- --require-gpu\n      - "8"')],
  [
    'the other path of the agent socket',
    yaml(SOCKET, '      - /run/dstack.sock:/run/dstack.sock\n'),
  ],
  [
    'a sealed key and stored receipts in volumes of their own',
    () =>
      withMembers({
        docker_compose_file: YAML.replace('--address-key=derived', '--address-key=sealed')
          .replace('- --require-gpu=1', '- --require-gpu=1\n      - --store=/data/receipts')
          .replace(SOCKET, `${SOCKET}      - key:/var/lib/countersign\n      - receipts:/data\n`),
      }),
  ],
  [
    'two model servers, each with a socket of its own',
    () => {
      const second = (/^ {2}vllm:\n(?: {4}.*\n)+/m.exec(YAML)?.[0] ?? '')
        .replace('  vllm:', '  second:')
        .replaceAll('/run/vllm', '/run/second')
        .replaceAll('vllm-socket', 'second-socket')
      return withMembers({
        docker_compose_file: YAML.replace(/^ {2}weights:/m, () => `${second}  weights:`)
          .replace(
            '- --weights',
            '- --upstream=second=unix:/run/second/vllm.sock\n      - --weights',
          )
          .replace(SOCKET, `${SOCKET}      - second-socket:/run/second\n`),
      })
    },
  ],
  [
    'a store that replicas share, with its authority in a volume and its password from outside',
    () =>
      withMembers({
        allowed_envs: ['COUNTERSIGN_TOKENS', 'COUNTERSIGN_SHARED_STORE_PASSWORD'],
        docker_compose_file: YAML.replace(
          '- --require-gpu=1',
          '- --require-gpu=1\n      - --store=/data/receipts\n      - --store-durability=async\n      - --store-days=90\n      - --log-name=example/replica-1\n      - --log-interval=10000\n      - --shared-store=rediss://replica@redis.internal:6379\n      - --shared-store-ca=/srv/authority/ca.pem',
        )
          .replace(
            'COUNTERSIGN_TOKENS: ${COUNTERSIGN_TOKENS}',
            'COUNTERSIGN_TOKENS: ${COUNTERSIGN_TOKENS}\n      COUNTERSIGN_SHARED_STORE_PASSWORD: ${COUNTERSIGN_SHARED_STORE_PASSWORD}',
          )
          .replace(
            SOCKET,
            `${SOCKET}      - receipts:/data\n      - authority:/srv/authority:ro\n`,
          ),
      }),
  ],
  [
    'TLS that ends in the sidecar',
    () =>
      withMembers({
        docker_compose_file: YAML.replace('--listen=', '--tls=')
          .replaceAll('8080', '8443')
          .replace(
            '- --require-gpu=1',
            '- --require-gpu=1\n      - --tls-certificate=/data/certificates/chain.pem',
          )
          .replace(SOCKET, `${SOCKET}      - certificates:/data/certificates:ro\n`),
      }),
  ],
]
