/** ACI receipts in another form than theirs, under a genuine signature wherever one is possible. */
import { vectorsOf } from '../../corpus/vector.ts'
import type { Vector } from '../../corpus/vector.ts'
import { aciReceipt, coseMessage, digestOf, inputOf, resigned } from '../world.ts'
import { CUT_RECEIPT, INTERRUPTED } from './accepted.ts'
import { BODIES } from '../world.ts'

const { malformed } = vectorsOf(inputOf)

const GOOD = aciReceipt()
const TOP = Object.keys(JSON.parse(GOOD) as object).filter((name) => name !== 'signature')
type Events = Record<string, unknown>[]

function bad(
  id: string,
  title: string,
  receipt: string,
  more: Readonly<Record<string, unknown>> = {},
): Vector {
  return malformed(`form-${id}`, 'receipt_malformed', title, { receipt, more })
}

function without(name: string): Vector {
  const receipt = resigned(GOOD, (top) => {
    delete top[name]
  })
  return bad(`without-${name.replaceAll('_', '-')}`, `signed without ${name}`, receipt)
}

const edit = (change: (events: Events, top: Record<string, unknown>) => void): string =>
  resigned(GOOD, (top, events) => change(events, top))

function setLast(events: Events, name: string, value: unknown): void {
  const last = events.at(-1)
  if (last !== undefined) last[name] = value
}

export function formCases(): Vector[] {
  const cut = { any_outcome: true, response: null, level: 'signer' }
  return [
    ...TOP.map(without),
    bad('space', 'a space that JSON allows', GOOD.replace('{', '{ ')),
    bad('line-feed', 'a line feed at the end', `${GOOD}\n`),
    bad('byte-order-mark', 'a byte-order mark', `\ufeff${GOOD}`),
    bad('escape', 'a letter as an escape', GOOD.replace('"POST"', '"POS\\u0054"')),
    bad(
      'member-twice',
      'a member twice',
      GOOD.replace('{"api_version"', '{"api_version":"aci/1","api_version"'),
    ),
    bad(
      'order',
      'members in another order',
      GOOD.replace(/\{("api_version":"aci\/1"),("chat_id":"[^"]+")/, '{$2,$1'),
    ),
    bad(
      'number',
      'a number with a fraction of zero',
      GOOD.replace(/"status":200/, '"status":200.0'),
    ),
    bad('cut', 'without its last character', GOOD.slice(0, -1)),
    bad('empty', 'no text at all', ''),
    bad('array', 'inside a list', `[${GOOD}]`),
    bad(
      'wrapped',
      'still inside the JSON that it is served in',
      JSON.stringify({ document: GOOD }),
    ),
    bad(
      'long',
      'longer than any receipt',
      GOOD.replace('"chatcmpl-1"', `"${'x'.repeat(262_144)}"`),
    ),
    bad(
      'cose-as-text',
      'the bytes of a COSE_Sign1 as a text',
      Buffer.from(coseMessage()).toString('base64'),
    ),
    bad(
      'version',
      'of another version of ACI',
      edit((_, top) => (top['api_version'] = 'aci/2')),
    ),
    bad(
      'member-more',
      'signed with a member more',
      edit((_, top) => (top['note'] = 'x')),
    ),
    bad(
      'event-member-more',
      'signed with a member more in the record',
      edit((events) => setLast(events, 'note', 'x')),
    ),
    bad(
      'signature-upper-case',
      'the signature in upper case',
      GOOD.replace(/(?<="signature":")[0-9a-f]+/, (hex) => hex.toUpperCase()),
    ),
    bad(
      'signature-short',
      'the signature a byte shorter',
      GOOD.replace(/(?<="signature":"[0-9a-f]{126})[0-9a-f]{2}/, ''),
    ),
    bad(
      'events-none',
      'signed without events',
      edit((events) => events.splice(0)),
    ),
    bad(
      'events-turned',
      'signed with request and answer in another order',
      edit((events) => events.reverse()),
    ),
    bad(
      'event-twice',
      'signed with an event twice',
      edit((events) => events.splice(1, 0, { ...events[0] })),
    ),
    bad(
      'event-unknown',
      'signed with an event of another type',
      edit((events) => events.splice(1, 0, { type: 'x', body_hash: digestOf('x') })),
    ),
    bad(
      'record-not-last',
      'signed with an event behind the record',
      edit((events) => events.push(events.shift() ?? {})),
    ),
    bad(
      'received-alone',
      'signed without what was returned',
      edit((events) => events.splice(1, 2)),
    ),
    bad(
      'forwarded-first',
      'signed without what was received',
      edit((events) => events.shift()),
    ),
    bad(
      'hash-upper-case',
      'a digest in upper case',
      edit((events) => setLast(events, 'config_digest', `sha256:${'AB'.repeat(32)}`)),
    ),
    bad(
      'negative',
      'a negative number',
      edit((events) => setLast(events, 'sequence', -1)),
    ),
    bad(
      'fraction',
      'a number that is not whole',
      edit((events) => setLast(events, 'response_bytes', 0.5)),
    ),
    bad(
      'outcome-unknown',
      'an outcome that there is not',
      edit((events) => setLast(events, 'outcome', 'perfect')),
    ),
    bad(
      'members-unsorted',
      'request members in another order',
      edit((events) => (events.at(-1)?.['members'] as unknown[]).reverse()),
    ),
    bad(
      'members-twice',
      'a request member twice',
      edit((events) => {
        const members = events.at(-1)?.['members'] as unknown[]
        members.splice(1, 0, members[0])
      }),
    ),
    bad(
      'rewrites-empty',
      'an empty list of changes',
      edit((events) => setLast(events, 'rewrites', [])),
    ),
    bad(
      'rewrites-unknown',
      'a change that there is not',
      edit((events) => setLast(events, 'rewrites', ['summarise'])),
    ),
    bad(
      'interrupted-complete',
      'an answer that is complete and was interrupted',
      edit((events) => setLast(events, 'interrupted_boot', 'c0'.repeat(32))),
    ),
    bad(
      'interrupted-bodies',
      'bodies of a request that nobody saw the end of',
      aciReceipt({ record: INTERRUPTED, bodies: BODIES }),
      cut,
    ),
    bad(
      'digest-without-content',
      'a content digest of an answer that could not be read',
      edit((events) => setLast(events, 'content_status', 'none')),
    ),
    bad(
      'partial-lengths',
      'two lengths of one body',
      resigned(aciReceipt(CUT_RECEIPT), (_, events) => {
        const partial = events.at(-2)
        if (partial !== undefined) partial['bytes'] = 41
      }),
      cut,
    ),
    bad(
      'id-with-slash',
      'an id that no enclave mints',
      edit((_, top) => (top['receipt_id'] = '../etc')),
    ),
  ]
}
