/**
 * `countersign weights <dir>`: the digest that `serve --weights` attests of a folder, alone on standard output; how far it is,
 * on standard error.
 *
 * @module
 */
import { resolve } from 'node:path'
import { counted } from '../../attestation/appraiser/counted.ts'
import { WEIGHTS_LABEL } from '../../attestation/protocol/weights-digest.ts'
import type { MeasureWeightsOptions, WeightsProgress } from '../weights/measure-weights.ts'
import { PROCESS } from './compose-hash.ts'
import type { Printer } from './compose-hash.ts'
import { EXIT } from './exit-codes.ts'
import { measureFolder } from './measure-folder.ts'
import { printableJson } from './printable.ts'

export interface WeightsOptions {
  readonly json?: boolean
}

const GB = 1e9

function line({ files, ofFiles, bytes, ofBytes }: WeightsProgress): string {
  const size =
    ofBytes < GB
      ? `${bytes} of ${counted(ofBytes, 'byte')}`
      : `${(bytes / GB).toFixed(1)} of ${(ofBytes / GB).toFixed(1)} GB`
  return `${files} of ${counted(ofFiles, 'file')}, ${size}`
}

/**
 * @returns the exit code
 * @throws Refusal where the folder cannot be measured
 */
export async function weights(
  folder: string,
  { json = false }: WeightsOptions,
  print: Printer = PROCESS,
  measuring: Pick<MeasureWeightsOptions, 'script' | 'progressMs'> = {},
): Promise<number> {
  const { digest, files, bytes } = await measureFolder(resolve(folder), {
    ...measuring,
    onProgress: (progress) => print.err(line(progress)),
  })
  print.out(json ? printableJson({ label: WEIGHTS_LABEL, digest, files, bytes }) : digest)
  return EXIT.accepted
}
