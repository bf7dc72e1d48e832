/**
 * The model servers, asked as the relay asks them: at the configured addresses and nowhere else, within one time.
 *
 * @module
 */
import { limitsOf } from '../config/config.ts'
import type { Config } from '../config/config.ts'
import { InvalidModels, isTimeout, askBackend, readModels } from '../relay/ask-models.ts'
import { openUpstreams } from '../relay/upstreams.ts'
import type { Backend, Upstream } from '../relay/upstreams.ts'
import { finding, good } from './doctor-row.ts'
import type { DoctorRow } from './doctor-row.ts'

/** Milliseconds for one list. */
export const UPSTREAM_MS = 10_000
/** Models that are named in a row. */
const SHOWN = 8

async function examineBackend(
  upstream: Upstream,
  backend: Backend,
  ms: number,
): Promise<{ readonly row: DoctorRow; readonly models: readonly string[] }> {
  const check = `upstream.${upstream.name}`
  const found = (row: DoctorRow, models: readonly string[] = []) => ({ row, models })
  try {
    const answer = await askBackend(backend, AbortSignal.timeout(ms))
    const models = readModels({ models: [] }, answer).map(({ id }) => id)
    const seen = `${backend.url}: ${models.slice(0, SHOWN).join(', ')}`
    if (models.length === 0) {
      return found(finding(check, 'upstream_without_models', `${backend.url}: an empty list`))
    }
    const missing = upstream.models.filter((name) => !models.includes(name))
    if (missing.length > 0) {
      const detail = `${seen}; not ${missing.slice(0, SHOWN).join(', ')}`
      return found(finding(check, 'upstream_models_missing', detail))
    }
    return found(good(check, seen), upstream.models.length === 0 ? models : upstream.models)
  } catch (error) {
    if (error instanceof InvalidModels) {
      return found(finding(check, 'upstream_malformed', `${backend.url}: ${error.message}`))
    }
    const late = isTimeout(error)
    const code = late ? 'upstream_slow' : 'upstream_unreachable'
    return found(finding(check, code, `${backend.url}: ${late ? `${ms} ms` : causeOf(error)}`))
  }
}

/** The system's or undici's code alone: messages quote what was received. */
function causeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? code : 'no connection'
}

export interface UpstreamFindings {
  readonly rows: readonly DoctorRow[]
  /** Models that requests can be routed to. */
  readonly models: readonly string[]
}

export async function examineUpstreams(
  config: Config,
  ms: number = UPSTREAM_MS,
): Promise<UpstreamFindings> {
  const upstreams = openUpstreams(config.upstreams, limitsOf(config))
  try {
    const all = await Promise.all(
      upstreams.all.flatMap((one) =>
        one.backends.map((backend) => examineBackend(one, backend, ms)),
      ),
    )
    return {
      rows: all.map(({ row }) => row),
      models: [...new Set(all.flatMap(({ models }) => models))],
    }
  } finally {
    await upstreams.close()
  }
}
