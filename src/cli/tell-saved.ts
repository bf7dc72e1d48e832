/**
 * What `countersign evidence save` says when the file is written: how it is judged. The roots of a simulation are kept beside it, because the
 * file that holds them goes with the service.
 *
 * @module
 */
import { writeFile } from 'node:fs/promises'
import { counted } from '../../attestation/appraiser/counted.ts'
import type { EvidenceFile } from '../../attestation/protocol/evidence-file.ts'

const WITHOUT_ROOTS =
  'It is SIMULATED evidence, and --allow-simulated takes any. To take this simulation alone, save with --roots FILE, the file that `serve --simulate` named when it started: a copy is then ' +
  'kept, for the file goes with that process. A `serve` on a simulated agent of its own (docs/rehearse.md) has no such file.\n'

/** The roots of a simulation, as they were given. */
export interface GivenRoots {
  readonly path: string
  readonly bytes: Uint8Array
}

export interface SavedEvidence {
  readonly file: EvidenceFile
  /** By what its document says. */
  readonly simulated: boolean
  /** One of its receipts is a view, which shows no body hashes. */
  readonly views: boolean
}

/** How bodies are compared with a view, where the file has both. */
function levelFlags({ file, views }: SavedEvidence): string {
  const [receipt] = file.receipts
  if (!views || receipt === undefined || receipt.request === null || receipt.response === null) {
    return ''
  }
  return receipt.opening === null ? ' --level content --opening HEX' : ' --level content'
}

/**
 * @param out where the evidence was written
 * @param roots null: none were given
 * @returns lines for a person
 */
export async function tellSaved(
  evidence: SavedEvidence,
  out: string,
  roots: GivenRoots | null,
): Promise<string> {
  const { file, simulated } = evidence
  const saved =
    `Saved, not judged: ${counted(file.attestations.length, 'attestation document')} and ${counted(file.receipts.length, 'receipt')}. ` +
    `countersign verify ${out} --at ${file.saved_at}${levelFlags(evidence)}`
  if (!simulated) return `${saved} judges them.\n`
  if (roots === null) return `${saved} --allow-simulated judges them.\n${WITHOUT_ROOTS}`
  const copy = `${out}.roots.json`
  const kept = await writeFile(copy, roots.bytes, { flag: 'wx', mode: 0o600 }).then(
    () => copy,
    () => roots.path,
  )
  return `${saved} --allow-simulated --roots ${kept} judges them.\n`
}
