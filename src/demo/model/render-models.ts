/**
 * `/v1/models` (vllm/entrypoints/openai/models/serving.py @00153c8b, serve/engine/protocol.py @f1bf7bd0).
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { DEMO_MAX_MODEL_LEN } from './wire.ts'

/** The model list; further names are aliases of the first, as with `--served-model-name`. `created` is in seconds. */
export function renderModels(models: readonly string[], created: number): string {
  return JSON.stringify({
    object: 'list',
    data: models.map((id) => ({
      id,
      object: 'model',
      created,
      owned_by: 'vllm',
      root: models[0] ?? id,
      parent: null,
      max_model_len: DEMO_MAX_MODEL_LEN,
      permission: [
        {
          id: `modelperm-${randomBytes(8).toString('hex')}`,
          object: 'model_permission',
          created,
          allow_create_engine: false,
          allow_sampling: true,
          allow_logprobs: true,
          allow_search_indices: false,
          allow_view: true,
          allow_fine_tuning: false,
          organization: '*',
          group: null,
          is_blocking: false,
        },
      ],
    })),
  })
}
