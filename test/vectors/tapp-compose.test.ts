/** TAPP's normal form, against what the libraries that TAPP uses make of the same texts. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { normalizeCompose } from '../../attestation/appraiser/tapp/normalize-compose.ts'
import { measureCompose } from '../../attestation/simulator/tapp/compose-measurement.ts'
import { COMPOSE } from '../appraiser/tapp.helpers.ts'

const VECTORS = JSON.parse(readFileSync(new URL('tapp/compose.json', import.meta.url), 'utf8')) as {
  readonly normal: readonly { readonly text: string; readonly form: string }[]
  readonly ambiguous: readonly string[]
}

describe('the normal form of a compose text', () => {
  test.each(VECTORS.normal.map(({ text, form }, number) => [number, text, form] as const))(
    'is that of serde_yaml and serde_json: %i',
    (_, text, form) => {
      expect(normalizeCompose(text)).toEqual({ ok: true, text: form })
    },
  )

  test.each(VECTORS.ambiguous.map((text) => [JSON.stringify(text.slice(0, 40)), text] as const))(
    'is not computed where readers differ: %s',
    (_, text) => {
      expect(normalizeCompose(text).ok).toBe(false)
    },
  )

  test('the simulator measures what the verifier recomputes', () => {
    const normal = normalizeCompose(COMPOSE)
    if (!normal.ok) throw new Error(normal.detail)
    expect(createHash('sha384').update(normal.text).digest('hex')).toBe(
      Buffer.from(measureCompose(COMPOSE)).toString('hex'),
    )
  })

  test('the compose text of the deployment page has one, which serve can be verified by', () => {
    const page = readFileSync(new URL('../../docs/deploy-tapp.md', import.meta.url), 'utf8')
    const text = /```yaml\n([^]*?)```/.exec(page)?.[1] ?? ''
    expect(text).toContain('/run/tapp/tapp.sock')
    const normal = normalizeCompose(text)
    if (!normal.ok) throw new Error(normal.detail)
    expect(createHash('sha384').update(normal.text).digest('hex')).toBe(
      Buffer.from(measureCompose(text)).toString('hex'),
    )
  })

  test('any text ends in a result', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(typeof normalizeCompose(text).ok).toBe('boolean')
      }),
    )
  })

  test('JSON, which is YAML, has the form of its own values with sorted keys', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), fc.stringMatching(/^[a-z ]{1,6}$/)),
        (value) => {
          const sorted = Object.fromEntries(
            Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)),
          )
          expect(normalizeCompose(JSON.stringify(value))).toEqual({
            ok: true,
            text: JSON.stringify(sorted, null, 2),
          })
        },
      ),
    )
  })
})
