/** Ways to have other weights than those that the sidecar measures. */
import { withKeys, withMembers, YAML } from './compose.helpers.ts'
import { at, more, rows, sidecar, yaml } from './refusals.helpers.ts'
import { MOUNT, volume } from './sidecar-rows.helpers.ts'

const COMMAND = sidecar('command')

export const WEIGHTS_ROWS = rows(
  [
    'a second --weights, of which the last counts',
    more('--weights=/scratch'),
    `sidecar_flag ${COMMAND}`,
  ],
  [
    'a folder that leads elsewhere',
    yaml('--weights=/models/model', '--weights=/models/../scratch'),
    `sidecar_flag ${COMMAND}`,
    `sidecar_without_weights ${COMMAND}`,
    MOUNT,
  ],
  [
    'another volume inside of the one that is read-only',
    volume('scratch:/models/model'),
    MOUNT,
    `weights_writable ${sidecar('volumes')}`,
  ],
  [
    'a file system in memory inside of it',
    () => withKeys('countersign', 'tmpfs: [/models/model]'),
    `sidecar_mount ${sidecar('tmpfs')}`,
    `weights_writable ${sidecar('volumes')}`,
  ],
  [
    'another volume over them, in the model server',
    yaml(
      /(vllm-socket:\/run\/vllm\n {6}- models:\/models:ro)(?=\n {4}shm)/,
      'vllm-socket:/run/vllm\n      - models:/models:ro\n      - scratch:/models/model',
    ),
    `weights_writable ${at('vllm', 'volumes')}`,
  ],
  [
    'a file system in memory over them, in the model server',
    () => withKeys('vllm', 'tmpfs: [/models/model]'),
    `weights_writable ${at('vllm', 'volumes')}`,
  ],
  [
    'a model server that loads what lies beside them',
    yaml('exec vllm serve /models/model', 'exec vllm serve /models/other'),
    `weights_other ${at('vllm', 'command')}`,
  ],
  [
    'a model server that leaves their folder on the way',
    yaml('exec vllm serve /models/model', 'exec vllm serve /models/model/../other'),
    `weights_other ${at('vllm', 'command')}`,
  ],
  [
    'a model server that loads a folder of its own',
    yaml('exec vllm serve /models/model', 'exec vllm serve models/model'),
    `weights_other ${at('vllm', 'command')}`,
    `revision_mutable ${at('vllm', 'command')}`,
  ],
  [
    'an adapter that lies beside them',
    yaml('- --uds=', '- --lora-modules=a=/models/adapter\n      - --uds='),
    `weights_other ${at('vllm', 'command')}`,
  ],
  [
    'a draft model that lies beside them',
    yaml('- --uds=', `- '--speculative-config={"model":"/models/draft"}'\n      - --uds=`),
    `weights_other ${at('vllm', 'command')}`,
  ],
  [
    'an adapter that is reached by a second mount of their volume',
    yaml(
      /(vllm-socket:\/run\/vllm\n {6}- models:\/models:ro)(?=\n {4}shm)/,
      'vllm-socket:/run/vllm\n      - models:/models:ro\n      - models:/again:ro',
    ),
    `weights_other ${at('vllm', 'volumes')}`,
  ],
  [
    'a tokenizer beside them by a relative path',
    () =>
      withMembers({
        docker_compose_file: YAML.replace(
          '- --uds=',
          '- --tokenizer=other\n      - --uds=',
        ).replace('  vllm:\n', '  vllm:\n    working_dir: /models\n'),
      }),
    `weights_other ${at('vllm', 'working_dir')}`,
    `weights_other ${at('vllm', 'command')}`,
  ],
  [
    'an adapter by a path that climbs',
    yaml('- --uds=', '- --lora-modules=a=../models/adapter\n      - --uds='),
    `weights_other ${at('vllm', 'command')}`,
  ],
  [
    'a tokenizer from wherever the image begins',
    yaml('- --uds=', '- --tokenizer=models/other\n      - --uds='),
    `weights_other ${at('vllm', 'command')}`,
  ],
  [
    'code that lies beside them',
    yaml("HF_HUB_OFFLINE: '1'", "HF_HUB_OFFLINE: '1'\n      PYTHONPATH: /models/other"),
    `weights_other ${at('vllm', 'environment.PYTHONPATH')}`,
  ],
  [
    'a model server that does not mount them',
    yaml(
      /(vllm-socket:\/run\/vllm\n) {6}- models:\/models:ro\n(?= {4}shm)/,
      'vllm-socket:/run/vllm\n',
    ),
    `weights_other ${at('vllm', 'volumes')}`,
  ],
  [
    'a second volume that the fetching service fills',
    () =>
      withMembers({
        docker_compose_file: YAML.replace(
          /(models:\/models:ro\n)(?= {4}shm)/,
          (line) => `${line}      - more:/more\n`,
        ).replace("volumes: ['models:/models']", "volumes: ['models:/models', 'more:/more']"),
      }),
    `model_server_mount ${at('vllm', 'volumes')}`,
  ],
  [
    'waiting for them only if they come',
    yaml(
      'weights: { condition: service_completed_successfully }\n  vllm',
      'weights: { condition: service_completed_successfully, required: false }\n  vllm',
    ),
    `value_unexpected ${sidecar('depends_on.weights')}`,
    `weights_writable ${at('weights', 'volumes')}`,
  ],
)
