/** Proofs of inclusion in a log of 1,280 leaves, which is no whole tree: forged ones, and those of another leaf, tree or head. */
import { nodeCrypto } from '../../../attestation/crypto/node.ts'
import { fromHex, toHex, toHex32 } from '../../../attestation/protocol/hex.ts'
import { inclusionRoot } from '../../../attestation/protocol/log/inclusion-proof.ts'
import { signCheckpoint } from '../../../attestation/protocol/log/checkpoint.ts'
import { leafHash } from '../../../attestation/protocol/merkle-hash.ts'
import type { LogHead } from '../../../attestation/protocol/statement.ts'
import { toUtf8 } from '../../../attestation/protocol/utf8.ts'
import { vectorsOf } from '../../corpus/vector.ts'
import type { Vector, VectorCode } from '../../corpus/vector.ts'
import { LOG_NAME, makeLog } from '../boot-log.ts'
import {
  aciReceipt,
  base64,
  BOOT_ID,
  coseMessage,
  hashOf,
  inputOf,
  KEYS,
  RECORD,
} from '../world.ts'

const { accepted, rejected } = vectorsOf(inputOf)

const SIZE = 1280
/** The last leaf: the way to it is shorter than that to the others. */
const LAST = SIZE - 1
const MIDDLE = 300
const recordAt = (sequence: number) => ({ ...RECORD, sequence })
const leafAt = (sequence: number): Uint8Array =>
  fromHex(hashOf(recordAt(sequence)).slice('sha256:'.length)) ?? new Uint8Array(0)
const shape = { bootId: BOOT_ID, predecessor: null, generation: 1 }
const records = [MIDDLE, LAST].map((at) => [at, leafAt(at)] as const)
const LOG = makeLog({ ...shape, leaves: new Map(records) })
/** The same boot, as a clone of its volume might go on. */
const CLONE = makeLog({ ...shape, leaves: new Map([...records, [5, new Uint8Array(32)]]) })
const HEAD = LOG.head(SIZE)

const receiptAt = (sequence: number) => aciReceipt({ record: recordAt(sequence) })
const checkpointOf = (head: LogHead) => signCheckpoint(head, KEYS.log, nodeCrypto)
/** Of the log key, whatever the text says. */
const signed = (text: string) => {
  const [signature = ''] = checkpointOf(HEAD).split('\n').slice(-2)
  const [dash, origin, encoded = ''] = signature.split(' ')
  const keyId = Buffer.from(encoded, 'base64').subarray(0, 4)
  const bytes = Buffer.concat([keyId, KEYS.log.sign(toUtf8(text))])
  return `${text}\n${String(dash)} ${String(origin)} ${base64(bytes)}\n`
}
const NOTE = checkpointOf(HEAD).slice(0, checkpointOf(HEAD).lastIndexOf('\n\n') + 1)

function bad(
  id: string,
  code: VectorCode,
  title: string,
  inclusion: string,
  more: object = {},
): Vector {
  const given = { inclusion, log_name: LOG_NAME, ...more }
  return rejected(`log-${id}`, code, title, { receipt: receiptAt(LAST), more: given })
}

const last = (changes: object) => LOG.inclusion(LAST, SIZE, changes)

function acceptedProofs(): Vector[] {
  const good = (id: string, title: string, at: number, inclusion: string, more: object = {}) =>
    accepted(`ok-log-${id}`, title, {
      receipt: receiptAt(at),
      more: { inclusion, log_name: LOG_NAME, ...more },
    })
  const log = { head: HEAD }
  const note = checkpointOf(HEAD)
  const witness = `\u2014 witness.example ${base64(new Uint8Array(76).fill(7))}\n`
  return [
    good('last-leaf', 'the last leaf of a tree that is not whole', LAST, last({})),
    accepted('ok-cose-log-last-leaf', 'the same as COSE_Sign1', {
      receipt: coseMessage({ record: recordAt(LAST) }),
      more: { inclusion: last({}), log_name: LOG_NAME },
    }),
    good('inner-leaf', 'a leaf within', MIDDLE, LOG.inclusion(MIDDLE, SIZE)),
    good('earlier-size', 'under an earlier checkpoint', MIDDLE, LOG.inclusion(MIDDLE, 768), {
      log,
    }),
    good('statement', 'under the head of the statement', LAST, last({ checkpoint: null }), { log }),
    good(
      'witness',
      'a checkpoint with the line of a witness',
      LAST,
      last({ checkpoint: note + witness }),
    ),
  ]
}

function forgedPaths(): Vector[] {
  const code = 'log_inclusion_invalid'
  const path = LOG.path(LAST, SIZE)
  const inner = LOG.path(MIDDLE, SIZE)
  const [first = '', second = '', ...rest] = path
  const climb = (leaf: Uint8Array) => {
    const steps = path.map((step) => fromHex(step) ?? new Uint8Array(0))
    return inclusionRoot(leaf, LAST, SIZE, steps, nodeCrypto) ?? new Uint8Array(0)
  }
  const rooted = (root: Uint8Array) =>
    last({ checkpoint: checkpointOf({ ...HEAD, root: toHex32(root) }) })
  // All steps stand on the left of the last leaf.
  const bare = path.reduce<Uint8Array>(
    (below, step) => nodeCrypto.sha256(Buffer.concat([hexOf(step), below])),
    leafHash(leafAt(LAST), nodeCrypto),
  )
  return [
    bad(
      'path-of-neighbour',
      code,
      'the path of the leaf beside',
      last({ path: LOG.path(LAST - 1, SIZE) }),
    ),
    bad('index-of-neighbour', code, 'the index of the leaf beside', last({ leaf_index: LAST - 1 })),
    bad(
      'proof-of-neighbour',
      code,
      'a genuine proof of the leaf beside',
      LOG.inclusion(LAST - 1, SIZE),
    ),
    bad(
      'proof-of-another-record',
      code,
      'a genuine proof of another record',
      LOG.inclusion(MIDDLE, SIZE),
    ),
    bad('index-beyond', code, 'an index beyond the tree', last({ leaf_index: SIZE })),
    bad('path-of-whole-tree', code, 'as many steps as a whole tree has', last({ path: inner })),
    bad('path-empty', code, 'no step', last({ path: [] })),
    bad('path-first-missing', code, 'without the first step', last({ path: [second, ...rest] })),
    bad('path-last-missing', code, 'without the last step', last({ path: path.slice(0, -1) })),
    bad(
      'path-last-twice',
      code,
      'the last step twice',
      last({ path: [...path, ...path.slice(-1)] }),
    ),
    bad(
      'path-neighbours-turned',
      code,
      'two steps changed places',
      last({ path: [second, first, ...rest] }),
    ),
    bad(
      'path-of-clone',
      code,
      'the path in the log of a clone',
      last({ path: CLONE.path(LAST, SIZE) }),
    ),
    bad(
      'root-of-clone',
      code,
      'a path under the head of a clone',
      last({ checkpoint: checkpointOf(CLONE.head(SIZE)) }),
    ),
    bad(
      'path-of-smaller-tree',
      code,
      'the path of another leaf in a smaller tree',
      LOG.inclusion(LAST, SIZE, {
        path: LOG.path(MIDDLE, 768),
      }),
    ),
    bad(
      'leaf-without-prefix',
      code,
      'the record hash itself as a leaf’s hash',
      rooted(climb(leafAt(LAST))),
    ),
    bad('node-without-prefix', code, 'nodes that are hashed without their prefix', rooted(bare)),
    bad(
      'statement-of-clone',
      code,
      'under the head of a statement that another log has',
      last({ checkpoint: null }),
      {
        log: { head: CLONE.head(SIZE) },
      },
    ),
    bad(
      'statement-overruled',
      code,
      'a checkpoint counts before the statement',
      last({
        checkpoint: checkpointOf(CLONE.head(SIZE)),
      }),
      { log: { head: HEAD } },
    ),
  ]
}

function unknownHeads(): Vector[] {
  const invalid = 'log_checkpoint_invalid'
  const note = checkpointOf(HEAD)
  const line = note.slice(NOTE.length + 1)
  const noted = (id: string, title: string, checkpoint: string) =>
    bad(`checkpoint-${id}`, invalid, `a checkpoint ${title}`, last({ checkpoint }))
  const stranger = signCheckpoint(HEAD, KEYS.stranger, nodeCrypto).slice(NOTE.length + 1)
  return [
    bad(
      'statement-of-other-size',
      'log_head_unknown',
      'the statement has another size',
      last({ checkpoint: null }),
      {
        log: { head: LOG.head(1024) },
      },
    ),
    bad(
      'statement-without-head',
      'log_head_unknown',
      'the statement has no head',
      last({ checkpoint: null }),
      {
        log: { head: null },
      },
    ),
    bad('size-zero', 'log_head_unknown', 'a tree without leaves', last({ tree_size: 0 })),
    noted(
      'root-changed',
      'whose root was changed',
      note.replace(base64(hexOf(HEAD.root)), base64(hexOf(CLONE.head(SIZE).root))),
    ),
    noted(
      'size-changed',
      'whose size was changed',
      note.replace(`\n${SIZE}\n`, `\n${SIZE + 256}\n`),
    ),
    noted(
      'key-id-changed',
      'under another key id',
      signed(NOTE).replace(/ (?=[A-Za-z0-9+/=]+\n$)[A-Za-z0-9+/]{4}/, ' AAAA'),
    ),
    noted('unsigned', 'without a signature', `${NOTE}\n`),
    noted(
      'by-another-name',
      'signed under another name',
      `${NOTE}\n${line.replace(HEAD.origin, 'other.example')}`,
    ),
    noted(
      'second-signature-bad',
      'with a second signature that does not hold',
      note + broken(line),
    ),
    noted(
      'first-signature-bad',
      'with a first signature that does not hold',
      `${NOTE}\n${broken(line)}${line}`,
    ),
    noted('of-a-stranger-alone', 'of a stranger under the log’s name', `${NOTE}\n${stranger}`),
    noted('extension', 'with a line more', signed(`${NOTE}extension\n`)),
    noted(
      'size-with-zero',
      'whose size has a zero before it',
      signed(NOTE.replace(`${SIZE}`, `0${SIZE}`)),
    ),
    noted('size-with-sign', 'whose size has a sign', signed(NOTE.replace(`${SIZE}`, `+${SIZE}`))),
    noted(
      'root-short',
      'with half a root',
      signed(NOTE.replace(/[^\n]+\n$/, `${base64(new Uint8Array(16))}\n`)),
    ),
    noted('carriage-returns', 'with lines that end in CRLF', signed(NOTE.replaceAll('\n', '\r\n'))),
    noted('without-end', 'without its last line feed', note.slice(0, -1)),
    noted('empty', 'that is empty', ''),
  ]
}

const hexOf = (hex: string): Uint8Array => Buffer.from(hex, 'hex')
/** The last byte of the signature differs. */
function broken(line: string): string {
  const [dash = '', name = '', encoded = ''] = line.trimEnd().split(' ')
  const bytes = Buffer.from(encoded, 'base64')
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  return `${dash} ${name} ${base64(bytes)}\n`
}

function unreadableProofs(): Vector[] {
  const form = (id: string, title: string, inclusion: string) =>
    bad(`form-${id}`, 'log_proof_missing', `a proof ${title}`, inclusion)
  const path = LOG.path(LAST, SIZE)
  const [first = '', ...rest] = path
  return [
    form('index-text', 'whose index is a text', last({ leaf_index: `${LAST}` })),
    form('index-negative', 'with an index below 0', last({ leaf_index: -1 })),
    form('index-fraction', 'with half an index', last({ leaf_index: LAST - 0.5 })),
    form('index-twice', 'with two indexes', last({}).replace('{', `{"leaf_index":${LAST},`)),
    form('step-short', 'with a short step', last({ path: [first.slice(2), ...rest] })),
    form('step-upper-case', 'in capitals', last({ path: [first.toUpperCase(), ...rest] })),
    form('long', 'of fifty steps', last({ path: Array<string>(50).fill(toHex(leafAt(LAST))) })),
    form('origin', 'whose origin is none', last({ origin: LOG_NAME })),
    form('cut', 'that was cut', last({}).slice(0, -1)),
  ]
}

export function logProofCases(): Vector[] {
  return [...acceptedProofs(), ...forgedPaths(), ...unknownHeads(), ...unreadableProofs()]
}
