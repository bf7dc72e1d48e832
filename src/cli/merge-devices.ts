/**
 * Rows of several devices that say the same become one: eight GPUs are not eight times the reading.
 *
 * @module
 */
import type { Check } from '../../attestation/appraiser/check.ts'

const OF_DEVICE = /^((?:gpu|switch|nras|nras_switch)\.)(\d+)(\.\w+)$/

/** Sorted indices as `0-3,5`. */
function rangesOf(indices: readonly number[]): string {
  const ranges: [number, number][] = []
  for (const index of indices) {
    const last = ranges.at(-1)
    if (last?.[1] === index - 1) last[1] = index
    else ranges.push([index, index])
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',')
}

/**
 * For the eye alone: ids such as `gpu.0-7.nonce` are no ids of checks. A row that differs in anything stays its own.
 *
 * @returns each row where its first device has it
 */
export function mergeDevices(checks: readonly Check[]): readonly Check[] {
  const rows = new Map<string, { readonly check: Check; readonly indices: number[] }>()
  checks.forEach((check, position) => {
    const [, kind = '', index, step = ''] = OF_DEVICE.exec(check.id) ?? []
    const key =
      index === undefined
        ? String(position)
        : JSON.stringify([kind, step, check.status, check.code, check.detail])
    const row = rows.get(key)
    if (row === undefined)
      rows.set(key, { check, indices: index === undefined ? [] : [Number(index)] })
    else row.indices.push(Number(index))
  })
  return [...rows.values()].map(({ check, indices }) =>
    indices.length < 2
      ? check
      : { ...check, id: check.id.replace(OF_DEVICE, `$1${rangesOf(indices)}$3`) },
  )
}
