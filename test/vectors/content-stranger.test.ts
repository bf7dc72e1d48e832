/** The vectors of content under an implementation in another language, made from docs/protocol.md alone. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { CONTENT_CORPUS, CONTENT_VECTORS } from './content.helpers.ts'

const FOLDER = fileURLToPath(CONTENT_CORPUS)
const present = spawnSync('python3', ['--version']).status === 0
if (!present) console.warn('SKIPPED: no python3 here, the content is not checked by a stranger')

function python(script: string, ...args: readonly string[]) {
  const ran = spawnSync('python3', [join(FOLDER, script), ...args])
  return { status: ran.status, out: ran.stdout.toString(), err: ran.stderr.toString() }
}

describe.skipIf(!present)('an implementation in Python', () => {
  test('finds nothing wrong with any framing of any vector', () => {
    const { status, out, err } = python('check_content.py', FOLDER)
    expect(err).toBe('')
    const found = JSON.parse(out) as Readonly<Record<string, readonly string[]>>
    expect(Object.keys(found)).toHaveLength(CONTENT_VECTORS.length)
    expect([status, Object.values(found).flat()]).toEqual([0, []])
  })

  test('wrote what is there', () => {
    expect(python('generate.py', '--check')).toEqual({ status: 0, out: '', err: '' })
  })

  test('finds a letter, a salt and a status that were changed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'))
    const text = readFileSync(join(FOLDER, 'chat-text.json'), 'utf8')
    const changes: readonly (readonly [string, string])[] = [
      ['Hello, ', 'hello, '],
      ['"opening": "', '"opening": "00'],
      ['"status": "covered"', '"status": "partial"'],
    ]
    changes.forEach(([from, to], number) => {
      const changed = to.endsWith('00')
        ? text.replace(/("opening": ")../, '$100')
        : text.replace(from, to)
      expect(changed).not.toBe(text)
      writeFileSync(join(folder, `${String(number)}.json`), changed)
    })
    const { status, out } = python('check_content.py', folder)
    rmSync(folder, { recursive: true })
    const found = JSON.parse(out) as Readonly<Record<string, readonly string[]>>
    expect(status).toBe(1)
    expect(Object.values(found).map((each) => each.length > 0)).toEqual([true, true, true])
  })
})

describe('the corpus', () => {
  test('has every kind and every status, and no digest twice', () => {
    expect(CONTENT_VECTORS.length).toBeGreaterThanOrEqual(60)
    for (const kind of ['chat/v1', 'text/v1', 'messages/v1', 'responses/v1', 'embeddings/v1']) {
      const own = CONTENT_VECTORS.filter((vector) => vector.kind === kind)
      const statuses = new Set(own.map(({ expected }) => expected.status))
      const expected = ['covered', 'none', 'partial']
      // Nothing of an embedding is said twice.
      if (kind !== 'embeddings/v1') expected.push('ambiguous')
      expect([kind, [...statuses].toSorted()]).toEqual([kind, expected.toSorted()])
    }
    const digests = CONTENT_VECTORS.map(({ expected }) => expected.digest).filter(Boolean)
    expect(new Set(digests).size).toBe(digests.length)
  })
})
