/**
 * A folder of weights measured for a command: what cannot be measured is refused with its code and place.
 *
 * @module
 */
import { measureWeights } from '../weights/measure-weights.ts'
import type { MeasureWeightsOptions, Weights } from '../weights/measure-weights.ts'
import { WEIGHTS_ERRORS, WeightsError } from '../weights/weights-error.ts'
import { EXIT } from './exit-codes.ts'
import { Refusal } from './refusal.ts'

/**
 * @param folder absolute
 * @throws Refusal where the folder cannot be measured, or the signal ended it
 */
export async function measureFolder(
  folder: string,
  options: MeasureWeightsOptions,
): Promise<Weights> {
  try {
    return await measureWeights(folder, options)
  } catch (error) {
    if (error instanceof WeightsError) {
      const place = error.path === '' ? folder : `${folder}/${error.path}`
      throw new Refusal(`${error.code}: ${place}: ${WEIGHTS_ERRORS[error.code]}`, EXIT.internal)
    }
    if (options.signal?.aborted === true) {
      throw new Refusal('Ended while the weights were being measured.', EXIT.accepted)
    }
    throw error
  }
}
