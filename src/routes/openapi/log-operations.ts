/**
 * The routes of the log, for the OpenAPI document: each bare, and below `/v1` with its answer inside JSON.
 *
 * @module
 */
import type { ServiceErrorCode } from '../../errors.ts'
import { json } from './operation.ts'
import type { Operation } from './operation.ts'
import type { ReadRoute } from './read-operations.ts'

const EVERY: readonly ServiceErrorCode[] = ['log_off', 'log_boot_unknown', 'invalid_log_query']
/** Of those that need no credential. */
const OPEN: readonly ServiceErrorCode[] = [...EVERY, 'attestation_rate_limited']

function both(
  path: string,
  { answers, ...operation }: Omit<Operation, 'tag' | 'access'> & Partial<Operation>,
): ReadRoute[] {
  const bare = { tag: 'attestation', access: 'open', ...operation, answers } as const
  return [
    { paths: [path], operation: bare, port: 'public' },
    {
      paths: [`/v1${path}`, `/v1/proxy${path}`],
      operation: {
        ...bare,
        id: `${operation.id}_document`,
        summary: `${operation.summary} Inside JSON.`,
        answers: json('Wrapped'),
      },
      port: 'public',
    },
  ]
}

export const LOG_ROUTES: readonly ReadRoute[] = [
  ...both('/attestation/log/checkpoint', {
    id: 'log_checkpoint',
    summary: 'The last published head of the log as a C2SP checkpoint.',
    parameters: ['boot'],
    answers: { 'text/plain': { type: 'string' } },
    errors: OPEN,
  }),
  ...both('/attestation/log/consistency', {
    id: 'log_consistency',
    summary: 'Proof that the log between two heads was only appended to.',
    parameters: ['boot', 'from', 'to'],
    answers: json('LogConsistency'),
    errors: [...OPEN, 'log_size_unknown', 'log_proof_gone'],
  }),
  ...both('/attestation/log/boot', {
    id: 'log_boot',
    summary: 'The boot record, and the proof that it is the first leaf of the log.',
    parameters: ['boot', 'size'],
    answers: json('LogBoot'),
    errors: [...OPEN, 'log_size_unknown', 'log_proof_gone'],
  }),
  ...both('/attestation/log/inclusion/{id}', {
    id: 'log_inclusion',
    summary: 'Proof that the record of a receipt is in the log.',
    tag: 'receipts',
    access: 'optional',
    parameters: ['id', 'owner_secret', 'size'],
    answers: json('LogInclusion'),
    errors: [
      ...EVERY,
      ...(['unauthorized', 'not_found', 'log_size_unknown', 'log_not_published'] as const),
      ...(['log_proof_gone', 'store_unavailable'] as const),
    ],
  }),
  ...both('/attestation/log/tiles/{tile}', {
    id: 'log_tile',
    summary: 'Leaf hashes of 256 leaves, where the configuration opens the log to everybody.',
    parameters: ['boot', 'tile'],
    answers: json('LogTile'),
    errors: [...OPEN, 'log_not_public', 'log_size_unknown', 'log_proof_gone'],
  }),
]
