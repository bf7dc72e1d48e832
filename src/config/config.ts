/**
 * The configuration: one schema. Secrets are not in it; tokens come beside it and only their hashes are kept.
 *
 * @module
 */
import { z } from 'zod'
import { ADDRESS_KEY_SOURCES } from '../../enclave/keys/key-providers.ts'
import { DEFAULT_LIMITS } from '../limits.ts'
import type { Limits } from '../limits.ts'
import type { UpstreamConfig } from '../relay/upstreams.ts'
import { REQUEST_LOGGING } from '../operations/request-log.ts'
import { DEFAULT_REJECTED_MEMBERS, STATEFUL_REQUESTS } from '../relay/request-policy.ts'
import { DOORS } from '../routes/attestation.ts'
import { collateralSchema } from './collateral-schema.ts'
import { DEFAULT_LISTEN, listenerSchema, tlsSchema } from './listener-schema.ts'
import { logSchema } from './log-schema.ts'
import { storeSchema } from './store-schema.ts'
import { upstreamProblems } from './upstream-problems.ts'

/** GPUs that one machine can be required to have. */
export const MAX_GPUS = 16
/** NVSwitches of a machine with eight GPUs in protected-PCIe mode. */
export const MAX_NVSWITCHES = 4
/** Addresses of one upstream. */
export const MAX_URLS = 64
/** Where vLLM and SGLang say how they are. */
export const DEFAULT_HEALTH_PATH = '/health'
/** Where a sealed address key is kept: a volume that outlives the container. */
export const DEFAULT_ADDRESS_KEY_DIR = '/var/lib/countersign'
/** Short enough for the names of the sockets that are locks there (sun_path holds 107 bytes). */
export const ADDRESS_KEY_DIR = /^\/[\x21-\x7e]{0,79}$/
/** Milliseconds of silence after which a stream may be given a comment: from one that costs little to one that is of use. */
const MIN_KEEP_ALIVE_MS = 1_000
const MAX_KEEP_ALIVE_MS = 600_000
/** Days that a keyset is valid for; default policies accept 92 at most. */
const DEFAULT_KEYSET_DAYS = 30
const MAX_KEYSET_DAYS = 90
/** A limit may be set to anything a timer and a buffer can hold. */
const MAX_LIMIT = 2 ** 31 - 1

const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'a short lower-case name')

const url = z.string().max(512)

/** Where metrics are served unless the configuration says otherwise: reachable from inside the machine alone. */
export const DEFAULT_METRICS = { host: '127.0.0.1', port: 9464 } as const

const limitNames = Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]
const limit = z.number().int().positive().max(MAX_LIMIT)

const keyMembers = {
  address_key: z.enum(ADDRESS_KEY_SOURCES).optional(),
  address_key_dir: z
    .string()
    .regex(ADDRESS_KEY_DIR, 'an absolute path of at most 80 characters')
    .default(DEFAULT_ADDRESS_KEY_DIR),
}
const keySchema = z.strictObject(keyMembers)
const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'an address: 0x and 40 hex digits')
  .transform((text) => text.toLowerCase())

const members = z.strictObject({
  listen: listenerSchema.nullable().optional(),
  tls: tlsSchema.nullable().default(null),
  upstreams: z
    .array(
      z
        .strictObject({
          name,
          urls: z.array(url).min(1).max(MAX_URLS).optional(),
          url: url.optional(),
          models: z.array(z.string().min(1).max(256)).max(256).default([]),
          health: z
            .string()
            .regex(/^\/[A-Za-z0-9._~/-]{0,127}$/, 'a plain path, or null')
            .nullable()
            .default(DEFAULT_HEALTH_PATH),
        })
        .refine((upstream) => (upstream.url === undefined) !== (upstream.urls === undefined), {
          message: 'write url or urls, and not both',
        })
        .transform(({ url: one, urls, ...upstream }): UpstreamConfig => ({
          name: upstream.name,
          urls: urls ?? (one === undefined ? [] : [one]),
          models: upstream.models,
          health: upstream.health,
        })),
      'name at least one: --upstream http://127.0.0.1:8000',
    )
    .min(1, 'name at least one: --upstream http://127.0.0.1:8000')
    .max(64),
  ...keyMembers,
  expect_address: address.optional(),
  keyset_days: z.number().int().min(1).max(MAX_KEYSET_DAYS).default(DEFAULT_KEYSET_DAYS),
  gpu: z
    .strictObject({
      required: z.number('a number of GPUs, 0 for none').int().min(0).max(MAX_GPUS),
      nvswitches: z.number().int().min(0).max(MAX_NVSWITCHES).default(0),
      nvattest: z
        .string()
        .regex(/^\/[\x21-\x7e]{1,255}$/, 'an absolute path')
        .optional(),
    })
    .refine(({ nvswitches, nvattest }) => nvswitches === 0 || nvattest !== undefined, {
      message: 'NVSwitches attest through nvattest: give its path',
    })
    .refine(({ nvswitches, required }) => nvswitches === 0 || required > 0, {
      message: 'NVSwitches attest beside GPUs: say how many are required',
    })
    .optional(),
  weights: z
    .string()
    .regex(/^\/[^\0]{1,1023}$/, 'an absolute path')
    .optional(),
  collateral: collateralSchema.prefault({}),
  doors: z.array(z.enum(DOORS)).default([...DOORS]),
  allow_remote_upstream: z.boolean().default(false),
  rewrites: z
    .strictObject({
      strip_empty_tool_calls: z.boolean().default(false),
      include_usage: z.boolean().default(false),
      keep_alive_ms: z
        .number()
        .int()
        .min(MIN_KEEP_ALIVE_MS)
        .max(MAX_KEEP_ALIVE_MS)
        .nullable()
        .default(null),
    })
    .prefault({}),
  metrics: z
    .union([
      z.null(),
      z.strictObject({
        host: z.string().min(1).max(255).default(DEFAULT_METRICS.host),
        port: z.number().int().min(0).max(65_535).default(DEFAULT_METRICS.port),
      }),
    ])
    .prefault({}),
  logging: z.strictObject({ requests: z.enum(REQUEST_LOGGING).default('errors') }).prefault({}),
  store: storeSchema,
  log: logSchema,
  reject_members: z
    .array(z.string().min(1).max(256))
    .max(256)
    .default([...DEFAULT_REJECTED_MEMBERS]),
  stateful_requests: z.enum(STATEFUL_REQUESTS).default('refuse'),
  limits: z.partialRecord(z.enum(limitNames), limit).default({}),
})

/** Plain HTTP beside TLS is asked for in words; without either it is served to this machine alone. */
const schema = members
  .transform(({ listen, ...config }) => ({
    ...config,
    listen: listen ?? (listen === undefined && config.tls === null ? DEFAULT_LISTEN : null),
  }))
  .refine(({ listen, tls }) => listen !== null || tls !== null, {
    message: 'nowhere to listen: give listen, tls or both',
  })
  .refine(
    ({ address_key: source, expect_address: expected }) =>
      source !== 'ephemeral' || expected === undefined,
    { message: 'expect_address: an ephemeral address is another at each start' },
  )

export type Config = z.output<typeof schema>

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly string[] }

/** Checks a configuration; unknown members are refused, with the path of each problem. */
export function parseConfig(value: unknown): ConfigResult {
  const result = schema.safeParse(value)
  if (result.success) {
    const { upstreams, allow_remote_upstream: allowRemote } = result.data
    const problems = upstreamProblems(upstreams, allowRemote)
    return problems.length === 0 ? { ok: true, config: result.data } : { ok: false, problems }
  }
  return { ok: false, problems: problemsOf(result.error) }
}

function problemsOf(error: z.ZodError): string[] {
  return error.issues.map(
    (issue) => `${issue.path.map(String).join('.') || '(top)'}: ${issue.message}`,
  )
}

export type KeyOptionsResult =
  | { readonly ok: true; readonly config: Pick<Config, 'address_key' | 'address_key_dir'> }
  | { readonly ok: false; readonly problems: readonly string[] }

/** The part about the address key alone, for commands that serve nothing. */
export function parseKeyOptions(value: unknown): KeyOptionsResult {
  const result = keySchema.safeParse(value)
  return result.success
    ? { ok: true, config: result.data }
    : { ok: false, problems: problemsOf(result.error) }
}

/** The limits in force: the defaults with what the configuration changes. */
export function limitsOf(config: Config): Limits {
  const changed = Object.fromEntries(
    Object.entries(config.limits).filter(([, value]) => value !== undefined),
  )
  return { ...DEFAULT_LIMITS, ...changed }
}
