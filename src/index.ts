/**
 * The service as a library: what `countersign serve` is made of.
 *
 * @module
 */
export { parseConfig } from './config/config.ts'
export { readTokens } from './config/read-tokens.ts'
export { SERVICE_ERRORS } from './errors.ts'
export { DEFAULT_LIMITS } from './limits.ts'
export { startService } from './service/start-service.ts'
export { VERSION } from './version.ts'
export type { Config, ConfigResult } from './config/config.ts'
export type { TokensResult } from './config/read-tokens.ts'
export type { ServiceErrorCode } from './errors.ts'
export type { Limits } from './limits.ts'
export type { ServiceLog } from './operations/open-log.ts'
export type { PrincipalConfig } from './relay/principals.ts'
export type { Service, ServiceParts } from './service/service.ts'
