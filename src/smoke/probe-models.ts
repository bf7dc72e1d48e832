/**
 * `GET /models`: the model is listed, in members that 0G's router reads (acceptance list, section 6).
 *
 * @module
 */
import { counted } from '../../attestation/appraiser/counted.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject, JsonValue } from '../../attestation/protocol/json.ts'
import { callNode } from './call-node.ts'
import type { SmokeNode } from './call-node.ts'
import { found, passed } from './smoke-codes.ts'
import type { SmokeRow } from './smoke-codes.ts'

const SNAKE_CASE = /^[a-z0-9]+(?:_[a-z0-9]+)*$/

export interface ModelsFinding {
  readonly row: SmokeRow
  /** The one to try; null where there is none. */
  readonly model: string | null
}

function namesOf(value: JsonValue): readonly string[] {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).flatMap(namesOf)
  return isJsonObject(value)
    ? Object.entries(value).flatMap(([name, inner]) => [name, ...namesOf(inner ?? null)])
    : []
}

/** @param asked null: the first that is listed */
export async function probeModels(node: SmokeNode, asked: string | null): Promise<ModelsFinding> {
  const probe = 'models.list'
  const { status, json } = await callNode(node, { path: '/models' })
  const fail = (row: SmokeRow): ModelsFinding => ({ row, model: asked })
  // A wrong token is told once, here: no other probe would say anything else.
  if (status === 401 || status === 403) {
    const code = node.token === null ? 'token_missing' : 'token_refused'
    return { row: found(probe, code, `HTTP ${status}`), model: null }
  }
  if (status !== 200) return fail(found(probe, 'status_unexpected', `HTTP ${status}`))
  const data = json?.['data']
  const list = Array.isArray(data) ? (data as readonly JsonValue[]).filter(isJsonObject) : []
  const fits = ({ id, object, owned_by: owner }: JsonObject) =>
    typeof id === 'string' && object === 'model' && typeof owner === 'string'
  if (!Array.isArray(data) || list.length !== data.length || !list.every(fits)) {
    return fail(found(probe, 'answer_malformed', 'data[] with id, object and owned_by'))
  }
  const first = list[0]?.['id']
  const model = asked ?? (typeof first === 'string' ? first : null)
  const own = list.find(({ id }) => id === model)
  if (model === null || own === undefined) {
    return fail(
      found(probe, 'models_missing', `${counted(list.length, 'model')}, not ${model ?? 'any'}`),
    )
  }
  const odd = namesOf(own).filter((name) => !SNAKE_CASE.test(name))
  const row =
    odd.length > 0
      ? found(probe, 'models_not_snake_case', odd.slice(0, 4).join(', '))
      : passed(probe, `${counted(list.length, 'model')}, ${model} among them`)
  return { row, model }
}
