/**
 * What can be read: every route of the control plane and of the listener for operations.
 *
 * @module
 */
import type { Door } from '../attestation.ts'
import { spellings } from '../reply.ts'
import { json } from './operation.ts'
import type { Operation } from './operation.ts'
import { LOG_ROUTES } from './log-operations.ts'
import { schemaRef } from './schemas.ts'

export interface ReadRoute {
  readonly paths: readonly string[]
  readonly operation: Operation
  /** Where it is served: the clients' port, the operations' port, or both. */
  readonly port: 'public' | 'operations' | 'both'
  /** It is not there where this door is closed. */
  readonly door?: Door
}

const UNAVAILABLE = [
  'attestation_rate_limited',
  'attestation_busy',
  'attestation_unavailable',
] as const

const route = (
  paths: readonly string[],
  operation: Operation,
  more: Partial<ReadRoute> = {},
): ReadRoute => ({ paths, operation, port: 'public', ...more })

function attestation(
  id: string,
  summary: string,
  answers: Operation['answers'],
  more: Partial<Operation> = {},
): Operation {
  return {
    id,
    summary,
    tag: 'attestation',
    access: 'open',
    parameters: ['nonce'],
    answers,
    errors: ['invalid_nonce', ...UNAVAILABLE],
    ...more,
  }
}

const RECEIPT: Pick<Operation, 'tag' | 'access' | 'parameters' | 'errors'> = {
  tag: 'receipts',
  access: 'optional',
  parameters: ['id', 'owner_secret'],
  errors: ['unauthorized', 'not_found', 'store_unavailable'],
}

export const READ_ROUTES: readonly ReadRoute[] = [
  route(
    spellings('/attestation'),
    attestation('attestation', 'The canonical attestation document.', {
      ...json('Document'),
      'application/cbor': { description: 'The same data (RFC 8949).' },
    }),
  ),
  route(
    spellings('/attestation/document'),
    attestation('document', 'The canonical document inside JSON.', json('Wrapped')),
  ),
  route(
    ['/attestation/keysets/{digest}'],
    attestation('keyset', 'The document of that keyset.', json('Document'), {
      parameters: ['digest'],
      errors: ['invalid_keyset_digest', 'keyset_unknown', 'store_unavailable', ...UNAVAILABLE],
    }),
  ),
  route(
    ['/v1/attestation/keysets/{digest}', '/v1/proxy/attestation/keysets/{digest}'],
    attestation('keyset_document', 'The document of that keyset inside JSON.', json('Wrapped'), {
      parameters: ['digest'],
      errors: ['invalid_keyset_digest', 'keyset_unknown', 'store_unavailable', ...UNAVAILABLE],
    }),
  ),
  route(
    spellings('/aci/attestation'),
    attestation('aci_report', 'ACI report.', json('AciReport')),
    { door: 'aci' },
  ),
  route(
    spellings('/attestation/aci'),
    attestation('aci_document', 'ACI report inside JSON.', json('Wrapped')),
    { door: 'aci' },
  ),
  route(
    spellings('/attestation/report'),
    attestation('report', 'Report for clients of the vllm-proxy family.', json('VllmProxyReport'), {
      parameters: ['nonce', 'signing_algo', 'signing_address', 'include_tls_fingerprint'],
      errors: [
        'invalid_nonce',
        'ambiguous_nonce',
        'invalid_signing_algo',
        'tls_not_configured',
        'not_found',
        ...UNAVAILABLE,
      ],
    }),
    { door: 'vllm-proxy' },
  ),
  route(
    spellings('/quote'),
    attestation('quote', 'Quote for clients of 0G’s older brokers.', json('ZgQuote'), {
      parameters: [],
      errors: UNAVAILABLE,
    }),
    { door: '0g-quote' },
  ),
  route(spellings('/aci/receipts/:id').map(template), {
    ...RECEIPT,
    id: 'receipt',
    summary: 'A receipt, or its view for those who do not own it.',
    answers: json('Receipt'),
  }),
  route(spellings('/attestation/receipts/:id').map(template), {
    ...RECEIPT,
    id: 'receipt_document',
    summary: 'A receipt or its view inside JSON, or as COSE_Sign1 while its boot lives.',
    answers: {
      ...json('Wrapped'),
      'application/cose': { description: 'COSE_Sign1 (RFC 9052), tagged.' },
    },
    errors: ['encoding_unavailable', ...RECEIPT.errors],
  }),
  route(spellings('/signature/:id').map(template), {
    ...RECEIPT,
    id: 'signature',
    summary: 'The legacy signature of a complete answer, and its receipt.',
    parameters: ['id', 'owner_secret', 'signing_algo'],
    answers: json('Signature'),
    errors: ['invalid_signing_algo', ...RECEIPT.errors],
  }),
  ...LOG_ROUTES,
  route(
    ['/health', '/health/live'],
    {
      id: 'live',
      summary: 'The process answers.',
      tag: 'operations',
      access: 'open',
      answers: json('Live'),
      errors: [],
    },
    { port: 'both' },
  ),
  route(
    ['/health/ready'],
    {
      id: 'ready',
      summary: 'The service should be given traffic.',
      tag: 'operations',
      access: 'open',
      answers: json('Readiness'),
      errors: [],
      more: {
        '503': {
          description: 'It should not: one of its parts is not ready, or it leaves.',
          headers: { 'Retry-After': { $ref: '#/components/headers/Retry-After' } },
          content: { 'application/json': { schema: schemaRef('Readiness') } },
        },
      },
    },
    { port: 'both' },
  ),
  route(['/version'], {
    id: 'version',
    summary: 'What runs here.',
    tag: 'operations',
    access: 'open',
    answers: json('Version'),
    errors: [],
  }),
  route(['/openapi.json'], {
    id: 'openapi',
    summary: 'This document.',
    tag: 'operations',
    access: 'open',
    answers: json('Any'),
    errors: [],
  }),
  route(
    ['/metrics'],
    {
      id: 'metrics',
      summary: 'Metrics of the service.',
      tag: 'operations',
      access: 'open',
      answers: { 'text/plain': { type: 'string' } },
      errors: [],
    },
    { port: 'operations' },
  ),
  route(
    ['/metrics/upstreams/{name}', '/metrics/upstreams/{name}/{index}'],
    {
      id: 'upstream_metrics',
      summary: 'Metrics of one model server, as it sends them.',
      tag: 'operations',
      access: 'open',
      answers: {
        'text/plain': { type: 'string' },
        'application/openmetrics-text': { type: 'string' },
      },
      errors: ['not_found', 'upstream_unreachable', 'upstream_invalid'],
    },
    { port: 'operations' },
  ),
  route(
    ['/tls/csr'],
    {
      id: 'tls_csr',
      summary: 'A certification request for the TLS key of this boot (PKCS #10).',
      tag: 'operations',
      access: 'open',
      parameters: ['domain'],
      answers: { 'application/x-pem-file': { type: 'string' } },
      errors: ['invalid_domain', 'tls_not_configured'],
    },
    { port: 'operations' },
  ),
]

/** Express writes `:id` where OpenAPI writes `{id}`. */
function template(path: string): string {
  return path.replace(/:(\w+)/g, '{$1}')
}
