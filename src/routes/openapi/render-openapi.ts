/**
 * The OpenAPI 3.1 document of the whole surface, as this service is configured.
 *
 * A test validates it against the OpenAPI Initiative's schema, calls every path and method in it, holds each answer against its
 * schema, and looks for routes of the server that are not in it.
 *
 * @module
 */
import type { JsonObject } from '../../../attestation/protocol/json.ts'
import { MAX_NAMES } from '../../config/listener-schema.ts'
import type { RelayRoute } from '../../relay/relay-routes.ts'
import type { Door } from '../attestation.ts'
import { renderOperation } from './operation.ts'
import type { Operation } from './operation.ts'
import { READ_ROUTES } from './read-operations.ts'
import { SCHEMAS, schemaRef } from './schemas.ts'

export interface OpenApiOptions {
  readonly version: string
  /** Those that are open. */
  readonly doors: readonly Door[]
  readonly relayed: readonly RelayRoute[]
  /** Spellings of the list of models. */
  readonly models: readonly string[]
  /** The operations' listener is there. */
  readonly operations: boolean
}

const query = (name: string, schema: JsonObject, description: string): JsonObject => ({
  name,
  in: 'query',
  required: false,
  schema,
  description,
})
const path = (name: string, description: string): JsonObject => ({
  name,
  in: 'path',
  required: true,
  schema: { type: 'string' },
  description,
})
const requestHeader = (name: string, pattern: string | null, description: string): JsonObject => ({
  name,
  in: 'header',
  required: false,
  schema: { type: 'string', ...(pattern === null ? {} : { pattern }) },
  description,
})
const answerHeader = (description: string): JsonObject => ({
  description,
  schema: { type: 'string' },
})

const PARAMETERS: JsonObject = {
  nonce: query('nonce', { type: 'string', pattern: '^[0-9a-f]{64}$' }, 'Comes back in the quote.'),
  signing_algo: query('signing_algo', { enum: ['ecdsa', 'ed25519'] }, 'Default: ecdsa.'),
  signing_address: query('signing_address', { type: 'string' }, '404 where it is not ours.'),
  include_tls_fingerprint: query(
    'include_tls_fingerprint',
    { enum: ['true', 'false'] },
    'Binds the TLS key beside the signing key; refused where no TLS is configured.',
  ),
  domain: query(
    'domain',
    { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: MAX_NAMES },
    'Host names of the certificate.',
  ),
  id: path('id', 'A receipt id or a completion id.'),
  boot: query(
    'boot',
    { type: 'string', pattern: '^[0-9a-f]{64}$' },
    'Id of the boot whose log is asked for; default: this one.',
  ),
  size: query('size', { type: 'integer' }, 'Size of a published head; default: the last.'),
  from: {
    ...query('from', { type: 'integer' }, 'Size of the smaller head.'),
    required: true,
  },
  to: query('to', { type: 'integer' }, 'Size of the larger head; default: the last.'),
  tile: path('tile', 'Number of a whole tile of 256 leaves, from 0.'),
  digest: path('digest', 'Digest of a keyset.'),
  name: path('name', 'Name of an upstream.'),
  index: path('index', 'Number of its address, from 0.'),
  owner_secret: requestHeader(
    'X-Countersign-Owner-Secret',
    '^[A-Za-z0-9_-]+$',
    'Base64url of the secret whose hash came with the request: who shows it owns the receipt.',
  ),
  challenge: requestHeader(
    'X-Countersign-Challenge',
    '^[A-Za-z0-9_-]{22,86}$',
    'Base64url of 16 to 64 bytes; comes back in the record.',
  ),
  owner: requestHeader(
    'X-Countersign-Owner',
    '^[0-9a-f]{64}$',
    'SHA-256 of a secret, whose holder owns the receipt.',
  ),
  inline: requestHeader(
    'X-Countersign-Inline',
    '^receipt$',
    'The receipt comes inside the answer: in a stream as comments before its terminator, else in the header `X-Countersign-Receipt`.',
  ),
  want_content_digest: requestHeader(
    'Want-Content-Digest',
    null,
    'RFC 9530: `sha-256=1` gets the `Content-Digest` of a buffered answer of at most 8 MiB.',
  ),
  accept_signature: requestHeader(
    'Accept-Signature',
    null,
    'RFC 9421 §5: gets `Signature-Input`, `Signature` and `Content-Digest` of a buffered answer of at most 8 MiB.',
  ),
}

const HEADERS: JsonObject = {
  'X-ACI-Version': answerHeader('`aci/1`.'),
  'X-ACI-Keyset-Digest': answerHeader('Digest of the keyset of this boot.'),
  'X-Receipt-Id': answerHeader('Id of the receipt.'),
  'ZG-Res-Key': answerHeader('The same id, under the name that 0G’s clients read.'),
  'X-Countersign-Opening': answerHeader('32 bytes in hex that open the record’s digests.'),
  'Retry-After': answerHeader('Seconds.'),
}

const RECEIPT_HEADERS = ['X-Receipt-Id', 'ZG-Res-Key', 'X-Countersign-Opening']

function relayOperation({ endpoint, body }: RelayRoute): Operation {
  const type = body === 'json' ? 'application/json' : 'multipart/form-data'
  return {
    id: endpoint.slice(1).replaceAll('/', '_'),
    summary: `Relayed byte for byte to the model server, and signed: \`${endpoint}\`.`,
    tag: 'inference',
    access: 'required',
    parameters: ['challenge', 'owner', 'inline', 'want_content_digest', 'accept_signature'],
    requestBody: { required: true, content: { [type]: { schema: schemaRef('Any') } } },
    answers: {
      'application/json': schemaRef('Any'),
      'text/event-stream': { type: 'string' },
    },
    headers: RECEIPT_HEADERS,
    errors: ['unauthorized', 'overloaded', 'not_attested', 'draining', 'keyset_expired'],
    more: {
      default: {
        description:
          'An error of the model server as it sent it, or one of ours that stands in docs/errors.md; signed all the same.',
        headers: Object.fromEntries(
          RECEIPT_HEADERS.map((name) => [name, { $ref: `#/components/headers/${name}` }] as const),
        ),
        content: { '*/*': {} },
      },
    },
  }
}

const MODELS: Operation = {
  id: 'models',
  summary: 'Models that are served.',
  tag: 'inference',
  access: 'required',
  answers: { 'application/json': schemaRef('Models') },
  errors: [
    'unauthorized',
    'overloaded',
    'not_attested',
    'draining',
    'keyset_expired',
    'upstream_unreachable',
    'upstream_invalid',
    'upstream_timeout',
  ],
}

/** Parameters that stand in the path itself. */
const inPath = (text: string): string[] =>
  [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '')

function readable(
  paths: readonly string[],
  operation: Operation,
  port: string,
): [string, JsonObject][] {
  const away = port === 'operations'
  return paths.map((text, i) => {
    const own = inPath(text).filter((name) => !operation.parameters?.includes(name))
    const full = { ...operation, parameters: [...own, ...(operation.parameters ?? [])] }
    const suffix = i === 0 ? '' : `_${i + 1}`
    return [
      text,
      {
        ...(away ? { servers: [OPERATIONS_SERVER] } : {}),
        get: renderOperation(full, 'get', suffix, away),
        head: renderOperation(full, 'head', suffix, away),
      },
    ]
  })
}

const OPERATIONS_SERVER: JsonObject = {
  url: 'http://{host}:{port}',
  description: 'The listener for health and metrics.',
  variables: { host: { default: '127.0.0.1' }, port: { default: '9464' } },
}

export function renderOpenApi(options: OpenApiOptions): JsonObject {
  const { doors, operations } = options
  const read = READ_ROUTES.filter(
    ({ door, port }) =>
      (door === undefined || doors.includes(door)) && (port !== 'operations' || operations),
  )
  const relayed = options.relayed.flatMap((route) => {
    const operation = relayOperation(route)
    return route.paths.map((text, i): [string, JsonObject] => [
      text,
      { post: renderOperation(operation, 'post', i === 0 ? '' : `_${i + 1}`, false) },
    ])
  })
  return {
    openapi: '3.1.0',
    info: {
      title: 'Countersign',
      version: options.version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description:
        'A sidecar of a confidential VM: relays requests to a model server and signs what was asked and what was answered. ' +
        'Every answer carries X-ACI-Version and X-ACI-Keyset-Digest. Paths that are read answer OPTIONS for browsers of any origin.',
    },
    servers: [{ url: '/' }],
    tags: ['inference', 'attestation', 'receipts', 'operations'].map((name) => ({ name })),
    paths: Object.fromEntries([
      ...relayed,
      ...readable(options.models, MODELS, 'public'),
      ...read.flatMap(({ paths, operation, port }) => readable(paths, operation, port)),
    ]),
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        key: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
      parameters: PARAMETERS,
      headers: HEADERS,
      schemas: SCHEMAS,
    },
  }
}
