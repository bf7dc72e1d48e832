/** Nothing of the party being judged reaches a terminal as anything but visible text. */
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { fail, skip } from '../../attestation/appraiser/check.ts'
import { appraiseTdx } from '../../attestation/appraiser/report/appraise-tdx.ts'
import { decideVerdict } from '../../attestation/appraiser/verdict.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { renderAppraisal } from '../../src/cli/appraise-tdx.ts'
import { formatChecks } from '../../src/cli/print-verdict.ts'
import { printable, printableJson } from '../../src/cli/printable.ts'
import { exitWith, Refusal } from '../../src/cli/refusal.ts'

/** Escape, C1 controls, line separators, bidirectional controls, and what shows as nothing at all. */
const EVIL = [
  ...['\u001b', '\u0007', '\r', '\u007f', '\u0080', '\u009b', '\u009f', '\u2028', '\u2029'],
  ...['\u202e', '\u2066', '\u200b', '\u200f', '\ufeff', '\u061c', '\u00ad', '\u180e', '\ufff9'],
  ...['\u115f', '\u1160', '\u3164', '\uffa0', '\u034f', '\ufe0f', '\u{e0041}', '\u{1d173}'],
]
const raw = (text: string): string[] => EVIL.filter((character) => text.includes(character))

describe('text of the party being judged', () => {
  test('is escaped: controls, formats, and characters that nobody sees', () => {
    expect(raw(printable(EVIL.join('x')))).toEqual([])
    expect(printable('\u001b[2J\u009b1;1H')).toBe('\\u001b[2J\\u009b1;1H')
    expect(printable('\u{e0041}\ud800')).toBe('\\udb40\\udc41\\ud800')
    expect(printable('a line\nof two')).toBe('a line\\u000aof two')
    expect(printable('Größe: 模型 ✓ 😀')).toBe('Größe: 模型 ✓ 😀')
  })

  test('is escaped in JSON, which stays the same value', () => {
    const value = { [EVIL.join('-')]: EVIL, nested: [{ a: 1, b: null }] }
    expect(raw(printableJson(value))).toEqual([])
    expect(JSON.parse(printableJson(value))).toEqual(value)
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...EVIL), (more, evil) => {
        const text = printableJson([more, evil])
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify([more, evil])))
        expect(text).not.toMatch(/[^\P{C}\n]|\p{Default_Ignorable_Code_Point}/u)
      }),
    )
  })

  test('cannot write to the terminal through the lines of checks, nor be longer than they may', () => {
    const line = formatChecks([fail('a.b', 'quote_malformed', '', EVIL.join('').repeat(30))])
    expect(raw(line)).toEqual([])
    expect(line.length).toBeLessThan(300)
  })

  test('cannot write to the terminal through appraise-tdx, by a member that nobody knows', () => {
    for (const evil of EVIL) {
      const input = Buffer.from(JSON.stringify({ quote: '', at: 1, [`x${evil}2J`]: 1 }))
      const out = renderAppraisal(appraiseTdx(input, nodeCrypto))
      expect(raw(out)).toEqual([])
      expect(JSON.parse(out)).toMatchObject({ verdict: 'malformed' })
    }
  })

  test('cannot write to the terminal through a refusal or the text of a fault', () => {
    let out = ''
    const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      out += String(text)
      return true
    })
    const exit = vi.spyOn(process, 'exit').mockImplementation(() => {
      throw new RangeError('ended')
    })
    try {
      const text = `unknown member ${EVIL.join('')}`
      expect(() => exitWith(new Refusal(text))).toThrow('ended')
      expect(() => exitWith(new Error(text))).toThrow('ended')
    } finally {
      stderr.mockRestore()
      exit.mockRestore()
    }
    expect(out).toContain('unknown member \\u001b')
    expect(raw(out)).toEqual([])
  })
})

test('the sentence of a verdict keeps the whole list of checks that were done without', () => {
  const ids = Array.from({ length: 40 }, (_, index) => `gpu.${index}.reference_measurements`)
  const checks = ids.map((id) => skip(id, 'not_yet_checked', ''))
  const { sentence } = decideVerdict(checks, {
    required: [],
    asOf: false,
    simulated: false,
    acceptUnchecked: ['gpu.*.*'],
  })
  for (const id of ids) expect(printable(sentence)).toContain(id)
})
