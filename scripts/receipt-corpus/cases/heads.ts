/** A genuine receipt, and the head of its log before a verifier that remembers one: logs that went on, and every other. */
import { nodeCrypto } from '../../../attestation/crypto/node.ts'
import { toHex32 } from '../../../attestation/protocol/hex.ts'
import { bootLeaf } from '../../../attestation/protocol/log/leaves.ts'
import type { LogHead } from '../../../attestation/protocol/statement.ts'
import { vectorsOf } from '../../corpus/vector.ts'
import type { Vector, VectorCode } from '../../corpus/vector.ts'
import { LOG_NAME, makeLog, recordText } from '../boot-log.ts'
import type { BootLog } from '../boot-log.ts'
import { aciReceipt, BOOT_ID, coseMessage, inputOf } from '../world.ts'

const { accepted, rejected } = vectorsOf(inputOf)

const idOf = (byte: number) => toHex32(new Uint8Array(32).fill(byte))
const leafOf = (byte: number) => new Uint8Array(32).fill(byte)

/** Three boots, one after the other; the receipt is of the last. Sizes are those that heads have: whole units of 256. */
const FIRST = makeLog({ bootId: idOf(0x11), predecessor: null, generation: 1 })
const MIDDLE = makeLog({ bootId: idOf(0x12), predecessor: FIRST.head(512), generation: 2 })
const current = (predecessor: LogHead | null, leaves = new Map<number, Uint8Array>()) =>
  makeLog({ bootId: BOOT_ID, predecessor, generation: 3, leaves })
const LAST = current(MIDDLE.head(768))
const SMALL = 768
const LARGE = 1280
const PAST = [MIDDLE.origin, FIRST.origin]

/** The same boot with a leaf that differs: what only a clone of it could show. */
const forkAt = (index: number) => current(MIDDLE.head(768), new Map([[index, leafOf(0xf0)]]))
const FORK = forkAt(300)
const MIDDLE_FORK = makeLog({
  bootId: idOf(0x12),
  predecessor: FIRST.head(512),
  generation: 2,
  leaves: new Map([[7, leafOf(0xf0)]]),
})
/** Another boot that began from the same volume, and the boot after ours. */
const SIBLING = makeLog({ bootId: idOf(0x14), predecessor: MIDDLE.head(768), generation: 3 })
const NEXT = makeLog({ bootId: idOf(0x15), predecessor: LAST.head(LARGE), generation: 4 })

interface Known {
  readonly head: LogHead
  readonly past: readonly string[]
}

interface Shown {
  readonly head?: LogHead | null
  readonly boots?: readonly string[]
  readonly consistency?: string | null
}

function given(remembered: Known | null, shown: Shown) {
  const { head = LAST.head(LARGE), boots = [], consistency = null } = shown
  return { log_name: LOG_NAME, log: { head, remembered, boots, consistency } }
}

function bad(
  id: string,
  code: VectorCode,
  title: string,
  remembered: Known,
  shown: Shown = {},
): Vector {
  const more = given(remembered, shown)
  return rejected(`heads-${id}`, code, title, { receipt: aciReceipt(), more })
}

function good(id: string, title: string, remembered: Known | null, shown: Shown = {}): Vector {
  const more = given(remembered, shown)
  return accepted(`ok-heads-${id}`, title, { receipt: aciReceipt(), more })
}

const own = (log: BootLog, size: number): Known => ({ head: log.head(size), past: PAST })
const ofMiddle = (size: number): Known => ({ head: MIDDLE.head(size), past: [FIRST.origin] })
const ofFirst = (size: number): Known => ({ head: FIRST.head(size), past: [] })
const grown = (changes: object): Shown => ({ consistency: LAST.consistency(SMALL, LARGE, changes) })

function acceptedHeads(): Vector[] {
  const consistency = LAST.consistency(SMALL, LARGE)
  return [
    good('first-seen', 'no head is remembered', null),
    good('unchanged', 'the head that is remembered', own(LAST, LARGE)),
    good('grown', 'a log that was appended to', own(LAST, SMALL), { consistency }),
    accepted('ok-cose-heads-grown', 'the same as COSE_Sign1', {
      receipt: coseMessage(),
      more: given(own(LAST, SMALL), { consistency }),
    }),
    good('grown-from-one', 'a log whose boot record alone was seen', own(LAST, 1), {
      consistency: LAST.consistency(1, LARGE),
    }),
    good('grown-from-whole', 'a log that was one whole subtree', own(LAST, 1024), {
      consistency: LAST.consistency(1024, LARGE),
    }),
    good('next-boot', 'the boot after the one remembered', ofMiddle(768), {
      boots: [LAST.boot(LARGE)],
    }),
    good('next-boot-grown', 'the boot after the one remembered, which had gone on', ofMiddle(512), {
      boots: [LAST.boot(LARGE)],
      consistency: MIDDLE.consistency(512, 768),
    }),
    good('second-boot', 'two boots after the one remembered', ofFirst(256), {
      boots: [LAST.boot(LARGE), MIDDLE.boot(768)],
      consistency: FIRST.consistency(256, 512),
    }),
  ]
}

function rolledBack(): Vector[] {
  const code = 'log_rolled_back'
  const shorter = current(MIDDLE.head(256))
  return [
    bad('shorter', code, 'the log is shorter than it was', own(LAST, LARGE), {
      head: LAST.head(SMALL),
    }),
    bad('shorter-proved', code, 'a proof that the old log began like that', own(LAST, LARGE), {
      head: LAST.head(SMALL),
      consistency: LAST.consistency(SMALL, LARGE),
    }),
    bad('shortest', code, 'the boot record alone, of a log that had grown', own(LAST, LARGE), {
      head: LAST.head(1),
    }),
    bad('earlier-boot', code, 'an earlier boot than the one remembered', {
      head: NEXT.head(256),
      past: [LAST.origin, ...PAST],
    }),
    bad('predecessor-shorter', code, 'the next boot forgot the end of this one', ofMiddle(512), {
      head: shorter.head(LARGE),
      boots: [shorter.boot(LARGE)],
    }),
  ]
}

function forked(): Vector[] {
  const code = 'log_forked'
  const steps = LAST.steps(SMALL, LARGE)
  const [first = '', second = '', ...rest] = steps
  const late = forkAt(SMALL - 1)
  const other = current(MIDDLE_FORK.head(768))
  return [
    bad('other-root', code, 'another root of the same size', own(FORK, LARGE)),
    bad('other-leaf', code, 'a leaf of the log that is remembered differs', own(FORK, SMALL), {
      consistency: LAST.consistency(SMALL, LARGE),
    }),
    bad('other-last-leaf', code, 'its last leaf differs', own(late, SMALL), {
      consistency: LAST.consistency(SMALL, LARGE),
    }),
    bad('other-first-leaf', code, 'its boot record differs', own(current(null), 1), {
      consistency: LAST.consistency(1, LARGE),
    }),
    bad('proof-of-the-fork', code, 'the proof of the other tree', own(FORK, SMALL), {
      consistency: FORK.consistency(SMALL, LARGE),
    }),
    bad(
      'proof-of-another-pair',
      code,
      'the path of a proof between other sizes',
      own(LAST, SMALL),
      grown({ path: LAST.steps(512, LARGE) }),
    ),
    bad(
      'step-changed',
      code,
      'a step of the proof differs',
      own(LAST, SMALL),
      grown({ path: ['0'.repeat(64), second, ...rest] }),
    ),
    bad(
      'steps-turned',
      code,
      'two steps changed places',
      own(LAST, SMALL),
      grown({ path: [second, first, ...rest] }),
    ),
    bad(
      'step-missing',
      code,
      'a step too few',
      own(LAST, SMALL),
      grown({ path: [second, ...rest] }),
    ),
    bad('end-missing', code, 'the last step is missing', own(LAST, SMALL), {
      consistency: LAST.consistency(SMALL, LARGE, { path: steps.slice(0, -1) }),
    }),
    bad('step-more', code, 'a step too many', own(LAST, SMALL), grown({ path: [...steps, first] })),
    bad('no-steps', code, 'a proof without steps', own(LAST, SMALL), grown({ path: [] })),
    bad(
      'remembered-root-first',
      code,
      'a step for the smaller root, which is none of the proof',
      own(LAST, 1024),
      {
        consistency: LAST.consistency(1024, LARGE, {
          path: [LAST.head(1024).root, ...LAST.steps(1024, LARGE)],
        }),
      },
    ),
    bad(
      'two-boots-follow',
      code,
      'two boots began from one volume',
      { head: SIBLING.head(256), past: PAST },
      { boots: [LAST.boot(LARGE)] },
    ),
    bad('predecessor-other-root', code, 'the next boot names another log', ofMiddle(768), {
      head: other.head(LARGE),
      boots: [other.boot(LARGE)],
    }),
    bad('predecessor-not-grown', code, 'the next boot names a fork that grew', ofMiddle(512), {
      head: other.head(LARGE),
      boots: [other.boot(LARGE)],
      consistency: MIDDLE.consistency(512, 768),
    }),
  ]
}

function reset(): Vector[] {
  const code = 'log_reset'
  const wiped = current(null)
  const claimed = recordText({ ...wiped.record, predecessor: MIDDLE.head(768) })
  const named = current(
    makeLog({
      bootId: idOf(0x12),
      predecessor: null,
      generation: 2,
      name: 'other.example/log',
    }).head(768),
  )
  const elsewhere = current(null, new Map([[1, bootLeaf(LAST.record, nodeCrypto)]]))
  return [
    bad('no-predecessor', code, 'a boot that names no log before', ofMiddle(768), {
      head: wiped.head(LARGE),
      boots: [wiped.boot(LARGE)],
    }),
    bad('no-boot-record', code, 'another boot, and no boot record', ofMiddle(768)),
    bad('chain-cut', code, 'the chain of boots ends before the one remembered', ofFirst(256), {
      boots: [LAST.boot(LARGE)],
      consistency: FIRST.consistency(256, 512),
    }),
    bad('boot-record-changed', code, 'another predecessor written into a record', ofMiddle(768), {
      head: wiped.head(LARGE),
      boots: [wiped.boot(LARGE, { boot_record: claimed })],
    }),
    bad('boot-path-changed', code, 'a step from the boot record differs', ofMiddle(768), {
      boots: [LAST.boot(LARGE, { path: LAST.steps(1, LARGE).toReversed() })],
    }),
    bad('boot-path-missing', code, 'no step from the boot record', ofMiddle(768), {
      boots: [LAST.boot(LARGE, { path: [] })],
    }),
    bad('boot-of-other-size', code, 'the boot record is proved for another head', ofMiddle(768), {
      boots: [LAST.boot(SMALL)],
    }),
    bad('boot-of-other-log', code, 'the boot record of the log remembered', ofMiddle(768), {
      boots: [MIDDLE.boot(768)],
    }),
    bad('boot-twice', code, 'one boot record where two are needed', ofFirst(512), {
      boots: [LAST.boot(LARGE), LAST.boot(LARGE)],
    }),
    bad('boot-elsewhere', code, 'a boot record that is not leaf 0', ofMiddle(768), {
      head: elsewhere.head(LARGE),
      boots: [
        elsewhere.boot(LARGE, {
          boot_record: recordText(LAST.record),
          path: elsewhere.path(1, LARGE),
        }),
      ],
    }),
    bad('boot-unreadable', code, 'a proof of a boot record that is none', ofMiddle(768), {
      boots: ['{}'],
    }),
    bad('predecessor-other-name', code, 'a boot that follows another log', ofMiddle(768), {
      head: named.head(LARGE),
      boots: [named.boot(LARGE)],
    }),
  ]
}

function unproved(): Vector[] {
  const code = 'log_proof_missing'
  const known = own(LAST, SMALL)
  const form = (id: string, title: string, consistency: string) =>
    bad(`proof-${id}`, code, `a proof ${title}`, known, { consistency })
  const honest = LAST.consistency(SMALL, LARGE)
  const [first = '', ...rest] = LAST.steps(SMALL, LARGE)
  return [
    bad('no-proof', code, 'a log that grew, and no proof', known),
    form('from-another-size', 'from another size', LAST.consistency(512, LARGE)),
    form('to-another-size', 'to another size', LAST.consistency(SMALL, 1024)),
    form('of-another-log', 'of another log', MIDDLE.consistency(SMALL, LARGE)),
    form('member-more', 'with a member more', honest.replace('{', '{"note":1,')),
    form('member-twice', 'with a member twice', honest.replace('{', '{"to":1280,')),
    form('size-text', 'whose size is a text', LAST.consistency(SMALL, LARGE, { to: `${LARGE}` })),
    form('step-short', 'with a short step', grownText([first.slice(2), ...rest])),
    form('step-upper-case', 'in capitals', grownText([first.toUpperCase(), ...rest])),
    form('long', 'of fifty steps', grownText(Array<string>(50).fill(first))),
    form('cut', 'that was cut', honest.slice(0, -1)),
    bad('none', 'log_not_kept', 'a statement that names no log any more', known, { head: null }),
  ]
}

function grownText(path: readonly string[]): string {
  return LAST.consistency(SMALL, LARGE, { path })
}

export function headsCases(): Vector[] {
  return [...acceptedHeads(), ...rolledBack(), ...forked(), ...reset(), ...unproved()]
}
