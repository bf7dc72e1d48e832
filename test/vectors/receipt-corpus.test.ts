/** The published vectors of receipts: that they are what their generator makes, and that the verifier gives what they expect. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LOG_CODES } from '../../attestation/appraiser/log/codes.ts'
import { RECEIPT_CODES } from '../../attestation/appraiser/receipt/codes.ts'
import { makeCorpus } from '../../scripts/receipt-corpus/corpus.ts'
import { appraiseReceiptInput } from '../../src/cli/appraise-receipt.ts'
import { renderVerdict } from '../../src/cli/judge-input.ts'
import { openStranger } from './stranger.helpers.ts'
import type { CorpusCommand } from './corpus.helpers.ts'
import {
  EXIT_CODES,
  openCommand,
  openCorpus,
  sample,
  unfitting,
  unreached,
} from './corpus.helpers.ts'

const { changed, folder, publishedIds, publishedVectors } = openCorpus('receipt')
const VECTORS = publishedVectors()

const OF_CLIENTS = 'of clients, which read an answer while it comes'
const OF_LEGACY = 'of the legacy text, which another verb judges'
const OF_LOOKUPS =
  'of who looks for a keyset that is not in the input: there it is receipt_other_keyset'
const NOT_SHOWN = 'says that a check was not made; the level is then not reached'

/** Codes of receipts that no vector ends in, and why. */
const UNREACHED: Readonly<Record<string, string>> = {
  answer_too_long: OF_CLIENTS,
  content_not_covered: NOT_SHOWN,
  content_uncovered: NOT_SHOWN,
  legacy_app_key: OF_LEGACY,
  legacy_malformed: OF_LEGACY,
  legacy_signature_invalid: OF_LEGACY,
  log_first_seen: 'a remark, on a head that is not refused',
  log_name_new: OF_CLIENTS,
  log_other_name: OF_CLIENTS,
  log_proof_elsewhere: OF_CLIENTS,
  log_state_unusable: OF_CLIENTS,
  receipt_keyset_not_archived: OF_LOOKUPS,
  receipt_keyset_not_asked: OF_LOOKUPS,
  receipt_keyset_unreachable: OF_LOOKUPS,
  receipt_missing: OF_CLIENTS,
  receipt_unavailable: OF_CLIENTS,
  route_unverified: OF_CLIENTS,
  status_mismatch: OF_CLIENTS,
}

function judge(input: Uint8Array): string {
  const { verdict } = appraiseReceiptInput(input)
  const { code } = JSON.parse(renderVerdict(verdict, {})) as { readonly code: string }
  return `${verdict.verdict} ${code}`
}

describe('the published corpus', () => {
  test('is what its generator makes, to the byte', () => {
    const made = makeCorpus()
    expect(publishedIds()).toEqual(made.map(({ id }) => id))
    expect(changed(made)).toEqual([])
  })

  test('has enough of both kinds', () => {
    const accepted = VECTORS.filter(({ verdict }) => verdict === 'accepted-as-of')
    expect(accepted.length).toBeGreaterThanOrEqual(75)
    expect(VECTORS.length - accepted.length).toBeGreaterThanOrEqual(500)
  })

  test('reaches every code of receipts and logs, but those listed with a reason', () => {
    expect(unreached(VECTORS, [RECEIPT_CODES, LOG_CODES])).toEqual(
      Object.keys(UNREACHED).toSorted(),
    )
  })

  test('expects verdicts that follow from the family of their codes', () => {
    expect(unfitting(VECTORS)).toEqual([])
  })
})

describe('the verifier on the corpus', () => {
  test('gives every verdict and code', () => {
    const wrong = VECTORS.filter(
      ({ input, verdict, code }) => judge(input) !== `${verdict} ${code}`,
    )
    expect(wrong.map(({ id, input, code }) => `${id}: ${judge(input)}, expected ${code}`)).toEqual(
      [],
    )
  })

  test('answers input that is none as malformed', () => {
    const HEAD = {
      origin: `vectors.example/log/${'b0'.repeat(32)}`,
      root: '0'.repeat(64),
      size: 256,
    }
    const { input } = VECTORS.find(({ id }) => id === 'ok-bytes') ?? { input: new Uint8Array(0) }
    const good = JSON.parse(Buffer.from(input).toString('utf8')) as Record<string, unknown>
    const { at: _at, ...timeless } = good
    for (const other of [
      { ...good, note: 1 },
      timeless,
      { ...good, receipt: { cose: 'x' } },
      { ...good, receipt: { cose: '0g==', note: '' } },
      { ...good, receipt: { aci: '' } },
      { ...good, level: 'all' },
      { ...good, level: 'content', opening: null },
      { ...good, request: '!' },
      { ...good, any_outcome: 'yes' },
      { ...good, keyset: {} },
      { ...good, config_digest: 'sha256:' },
      ...[
        { head: HEAD },
        { head: { ...HEAD, origin: 'other.example/log/'.padEnd(82, '0') } },
        { head: HEAD, remembered: { head: { ...HEAD, size: 0 }, past: [] } },
        { head: HEAD, remembered: { head: HEAD, past: ['other.example/log'] } },
        { head: HEAD, boots: [1] },
        { head: HEAD, boots: Array<string>(65).fill('{}') },
        { head: HEAD, consistency: {} },
        { head: HEAD, note: 1 },
        { remembered: null },
      ].map((log, row) => ({
        ...good,
        log,
        ...(row === 0 ? {} : { log_name: 'vectors.example/log' }),
      })),
      [],
    ]) {
      expect(judge(Buffer.from(JSON.stringify(other)))).toBe('malformed report_malformed')
    }
    expect(judge(Buffer.from('{'))).toBe('malformed report_malformed')
  })
})

/** What a checker finds wrong with vectors of each code, among other things that follow from the same change. */
const FINDINGS: Readonly<Record<string, string | readonly string[]>> = {
  receipt_malformed: 'form',
  receipt_other_keyset: 'keyset',
  receipt_signature_invalid: 'signature',
  record_hash_mismatch: 'record_hash',
  receipt_other_boot: 'boot',
  receipt_other_config: 'config',
  receipt_keyset_expired: 'time',
  receipt_from_future: 'time',
  receipt_id_mismatch: 'id',
  endpoint_mismatch: 'endpoint',
  challenge_mismatch: 'challenge',
  outcome_inconsistent: 'outcome',
  outcome_not_complete: 'outcome',
  opening_mismatch: 'opening',
  receipt_encodings_differ: 'encodings',
  receipt_is_view: 'request',
  request_hash_mismatch: 'request',
  response_hash_mismatch: 'response',
  content_digest_mismatch: 'content',
  content_member_added: 'content',
  request_member_added: 'members',
  request_member_removed: 'members',
  request_member_changed: 'members',
  level_not_reached: 'level',
  answer_ambiguous: 'plain',
  answer_form_mismatch: 'asked',
  model_mismatch: 'model',
  stream_after_done: 'stream',
  stream_cut: 'stream',
  stream_unreadable: 'stream',
  log_proof_missing: ['inclusion', 'no proof'],
  log_forked: 'forked',
  log_rolled_back: 'rolled back',
  log_reset: 'reset',
  log_not_kept: 'not kept',
  log_checkpoint_invalid: 'inclusion',
  log_head_unknown: 'inclusion',
  log_inclusion_invalid: 'inclusion',
}

const { lacks, check } = openStranger('check_receipt_corpus.py', folder, 60_000)
describe.skipIf(lacks !== null)('a checker in another language', () => {
  test('finds what is wrong with every vector to refuse, and nothing with the others', () => {
    const found = check(VECTORS.map(({ id }) => id))
    const odd = VECTORS.filter(({ id, code }) => {
      const wrong = found[id] ?? ['not judged']
      if (code === 'ok') return wrong.length > 0
      const findings = [FINDINGS[code] ?? 'a code without a finding'].flat()
      // Of what cannot be read nothing else is said, and what can be read is never called unreadable.
      return (
        !findings.some((one) => wrong.includes(one)) ||
        (wrong.includes('form') && code !== 'receipt_malformed')
      )
    })
    expect(odd.map(({ id, code }) => `${id} (${code}): ${found[id]?.join(' ')}`)).toEqual([])
  }, 60_000)
})

describe('the command on the corpus', () => {
  let command: CorpusCommand
  beforeAll(async () => {
    command = await openCommand('appraise-receipt', 'appraiseReceiptCommand')
  }, 60_000)
  afterAll(() => command.remove())

  const kinds = [...EXIT_CODES.keys()].flatMap((kind) =>
    VECTORS.filter(({ verdict }) => verdict === kind).slice(0, 1),
  )
  test.each([...new Set([...kinds, ...sample(VECTORS, 200)])])('$id: $verdict', (vector) => {
    command.expectPublished(vector)
  })
})
