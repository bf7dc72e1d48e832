/**
 * The self-appraisal gate: the service runs the appraiser on its own document before it serves.
 *
 * It protects the node. A user's verdict comes from the user's own policy.
 *
 * @module
 */
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import { POLICIES } from '../../attestation/appraiser/policies.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'

export interface GateRoots {
  readonly sgx: string
  readonly nvidia: string
}

/** @param roots of a simulation, which the gate then accepts; null on a real machine */
export function createGate(
  roots: GateRoots | null,
  now: () => number = () => Math.floor(Date.now() / 1000),
): (document: string) => string | null {
  const policy: AppraisalPolicy =
    roots === null
      ? POLICIES.node
      : {
          ...POLICIES.node,
          allowSimulated: true,
          sgxRoots: [roots.sgx],
          nvidiaRoots: [roots.nvidia],
        }
  return (document) => {
    const { verdict } = appraiseDocument(Buffer.from(document), {
      crypto: nodeCrypto,
      at: now(),
      nonce: null,
      policy,
    })
    if (verdict.verdict === 'accepted' || verdict.verdict === 'accepted-as-of') return null
    return verdict.checks.find((check) => check.status === 'fail')?.code ?? verdict.verdict
  }
}
