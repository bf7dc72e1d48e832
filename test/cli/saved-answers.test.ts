/** Saved answers that the verified fetch would refuse, at each door that judges without a network. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EvidenceFile, EvidenceReceipt } from '../../attestation/protocol/evidence-file.ts'
import { appraiseReceiptInput } from '../../src/cli/appraise-receipt.ts'
import { draftsOf, written } from '../client/reader-attacks.helpers.ts'
import type { Draft } from '../client/reader-attacks.helpers.ts'
import { REQUEST, startMachine } from './evidence.helpers.ts'
import type { Boot, Machine } from './evidence.helpers.ts'

type Form = 'stream' | 'body'
/** The level reached, and the codes of the checks that fail. */
type Finding = readonly [level: string, ...codes: string[]]

let machine: Machine
let boot: Boot
let files: Record<Form, EvidenceFile>
beforeAll(async () => {
  machine = await startMachine()
  boot = await machine.boot()
  const save = async (form: Form): Promise<EvidenceFile> => {
    const request = { ...(JSON.parse(REQUEST) as object), stream: form === 'stream' }
    const { id, ...bodies } = await boot.ask(JSON.stringify(request))
    return machine.save(boot, `${form}.json`, { receipt: [id], ...bodies })
  }
  files = { stream: await save('stream'), body: await save('body') }
})
afterAll(async () => {
  await boot.close()
  await machine.close()
})

function receiptOf(file: EvidenceFile): EvidenceReceipt {
  const [receipt] = file.receipts
  if (receipt === undefined) throw new Error('no receipt was saved')
  return receipt
}

interface Judged {
  readonly level: string
  readonly checks: readonly {
    readonly status: string
    readonly code: string
    readonly id: string
  }[]
}

function findingOf({ level, checks }: Judged): Finding {
  const failed = checks.filter(({ status, id }) => status === 'fail' && id !== 'receipt.level')
  return [level, ...failed.map(({ code }) => code)]
}

/** Judges the file with this answer in the place of the one that was saved. */
const DOORS: Readonly<Record<string, (file: EvidenceFile, answer: string) => Promise<Finding>>> = {
  'verify --receipt': async (file, answer) => {
    const { receipt, opening, request } = receiptOf(file)
    const { out } = await machine.judge(file.attestations[0]?.document ?? '', {
      json: true,
      level: 'content',
      receipt: machine.file('r.json', receipt ?? ''),
      opening: opening ?? '',
      request: machine.file('r.request', Buffer.from(request ?? '', 'base64')),
      response: machine.file('r.response', answer),
    })
    return findingOf((JSON.parse(out) as { receipt: Judged }).receipt)
  },
  'an evidence file': async (file, answer) => {
    const response = Buffer.from(answer).toString('base64')
    const other = { ...file, receipts: [{ ...receiptOf(file), response }] }
    const { out } = await machine.judge(other, { json: true, level: 'content' })
    const { receipts } = JSON.parse(out) as { receipts: Judged[] }
    return receipts[0] === undefined ? ['not judged'] : findingOf(receipts[0])
  },
  'appraise-receipt': async (file, answer) => {
    const { receipt, opening, request } = receiptOf(file)
    const { keyset } = JSON.parse(file.attestations[0]?.document ?? '') as { keyset: object }
    const { event_log: events } = JSON.parse(receipt ?? '') as {
      event_log: Record<string, unknown>[]
    }
    const { boot_id, config_digest } = events.at(-1) ?? {}
    const input = {
      ...{ receipt, keyset, boot_id, config_digest, at: file.saved_at, opening, request },
      ...{ response: Buffer.from(answer).toString('base64'), level: 'content' },
    }
    const { verdict, level } = appraiseReceiptInput(Buffer.from(JSON.stringify(input)))
    return Promise.resolve(findingOf({ level, checks: verdict.checks }))
  },
}

const eachChunk = (change: (draft: Draft, place: number) => Draft) => (text: string) =>
  written(draftsOf(text).map(change))

/** The same words in the other form. */
function asBody(text: string): string {
  const drafts = draftsOf(text)
  const { id, model, created } = drafts[0] ?? {}
  const content = drafts.map(({ choices }) => choices[0]?.delta?.content ?? '').join('')
  const message = { role: 'assistant', content }
  const choices = [{ index: 0, message, finish_reason: 'stop' }]
  return JSON.stringify({ id, object: 'chat.completion', created, model, choices })
}
function asStream(text: string): string {
  const { choices, ...rest } = JSON.parse(text) as Draft
  const chunks = choices.map(({ message, ...choice }) => ({ ...choice, delta: message ?? {} }))
  return written([{ ...rest, object: 'chat.completion.chunk', choices: chunks }])
}
/** Readers act on half of the text. */
function endingEarly(text: string): string {
  const drafts = draftsOf(text)
  const end = drafts.findIndex(({ choices }) => (choices[0]?.finish_reason ?? null) !== null)
  const [first, ...rest] = drafts.filter((_, place) => place !== end)
  const last = drafts[end]
  if (first === undefined || last === undefined) throw new Error('the stream has no end')
  return written([first, last, ...rest])
}

const REFUSED: readonly (readonly [string, Form, (text: string) => string, Finding])[] = [
  ['whose end was moved before the rest', 'stream', endingEarly, ['signer', 'answer_ambiguous']],
  [
    'with another model in every chunk',
    'stream',
    eachChunk((draft) => ({ ...draft, model: 'gpt-5-pro' })),
    ['signer', 'model_mismatch'],
  ],
  [
    'with another model in its body',
    'body',
    (text) => JSON.stringify({ ...(JSON.parse(text) as Draft), model: 'gpt-5-pro' }),
    ['signer', 'model_mismatch'],
  ],
  [
    'with another id in each chunk',
    'stream',
    eachChunk((draft, place) => ({ ...draft, id: `chatcmpl-${String(place)}` })),
    ['signer', 'answer_ambiguous'],
  ],
  [
    'whose chunks call themselves messages of a thread',
    'stream',
    eachChunk((draft) => ({ ...draft, object: 'thread.message' })),
    ['signer', 'model_mismatch', 'answer_ambiguous'],
  ],
  ['as a stream, where a body was asked for', 'body', asStream, ['signer', 'answer_form_mismatch']],
  ['as a body, where a stream was asked for', 'stream', asBody, ['signer', 'answer_form_mismatch']],
  [
    'without its terminator',
    'stream',
    (text) => text.replace('data: [DONE]\n\n', ''),
    ['signer', 'stream_cut'],
  ],
]

describe.each(Object.keys(DOORS))('%s', (door) => {
  const judge = DOORS[door] ?? (() => Promise.reject(new Error('no door')))
  const saved = (form: Form) =>
    Buffer.from(receiptOf(files[form]).response ?? '', 'base64').toString()

  test.each(REFUSED)('refuses an answer %s (%s)', async (_, form, change, finding) => {
    expect(await judge(files[form], change(saved(form)))).toEqual(finding)
  })

  test('accepts both forms as they came, and written anew without another meaning', async () => {
    expect(await judge(files.body, saved('body'))).toEqual(['bytes'])
    expect(await judge(files.stream, saved('stream'))).toEqual(['bytes'])
    const commented = `: kept alive\n\n${saved('stream')}`
    expect(await judge(files.stream, commented)).toEqual(['content'])
    const spaced = JSON.stringify(JSON.parse(saved('body')), null, 1)
    expect(await judge(files.body, spaced)).toEqual(['content'])
  })
})
