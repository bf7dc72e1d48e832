/**
 * What the service staples to its evidence, and whom it asks for it.
 *
 * @module
 */
import { z } from 'zod'
import { parsePccsUrl } from '../../attestation/collateral/collateral-service.ts'
import { parseServiceUrl } from '../../attestation/collateral/gpu/nvidia-services.ts'

const MAX_URL_LENGTH = 512

const service = (isService: (url: string) => boolean) =>
  z
    .string()
    .max(MAX_URL_LENGTH)
    .refine(isService, 'the https URL of a service, without credentials, query or fragment')
    .nullable()
    .default(null)

const isProxy = (text: string): boolean =>
  text === 'environment' || (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol))

export const collateralSchema = z.strictObject({
  staple: z.boolean().default(true),
  /** A caching service with the routes of a PCCS; null: Intel's. */
  intel: service((url) => parsePccsUrl(url) !== null),
  /** Null: NVIDIA's. */
  rim: service((url) => parseServiceUrl(url) !== null),
  ocsp: service((url) => parseServiceUrl(url) !== null),
  /** Null: none. It tunnels: TLS ends at the service. */
  proxy: z
    .string()
    .max(MAX_URL_LENGTH)
    .refine(isProxy, 'an http or https URL, environment, or null')
    .nullable()
    .default('environment'),
  /** File with the CAs of those services, PEM; null: the system's. */
  ca: z
    .string()
    .regex(/^\/[\x21-\x7e]{1,255}$/, 'an absolute path')
    .nullable()
    .default(null),
})
