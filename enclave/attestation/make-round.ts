/**
 * One round of attestation: evidence that answers every nonce of a batch at once.
 *
 * Order: GPU evidence under a nonce that commits to the keys, then the quote over a statement that holds the digest of that
 * evidence. A client's nonce is a leaf of the tree whose root the statement holds.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type {
  CpuEvidence,
  CpuEvidenceSource,
  GpuEvidence,
  GpuEvidenceSource,
  TappBinding,
} from '../../attestation/attester/evidence-source.ts'
import { encodeBase64 } from '../../attestation/protocol/base64.ts'
import { toHex, toHex32, toSha256Digest } from '../../attestation/protocol/hex.ts'
import type { Hex32, Sha256Digest } from '../../attestation/protocol/hex.ts'
import { canonicalBytes } from '../../attestation/protocol/jcs.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { buildNonceTree } from '../../attestation/protocol/nonce-tree.ts'
import type { NonceProof } from '../../attestation/protocol/nonce-tree.ts'
import { gpuNonce, reportData } from '../../attestation/protocol/statement.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'
import type { BootKeys, NamedKeyset } from '../keys/boot-keys.ts'
import { createDocumentHead } from './document-parts.ts'
import type { DocumentHead } from './document-parts.ts'

export const DOCUMENT_VERSION = 'countersign/1'

export interface Evidence {
  readonly cpu: CpuEvidence
  readonly gpu: readonly GpuEvidence[] | null
}

export interface RoundParts {
  readonly keys: BootKeys
  /** The attested configuration, fixed for the boot. */
  readonly config: JsonObject
  readonly configDigest: Sha256Digest
  readonly cpu: CpuEvidenceSource
  /** Null only where the configuration requires no GPU. */
  readonly gpu: GpuEvidenceSource | null
  /** What is stapled now; the same list as long as it is the same. Null where the configuration promises none. */
  readonly collateral: (() => readonly object[]) | null
  /** The head that is published now; null or absent only where the configuration says that there is no log. */
  readonly log?: (() => LogHead) | null
  readonly nowMs: () => number
}

export interface Round {
  /** The document's members but for `warnings` and `nonce`, without the closing brace. */
  readonly head: DocumentHead
  readonly evidence: Evidence
  /** The one that it vouches for. */
  readonly keyset: NamedKeyset
  readonly proofs: ReadonlyMap<Hex32, NonceProof>
  readonly madeAtMs: number
  readonly stapled: readonly object[] | null
}

const digestOf = (value: unknown): Sha256Digest =>
  toSha256Digest(nodeCrypto.sha256(canonicalBytes(value)))

/** The app id is what a verifier looks for in the log, and the bytes are what it hashes. */
function tappMember({ appId, runtimeData, signature }: TappBinding): JsonObject {
  return { app_id: appId, runtime_data: encodeBase64(runtimeData), signature }
}

/** @param keyset to vouch for; default: the one in force when the round begins */
export type MakeRound = (nonces: readonly Hex32[], keyset?: NamedKeyset) => Promise<Round>

/** @returns the function that makes rounds, one at a time */
export function createRoundMaker(parts: RoundParts): MakeRound {
  const { keys, config, configDigest, cpu, gpu, nowMs } = parts
  let digested: { readonly list: readonly object[]; readonly digest: Sha256Digest } | null = null

  /** A list that was digested before is not digested again: it has a hundred kilobytes, and changes a few times a day. */
  const collateralDigest = (list: readonly object[] | null): Sha256Digest | null => {
    if (list === null) return null
    if (digested?.list !== list) digested = { list, digest: digestOf(list) }
    return digested.digest
  }

  return async (nonces, given) => {
    // Read once: it may be renewed while the evidence is collected.
    const keyset = given ?? keys.current
    const unique = [...new Set(nonces)]
    const tree = unique.length === 0 ? null : buildNonceTree(unique, nodeCrypto)
    const core = {
      boot_id: keys.bootId,
      keyset_digest: keyset.digest,
      nonce_root: tree === null ? null : tree.root,
      round: toHex32(randomBytes(32)),
    }
    const gpuEvidence = gpu === null ? null : await gpu.collect(gpuNonce(core, nodeCrypto))
    const stapled = parts.collateral?.() ?? null
    const log = parts.log?.() ?? null
    const madeAtMs = nowMs()
    const statement = {
      ...core,
      collateral_digest: collateralDigest(stapled),
      config_digest: configDigest,
      gpu_evidence_digest: gpuEvidence === null ? null : digestOf(gpuEvidence),
      issued_at: Math.floor(madeAtMs / 1000),
      log,
    }
    const evidence = await cpu.quote(reportData(statement, nodeCrypto))
    const members = {
      api_version: DOCUMENT_VERSION,
      boot_id: keys.bootId,
      round: core.round,
      issued_at: statement.issued_at,
      keyset: keyset.keyset,
      config,
      log,
      evidence: {
        tee_type: 'tdx',
        quote: toHex(evidence.quote),
        event_log: evidence.eventLog,
        vm_config: evidence.vmConfig,
        app_compose: cpu.facts.appCompose,
        gpu: gpuEvidence,
        collateral: stapled,
        key_custody: keys.address.custody,
        ...(evidence.tapp === undefined ? {} : { tapp: tappMember(evidence.tapp) }),
      },
    }
    return {
      head: createDocumentHead(JSON.stringify(members).slice(0, -1)),
      evidence: { cpu: evidence, gpu: gpuEvidence },
      keyset,
      proofs: new Map(
        tree === null ? [] : unique.map((nonce, index) => [nonce, tree.proof(index)]),
      ),
      madeAtMs,
      stapled,
    }
  }
}
