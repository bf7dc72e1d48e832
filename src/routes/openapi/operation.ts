/**
 * One operation of the OpenAPI document, from what is said of it in one line.
 *
 * @module
 */
import type { JsonObject } from '../../../attestation/protocol/json.ts'
import { errorSpec } from '../../errors.ts'
import type { ServiceErrorCode } from '../../errors.ts'
import { schemaRef } from './schemas.ts'

/** `optional`: what is shown depends on who asks. */
export type Access = 'open' | 'optional' | 'required'

export interface Operation {
  readonly id: string
  readonly summary: string
  readonly tag: 'attestation' | 'receipts' | 'inference' | 'operations'
  readonly access: Access
  /** Names of components. */
  readonly parameters?: readonly string[]
  readonly requestBody?: JsonObject
  /** Schema by media type, of a 200. */
  readonly answers: Readonly<Record<string, JsonObject>>
  /** Names of header components of a 200, beside those of every answer. */
  readonly headers?: readonly string[]
  readonly errors: readonly ServiceErrorCode[]
  /** Further answers, by status. */
  readonly more?: JsonObject
}

const EVERY_ANSWER = ['X-ACI-Version', 'X-ACI-Keyset-Digest']

export const json = (schema: string): Readonly<Record<string, JsonObject>> => ({
  'application/json': schemaRef(schema),
})

function headersOf(names: readonly string[]): JsonObject {
  return Object.fromEntries(
    names.map((name) => [name, { $ref: `#/components/headers/${name}` }] as const),
  )
}

function security(access: Access): JsonObject[] {
  const credentials: JsonObject[] = [{ bearer: [] }, { key: [] }]
  return access === 'open' ? [{}] : access === 'optional' ? [{}, ...credentials] : credentials
}

/** Codes of one status stand together. */
function errorResponses(codes: readonly ServiceErrorCode[], common: readonly string[]): JsonObject {
  const byStatus = new Map<number, ServiceErrorCode[]>()
  for (const code of codes) {
    const { status } = errorSpec(code)
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => {
      const retry = of.some((code) => errorSpec(code).retryAfter !== undefined)
      return [
        String(status),
        {
          description: of.map((code) => `\`${code}\`: ${errorSpec(code).message}`).join(' '),
          headers: headersOf([...common, ...(retry ? ['Retry-After'] : [])]),
          content: { 'application/json': { schema: schemaRef('Error') } },
        },
      ] as const
    }),
  )
}

/** Headers alone, as HEAD answers. */
function withoutBodies(responses: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(responses).map(([status, response]) => {
      const { content: _content, ...rest } = response as JsonObject
      return [status, rest] as const
    }),
  )
}

/**
 * @param suffix of the operation's id: one operation may stand under several paths
 * @param onOperations it is served where no ACI header is sent
 */
export function renderOperation(
  operation: Operation,
  method: 'get' | 'head' | 'post',
  suffix: string,
  onOperations: boolean,
): JsonObject {
  const common = onOperations ? [] : EVERY_ANSWER
  const responses: JsonObject = {
    '200': {
      description: operation.summary,
      headers: headersOf([...common, ...(operation.headers ?? [])]),
      content: Object.fromEntries(
        Object.entries(operation.answers).map(([type, schema]) => [type, { schema }] as const),
      ),
    },
    ...errorResponses(operation.errors, common),
    ...operation.more,
  }
  return {
    operationId: `${method}_${operation.id}${suffix}`,
    summary: operation.summary,
    tags: [operation.tag],
    security: security(operation.access),
    parameters: (operation.parameters ?? []).map((name) => ({
      $ref: `#/components/parameters/${name}`,
    })),
    ...(operation.requestBody === undefined ? {} : { requestBody: operation.requestBody }),
    responses: method === 'head' ? withoutBodies(responses) : responses,
  }
}
