/** Answers in which an intermediary put members of null beside those of the API, under names that some readers take for the same. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { contentKindOf } from '../../attestation/protocol/content-kinds.ts'
import { CONTENT_KINDS } from '../../attestation/protocol/content.ts'
import type { ContentKind } from '../../attestation/protocol/content.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { foldName, membersOf } from '../../src/client/answer-members.ts'
import type { Member } from '../../src/client/answer-members.ts'
import { readSaved } from '../../src/client/read-answer.ts'
import { MODEL, TOKENS } from '../harness/service.ts'
import { TOOLS, openStage, user } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'
import { ASKS, dataOf, eventsOf, object, streamed, textOf, whole } from './kind-attacks.helpers.ts'
import type { Members } from './kind-attacks.helpers.ts'

const ALL: Readonly<Record<string, object>> = {
  ...ASKS,
  '/chat/completions': {
    messages: [{ role: 'user', content: '[[reasoning]] [[tools]]' }],
    tools: TOOLS,
    logprobs: true,
  },
  '/responses': {
    input: '[[tool]]',
    tools: TOOLS.map((t) => ({ type: 'function', ...t.function })),
  },
}

interface Honest {
  readonly path: string
  readonly kind: ContentKind
  readonly form: 'body' | 'stream'
  readonly text: string
}
const honest: Honest[] = []

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
  for (const [path, more] of Object.entries(ALL)) {
    const kind = contentKindOf(`/v1${path}`)
    if (kind === null) throw new Error('no kind')
    for (const form of ['body', 'stream'] as const) {
      if (form === 'stream' && kind === 'embeddings/v1') continue
      const response = await user(stage, 'direct').fetch(`${stage.at.url}/v1${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKENS.alice}` },
        body: JSON.stringify({ model: MODEL, ...more, stream: form === 'stream' }),
      })
      honest.push({ path, kind, form, text: await response.text() })
    }
  }
})
afterAll(() => stage.close())

/** What of the API is a value of the user's or the model's, or is not vouched for. */
const FREE = new Set(['usage', 'logprobs', 'input', 'metadata', 'tools', 'text', 'reasoning'])

function objectsOf(value: unknown): Members[] {
  if (Array.isArray(value)) return value.flatMap(objectsOf)
  if (!isJsonObject(value)) return []
  const within = Object.entries(value).filter(([name]) => !FREE.has(name))
  return [value, ...within.flatMap(([, member]) => objectsOf(member))]
}

const isPlain = ({ kind, text }: Honest) => {
  const read = readSaved(kind, Buffer.from(text), null, nodeCrypto)
  expect(read.fault).toBeNull()
  return read.plain
}

/** The honest answer with a member of null in the object that `pick` chooses among all of its objects. */
function withNull(answer: Honest, pick: (objects: Members[]) => [Members, string]): Honest {
  const put = (values: readonly unknown[]) => {
    const [into, name] = pick(objectsOf(values))
    into[name] = null
  }
  if (answer.form === 'body') {
    const body = JSON.parse(answer.text) as Members
    put([body])
    return { ...answer, text: JSON.stringify(body) }
  }
  const events = eventsOf(answer.text.replace('data: [DONE]\n\n', ''))
  put(events.map(dataOf))
  const end = answer.text.includes('data: [DONE]') ? 'data: [DONE]\n\n' : ''
  return { ...answer, text: textOf(events) + end }
}

/** Letters that Unicode's simple case folding takes for one of ASCII, beside the other case. */
const LOOKALIKES: Readonly<Record<string, string>> = { s: '\u017f', k: '\u212a' }
const variantOf = (name: string, spelling: readonly number[]) => {
  const letters = [...name].map((letter, i) => {
    const how = (spelling[i % spelling.length] ?? 0) % 3
    return how === 0 ? letter : how === 1 ? letter.toUpperCase() : (LOOKALIKES[letter] ?? letter)
  })
  const variant = letters.join('')
  return variant === name ? name.slice(0, 1).toUpperCase() + name.slice(1) : variant
}

describe('names that differ in case alone', () => {
  test('honest answers have none', () => {
    expect(honest).toHaveLength(9)
    for (const answer of honest)
      expect([answer.path, answer.form, isPlain(answer)]).toEqual([answer.path, answer.form, true])
  })

  test('beside any member of any object of an answer of any kind are refused', () => {
    for (const answer of honest) {
      fc.assert(
        fc.property(
          fc.nat(),
          fc.nat(),
          fc.array(fc.nat(2), { minLength: 1, maxLength: 12 }),
          (at, of, spelling) => {
            const changed = withNull(answer, (objects) => {
              const into = object(objects[at % objects.length])
              const names = Object.keys(into)
              // The last delta of a chat is empty.
              return [into, variantOf(names[of % names.length] ?? 'content', spelling)]
            })
            expect(isPlain(changed)).toBe(false)
          },
        ),
        { numRuns: 60 },
      )
    }
  })

  test.each([
    ['/completions', 'Choices'],
    ['/messages', 'Content'],
    ['/responses', 'Output'],
    ['/embeddings', 'Data'],
    ['/responses', '\u017ftatus'],
    ['/completions', 'obJect'],
  ])('an answer of %s with "%s":null is not handed out', async (path, name) => {
    const ambiguous = { accepted: false, code: 'answer_ambiguous' }
    expect(await whole(stage, path, (answer) => ({ ...answer, [name]: null }))).toMatchObject(
      ambiguous,
    )
    if (path !== '/embeddings' && path !== '/completions') {
      const changed = streamed(stage, path, (events) =>
        events.map(([event, data]) => [event, { ...data, [variantOf('type', [1])]: null }]),
      )
      expect(await changed).toMatchObject(ambiguous)
    }
  })

  test.each([
    ['/chat/completions', 'Error'],
    ['/completions', 'systemFingerprint'],
    ['/messages', 'Stop_Sequence'],
    ['/responses', 'INCOMPLETE-DETAILS'],
    ['/embeddings', 'u\u017fage'],
  ])('are refused in %s where nothing has the name they look like: %s', (path, name) => {
    const [answer] = honest.filter((each) => each.path === path && each.form === 'body')
    if (answer === undefined) throw new Error('no answer')
    const body = JSON.parse(answer.text) as Members
    for (const known of Object.keys(body))
      if (foldName(known) === foldName(name)) delete body[known]
    expect(isPlain({ ...answer, text: JSON.stringify(body) })).toBe(true)
    expect(isPlain({ ...answer, text: JSON.stringify({ ...body, [name]: null }) })).toBe(false)
  })

  test('of members that no API has are refused, too; in a tool’s input they are the model’s', () => {
    const [answer] = honest.filter(({ kind, form }) => kind === 'messages/v1' && form === 'body')
    if (answer === undefined) throw new Error('no answer')
    const both = { note: null, Note: null }
    const body = JSON.parse(answer.text) as Members
    expect(isPlain({ ...answer, text: JSON.stringify({ ...body, ...both }) })).toBe(false)
    const block = { type: 'tool_use', id: 'a', name: 'b', input: { ...both, Type: 1, type: 2 } }
    const text = JSON.stringify({ ...body, content: [block] })
    expect(isPlain({ ...answer, text })).toBe(true)
  })
})

describe('what names fold to', () => {
  const ASCII = Array.from('abcdefghijklmnopqrstuvwxyz0123456789')

  test('takes every character for a letter that Unicode’s simple case folding takes for it', () => {
    for (const letter of ASCII) {
      // Without case and with Unicode a regular expression compares by simple case folding (ECMA-262 §22.2.2.7.3).
      const same = new RegExp(`^${letter}$`, 'iu')
      for (let point = 0; point <= 0xffff; point++) {
        const char = String.fromCharCode(point)
        if (same.test(char)) expect(foldName(char)).toBe(letter)
      }
    }
  })

  test('tells the members of one object apart', () => {
    const check = (member: Member): void => {
      if (member === 'said' || member === 'other') return
      expect(member.folded.size).toBe(member.named.size)
      for (const inner of member.named.values()) check(inner)
    }
    for (const kind of CONTENT_KINDS) {
      check(membersOf(kind, true))
      check(membersOf(kind, false))
    }
  })
})
