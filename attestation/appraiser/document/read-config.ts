/**
 * The members of the attested configuration that the appraisal itself reads; the rest is for people to diff.
 *
 * @module
 */
import { isJsonObject } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { LOG_NAME } from '../../protocol/log/log-origin.ts'
import { MAX_GPUS } from '../gpu/parse-gpu-evidence.ts'

export interface ReadConfig {
  readonly simulation: boolean
  readonly gpuRequired: number
  /** NVSwitches that the document must give evidence of. */
  readonly nvswitches: number
  readonly collateralStapled: boolean
  readonly allowRemoteUpstream: boolean
  /** Null where the service keeps no log. */
  readonly logName: string | null
}

function isDeviceCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_GPUS
}

/** @returns the name of a member that is missing or malformed in place of the configuration */
export function readConfig(config: JsonObject): ReadConfig | string {
  const { simulation, gpu, collateral, allow_remote_upstream: remote, log } = config
  // Absence is never read as "no": an older or a doctored service must not look stricter than it is.
  if (typeof simulation !== 'boolean') return 'simulation'
  const { required, nvswitches }: JsonObject = isJsonObject(gpu) ? gpu : {}
  if (!isDeviceCount(required)) return 'gpu.required'
  if (!isDeviceCount(nvswitches)) return 'gpu.nvswitches'
  const stapled = isJsonObject(collateral) ? collateral['stapled'] : undefined
  if (typeof stapled !== 'boolean') return 'collateral.stapled'
  if (typeof remote !== 'boolean') return 'allow_remote_upstream'
  const logName = isJsonObject(log) ? log['name'] : log
  if (logName !== null && (typeof logName !== 'string' || !LOG_NAME.test(logName)))
    return 'log.name'
  return {
    simulation,
    gpuRequired: required,
    nvswitches,
    collateralStapled: stapled,
    allowRemoteUpstream: remote,
    logName,
  }
}
