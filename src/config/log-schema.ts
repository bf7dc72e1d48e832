/**
 * The member `log` of the configuration: the log of records.
 *
 * @module
 */
import { z } from 'zod'
import { LOG_NAME } from '../../attestation/protocol/log/log-origin.ts'

/** The log's name in its origin, and milliseconds between two of its heads. */
const DEFAULT_LOG = { name: 'countersign', interval_ms: 60_000 } as const
/** Between a head for every quote and one that receipts wait an hour for. */
const MIN_LOG_MS = 1_000
const MAX_LOG_MS = 3_600_000

export const logSchema = z
  .union([
    z.null(),
    z.strictObject({
      name: z.string().regex(LOG_NAME, 'a short lower-case path').default(DEFAULT_LOG.name),
      public: z.boolean().default(false),
      interval_ms: z
        .number()
        .int()
        .min(MIN_LOG_MS)
        .max(MAX_LOG_MS)
        .default(DEFAULT_LOG.interval_ms),
    }),
  ])
  .prefault({})
