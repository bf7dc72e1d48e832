/**
 * The OpenAPI document of this service, as it is configured.
 *
 * @module
 */
import type { Config } from '../config/config.ts'
import { MODELS_PATHS, RELAY_ROUTES } from '../relay/relay-routes.ts'
import { renderOpenApi } from '../routes/openapi/render-openapi.ts'
import { VERSION } from '../version.ts'

/** Its JSON text. */
export function openApiText({ doors, metrics }: Pick<Config, 'doors' | 'metrics'>): string {
  return JSON.stringify(
    renderOpenApi({
      version: VERSION,
      doors,
      relayed: RELAY_ROUTES,
      models: MODELS_PATHS,
      operations: metrics !== null,
    }),
  )
}
