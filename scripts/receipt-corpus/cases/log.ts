/** Proofs that the record of a genuine receipt is in the log: one that holds, and forged and exchanged ones. */
import { nodeCrypto } from '../../../attestation/crypto/node.ts'
import { fromHex, toHex, toHex32 } from '../../../attestation/protocol/hex.ts'
import { signCheckpoint } from '../../../attestation/protocol/log/checkpoint.ts'
import { logOrigin } from '../../../attestation/protocol/log/log-origin.ts'
import { leafHash, nodeHash } from '../../../attestation/protocol/merkle-hash.ts'
import type { Ed25519Signer } from '../../../enclave/keys/ed25519-signer.ts'
import { vectorsOf } from '../../corpus/vector.ts'
import type { Vector, VectorCode } from '../../corpus/vector.ts'
import { aciReceipt, BOOT_ID, coseMessage, hashOf, inputOf, KEYS, RECORD } from '../world.ts'

const { accepted, rejected } = vectorsOf(inputOf)

const NAME = 'vectors.example/log'
const ORIGIN = logOrigin(NAME, BOOT_ID)
const leaf = (bytes: Uint8Array) => leafHash(bytes, nodeCrypto)
const node = (left: Uint8Array, right: Uint8Array) => nodeHash(left, right, nodeCrypto)
const other = (byte: number) => leaf(new Uint8Array(32).fill(byte))

/** Four leaves; the record is the second. */
const OWN = leaf(fromHex(hashOf(RECORD).slice('sha256:'.length)) ?? new Uint8Array(0))
const BOOT = other(0)
const RIGHT = node(other(2), other(3))
const ROOT = node(node(BOOT, OWN), RIGHT)
const PATH = [toHex(BOOT), toHex(RIGHT)]

interface Proof {
  readonly origin?: string
  readonly index?: number
  readonly size?: number
  readonly path?: readonly string[]
  readonly root?: Uint8Array
  readonly signer?: Ed25519Signer
  readonly noted?: string
}

function proof({
  origin = ORIGIN,
  index = 1,
  size = 4,
  path = PATH,
  root = ROOT,
  signer = KEYS.log,
  noted = origin,
}: Proof = {}): string {
  const head = { origin: noted, root: toHex32(root), size: 4 }
  const checkpoint = signCheckpoint(head, signer, nodeCrypto)
  return JSON.stringify({ checkpoint, leaf_index: index, origin, path, tree_size: size })
}

function bad(
  id: string,
  code: VectorCode,
  title: string,
  inclusion: string,
  more: object = {},
): Vector {
  const given = { inclusion, log_name: NAME, ...more }
  return rejected(`log-${id}`, code, title, { receipt: aciReceipt(), more: given })
}

export function logCases(): Vector[] {
  const otherOrigin = logOrigin(NAME, toHex32(new Uint8Array(32).fill(0xc0)))
  const forgedRoot = node(node(BOOT, other(9)), RIGHT)
  const good = { inclusion: proof(), log_name: NAME }
  return [
    accepted('ok-log', 'the record is in the log', { receipt: aciReceipt(), more: good }),
    accepted('ok-cose-log', 'the same as COSE_Sign1', { receipt: coseMessage(), more: good }),
    bad(
      'step-changed',
      'log_inclusion_invalid',
      'a step of the path differs',
      proof({ path: [toHex(other(1)), toHex(RIGHT)] }),
    ),
    bad(
      'steps-turned',
      'log_inclusion_invalid',
      'the steps in another order',
      proof({ path: PATH.toReversed() }),
    ),
    bad('step-missing', 'log_inclusion_invalid', 'a step too few', proof({ path: PATH.slice(1) })),
    bad(
      'step-more',
      'log_inclusion_invalid',
      'a step too many',
      proof({ path: [...PATH, toHex(other(7))] }),
    ),
    bad('other-leaf', 'log_inclusion_invalid', 'a proof of another place', proof({ index: 2 })),
    bad(
      'record-not-in-it',
      'log_inclusion_invalid',
      'a log without the record, rightly signed',
      proof({ root: forgedRoot }),
    ),
    bad(
      'other-boot',
      'log_inclusion_invalid',
      'the log of another boot',
      proof({ origin: otherOrigin }),
    ),
    bad('other-name', 'log_inclusion_invalid', 'a log of another name', proof(), {
      log_name: 'other.example/log',
    }),
    bad('no-log', 'log_inclusion_invalid', 'a configuration without a log', proof(), {
      log_name: null,
    }),
    bad(
      'other-size',
      'log_head_unknown',
      'a size that no checkpoint vouches for',
      proof({ size: 3 }),
    ),
    bad(
      'no-checkpoint',
      'log_head_unknown',
      'no checkpoint, and no head that is known',
      proof().replace(/"checkpoint":"(?:[^"\\]|\\.)*"/, '"checkpoint":null'),
    ),
    bad(
      'checkpoint-by-a-stranger',
      'log_checkpoint_invalid',
      'a checkpoint signed by a stranger',
      proof({ signer: KEYS.stranger }),
    ),
    bad(
      'checkpoint-by-receipt-key',
      'log_checkpoint_invalid',
      'a checkpoint signed by the receipt key',
      proof({ signer: KEYS.receipt }),
    ),
    bad(
      'checkpoint-of-other-boot',
      'log_checkpoint_invalid',
      'the checkpoint of another boot’s log',
      proof({ noted: otherOrigin }),
    ),
    bad('no-proof', 'log_proof_missing', 'no proof at all', '{}'),
    bad(
      'member-more',
      'log_proof_missing',
      'a proof with a member more',
      proof().replace('{', '{"note":1,'),
    ),
  ]
}
