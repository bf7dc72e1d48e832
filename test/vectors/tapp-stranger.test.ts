/** Documents of simulated machines of TAPP under an implementation in another language, and bent logs under ours. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseQuote } from '../../attestation/appraiser/quote/parse-quote.ts'
import { appraiseTapp } from '../../attestation/appraiser/tapp/appraise-tapp.ts'
import { parseTcg2Log } from '../../attestation/appraiser/tapp/parse-tcg2-log.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { encodeBase64 } from '../../attestation/protocol/base64.ts'
import { parseTappRuntimeData } from '../../attestation/protocol/tapp-runtime-data.ts'
import { failures, tamper } from '../appraiser/document.helpers.ts'
import type { Draft } from '../appraiser/document.helpers.ts'
import {
  appraiseTappDocument,
  COMPOSE,
  newTapp,
  tappDocument,
  tappPolicy,
} from '../appraiser/tapp.helpers.ts'

const CHECKER = fileURLToPath(new URL('tapp/check_document.py', import.meta.url))
const python = spawnSync('python3', ['--version']).status === 0
if (!python)
  console.warn('SKIPPED: no python3 here, documents of TAPP are not checked by a stranger')

const JSON_COMPOSE = '{"services":{"countersign":{"image":"x","read_only":true,"cpus":1.5}},"a":[]}'

describe.skipIf(!python)('a stranger in Python', () => {
  const ask = (document: string): unknown => {
    const run = spawnSync('python3', [CHECKER], { input: document })
    expect(run.stderr.toString()).toBe('')
    return JSON.parse(run.stdout.toString())
  }

  test('finds nothing wrong with a document that the verifier accepts', async () => {
    const tapp = newTapp({ composeText: JSON_COMPOSE })
    tapp.stopApp()
    tapp.startApp()
    const document = await tappDocument(tapp)
    expect(appraiseTappDocument(document).trusted).not.toBeNull()
    expect(ask(document)).toEqual([])
  })

  test.each<[string, (draft: Draft) => void, string[], string]>([
    [
      'compose text',
      (draft) => (draft.evidence['app_compose'] = '{"services":{}}'),
      ['compose_hash'],
      'compose.hash',
    ],
    [
      'runtime data',
      (draft) => {
        const tapp = draft.evidence['tapp'] as Record<string, string>
        const bytes = Buffer.from(tapp['runtime_data'] ?? '', 'base64')
        bytes[bytes.length - 3] = 0x30
        draft.evidence['tapp'] = { ...tapp, runtime_data: bytes.toString('base64') }
      },
      ['report_data'],
      'tapp.runtime_data',
    ],
  ])('and the verifier agree on changed %s', async (_, change, wrong, id) => {
    const bent = tamper(await tappDocument(newTapp({ composeText: JSON_COMPOSE })), change)
    expect(ask(bent)).toEqual(wrong)
    expect(Object.keys(failures(appraiseTappDocument(bent).verdict.checks))).toEqual([id])
  })
})

describe('any bytes', () => {
  const tapp = newTapp()
  const { eventLog, quote } = tapp.evidence(new Uint8Array(64))
  const parsed = parseQuote(quote)
  const judge = (log: Uint8Array) => {
    if (!parsed.ok) throw new Error(parsed.detail)
    return appraiseTapp(
      { eventLog: encodeBase64(log), appCompose: COMPOSE, appId: tapp.appId },
      parsed.quote,
      { crypto: nodeCrypto, policy: tappPolicy(), genuine: true },
    )
  }
  const events = parseTcg2Log(eventLog)

  /** The attestation agent writes 1 or 4 for RTMR3. */
  const indexOf = ({ mrIndex, data }: { readonly mrIndex: number; readonly data: Uint8Array }) =>
    mrIndex === 1 && Buffer.from(data.subarray(0, 4)).toString('latin1') === 'LEAA' ? 4 : mrIndex

  /** Bytes that no digest covers: the header's class and versions, and type and text of what the firmware measured. */
  const covered = (log: Uint8Array): boolean => {
    const read = parseTcg2Log(log)
    if (!read.ok || !events.ok || read.events.length !== events.events.length) return true
    return read.events.some((event, index) => {
      const was = events.events[index]
      if (was === undefined || was.mrIndex !== indexOf(event)) return true
      if (Buffer.compare(was.digest, event.digest) !== 0) return true
      return (
        was.mrIndex === 4 && (was.type !== event.type || Buffer.compare(was.data, event.data) !== 0)
      )
    })
  }

  test('a log that is good is accepted, or none of what follows means anything', () => {
    expect(failures(judge(eventLog).checks)).toEqual({})
    expect(covered(eventLog)).toBe(false)
  })

  test('a log that is bent where a digest covers it is never accepted', () => {
    let bent = 0
    const at = fc.nat({ max: eventLog.length - 1 })
    const change = fc.oneof(
      fc.tuple(fc.constant('flip' as const), at, fc.integer({ min: 1, max: 255 })),
      fc.tuple(fc.constant('cut' as const), at, at),
      fc.tuple(fc.constant('insert' as const), at, fc.nat({ max: 255 })),
      fc.tuple(fc.constant('double' as const), at, at),
    )
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        let log = Buffer.from(eventLog)
        for (const [kind, a, b] of changes) {
          const [from, to] = [Math.min(a, log.length), Math.min(b, log.length)]
          const rest = log.subarray(from)
          if (kind === 'flip' && from < log.length) log[from] = (log[from] ?? 0) ^ b
          if (kind === 'cut')
            log = Buffer.concat([log.subarray(0, from), rest.subarray(1 + (to % 64))])
          if (kind === 'insert') log = Buffer.concat([log.subarray(0, from), Buffer.of(b), rest])
          if (kind === 'double') log = Buffer.concat([log.subarray(0, to), log.subarray(from)])
        }
        const judged = judge(Uint8Array.from(log))
        if (!covered(Uint8Array.from(log))) return
        bent++
        expect(failures(judged.checks)).not.toEqual({})
      }),
      { numRuns: 400 },
    )
    expect(bent).toBeGreaterThan(200)
  })

  test('no bytes make the parsers throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(typeof parseTcg2Log(bytes).ok).toBe('boolean')
        expect(typeof parseTappRuntimeData(bytes).ok).toBe('boolean')
        const isEnd = bytes.length === 0 || Buffer.from(bytes).toString('hex') === 'ff'.repeat(8)
        expect(parseTcg2Log(Buffer.concat([eventLog.slice(0, 65), bytes])).ok).toBe(isEnd)
      }),
    )
  })
})
