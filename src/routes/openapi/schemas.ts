/**
 * Shapes of what the service itself answers, for its OpenAPI document (JSON Schema 2020-12). What a model server answers is
 * that server's to describe.
 *
 * @module
 */
import type { JsonObject } from '../../../attestation/protocol/json.ts'
import { OUTCOMES } from '../../../attestation/protocol/record.ts'
import { SERVICE_ERRORS } from '../../errors.ts'
import { READINESS_PARTS } from '../../operations/readiness.ts'

const HEX32 = { type: 'string', pattern: '^[0-9a-f]{64}$' }
const DIGEST = { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' }
const TEXT = { type: 'string' }
const INTEGER = { type: 'integer' }
const PATH = { type: 'array', items: HEX32 }
const TEXT_OR_NULL = { type: ['string', 'null'] }

/** Of an object with these members, all of which are there; others may come beside them. */
function object(properties: JsonObject, optional: JsonObject = {}): JsonObject {
  return {
    type: 'object',
    required: Object.keys(properties),
    properties: { ...properties, ...optional },
  }
}

export const schemaRef = (name: string): JsonObject => ({ $ref: `#/components/schemas/${name}` })

export const SCHEMAS: JsonObject = {
  Error: object({
    error: object({
      message: TEXT,
      type: TEXT,
      code: { enum: Object.keys(SERVICE_ERRORS) },
      param: { type: 'null' },
    }),
  }),
  Live: object({ status: { const: 'live' } }),
  Version: object({ name: { const: 'countersign' }, version: TEXT }),
  Readiness: object({
    status: { enum: ['ready', 'not_ready', 'draining'] },
    ...Object.fromEntries(READINESS_PARTS.map((part) => [part, schemaRef('ReadinessPart')])),
  }),
  ReadinessPart: object({
    ready: { type: 'boolean' },
    code: TEXT_OR_NULL,
    cause: TEXT_OR_NULL,
  }),
  Document: {
    description: 'The canonical attestation document: docs/protocol.md, section 5.',
    ...object({
      api_version: { const: 'countersign/1' },
      boot_id: HEX32,
      round: HEX32,
      issued_at: { type: 'integer' },
      keyset: { type: 'object' },
      config: { type: 'object' },
      evidence: { type: 'object' },
      nonce: { type: ['object', 'null'] },
      log: { type: ['object', 'null'] },
      warnings: { type: 'array' },
    }),
  },
  Wrapped: {
    description:
      'A signed document as its exact JSON text, for the way through intermediaries that write JSON anew.',
    ...object({ document: TEXT }, { opening: HEX32 }),
  },
  AciReport: object({
    api_version: { const: 'aci/1' },
    workload_keyset_digest: DIGEST,
    attestation: { type: 'object' },
    service_capabilities: { type: 'object' },
  }),
  VllmProxyReport: object({
    signing_address: TEXT,
    signing_algo: { enum: ['ecdsa', 'ed25519'] },
    request_nonce: HEX32,
    intel_quote: TEXT,
  }),
  ZgQuote: object({ quote: TEXT, event_log: { type: ['string', 'array'] } }),
  Receipt: {
    description: 'A receipt or its view: docs/protocol.md, section 7.',
    ...object({
      api_version: { const: 'aci/1' },
      receipt_id: TEXT,
      chat_id: TEXT_OR_NULL,
      model: TEXT_OR_NULL,
      endpoint: TEXT,
      method: TEXT,
      served_at: { type: 'integer' },
      workload_keyset_digest: DIGEST,
      event_log: { type: 'array', items: { type: 'object' } },
      key_id: TEXT,
      signature: TEXT,
    }),
  },
  Signature: object(
    { receipt_id: TEXT, outcome: { enum: [...OUTCOMES] }, document: TEXT },
    {
      text: TEXT,
      signature: TEXT,
      signing_address: TEXT,
      signing_algo: { enum: ['ecdsa', 'ed25519'] },
      opening: HEX32,
    },
  ),
  LogConsistency: object({ from: INTEGER, origin: TEXT, path: PATH, to: INTEGER }),
  LogBoot: object({ boot_record: TEXT, origin: TEXT, path: PATH, tree_size: INTEGER }),
  LogTile: object({ leaves: PATH, origin: TEXT, tile: INTEGER }),
  LogInclusion: object({
    checkpoint: TEXT_OR_NULL,
    leaf_index: INTEGER,
    origin: TEXT,
    path: PATH,
    tree_size: INTEGER,
  }),
  Models: object({ object: { const: 'list' }, data: { type: 'array' } }),
  Any: { description: 'As the model server of that API takes and gives it.', type: 'object' },
}
