/**
 * The member `store` of the configuration: where receipts are kept, and where replicas find them.
 *
 * @module
 */
import { z } from 'zod'
import { DURABILITIES } from '../../enclave/store/group-commit.ts'
import { parseSharedUrl } from '../shared-store/shared-url.ts'

/** Days and bytes that receipts are kept for, unless the configuration says otherwise. */
export const DEFAULT_RETENTION = { days: 30, bytes: 8 * 1024 ** 3 } as const
const MAX_RETENTION_DAYS = 3_650
/** Below it the store would give up receipts as fast as they come. */
const MIN_RETENTION_BYTES = 16 * 1024 ** 2
const MAX_URL_LENGTH = 512

const file = z
  .string()
  .regex(/^\/[\x21-\x7e]{1,255}$/, 'an absolute path')
  .nullable()
  .default(null)

export const sharedStoreSchema = z
  .strictObject({
    /** All of it is attested, so no password stands in it. */
    url: z
      .string()
      .max(MAX_URL_LENGTH)
      .refine(
        (text) => parseSharedUrl(text) !== null,
        'rediss://[user@]host[:port], redis://[user@]127.0.0.1[:port] or unix:/path, without a password',
      ),
    /** PEM of the authorities that may vouch for the server; null: the system's. */
    ca: file,
    /** In place of the variable of the environment. */
    password_file: file,
    allow_plaintext: z.boolean().default(false),
  })
  .refine(
    ({ url, allow_plaintext: allowed }) => {
      const parsed = parseSharedUrl(url)
      return parsed?.kind !== 'plain' || parsed.loopback || allowed
    },
    { message: 'beyond this machine it is rediss://, unless allow_plaintext says otherwise' },
  )
  .refine(({ url, ca }) => ca === null || parseSharedUrl(url)?.kind === 'tls', {
    message: 'ca is for rediss://',
  })

export const storeSchema = z
  .strictObject({
    path: z.string().regex(/^\/[\x21-\x7e]{0,79}$/, 'an absolute path of at most 80 characters'),
    durability: z.enum(DURABILITIES).default('group'),
    retention: z
      .strictObject({
        days: z.number().int().min(1).max(MAX_RETENTION_DAYS).default(DEFAULT_RETENTION.days),
        bytes: z.number().int().min(MIN_RETENTION_BYTES).default(DEFAULT_RETENTION.bytes),
      })
      .prefault({}),
    shared: sharedStoreSchema.nullable().default(null),
  })
  .nullable()
  .default(null)
