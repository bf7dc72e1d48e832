/**
 * The folder of the weights, as far as that can be told without hashing it, which takes minutes.
 *
 * @module
 */
import { counted } from '../../attestation/appraiser/counted.ts'
import { listWeights } from '../weights/list-weights.ts'
import { WeightsError, WEIGHTS_ERRORS } from '../weights/weights-error.ts'
import { good } from './doctor-row.ts'
import type { DoctorRow } from './doctor-row.ts'

export async function examineWeights(folder: string): Promise<DoctorRow> {
  const check = 'weights'
  try {
    const files = await listWeights(folder)
    const bytes = files.reduce((sum, { size }) => sum + size, 0)
    return good(
      check,
      `${folder}: ${counted(files.length, 'file')}, ${Math.ceil(bytes / 1024 ** 2)} MiB`,
    )
  } catch (error) {
    if (!(error instanceof WeightsError)) throw error
    const { code, path } = error
    const seen = path === '' ? folder : `${folder}: ${path}`
    return { check, status: 'fail', code, seen, action: WEIGHTS_ERRORS[code] }
  }
}
