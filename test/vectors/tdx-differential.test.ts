/** `@phala/dcap-qvl`, a verifier nobody here wrote, on the whole corpus. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readText } from '../project/source-tree.ts'
import { judgeByDcapQvl } from './dcap-qvl.helpers.ts'
import { CORPUS, publishedVectors } from './tdx-corpus.helpers.ts'

interface Recorded {
  readonly version: string
  /** Reason → ids that it accepts and that have to be refused; and the other way round. */
  readonly accepts: Readonly<Record<string, readonly string[]>>
  readonly refuses: Readonly<Record<string, readonly string[]>>
}

const RECORDED = JSON.parse(readFileSync(new URL('dcap-qvl.json', CORPUS), 'utf8')) as Recorded
const README = readText('test/vectors/tdx/README.md')

function idsOf(reasons: Recorded['accepts']): string[] {
  return Object.values(reasons).flat().toSorted()
}

describe('dcap-qvl on the corpus', () => {
  test('disagrees exactly where the record says, in the direction that it says', () => {
    const [accepts, refuses]: [string[], string[]] = [[], []]
    for (const { id, input, verdict } of publishedVectors()) {
      const ours = verdict === 'accepted-as-of'
      const theirs = judgeByDcapQvl(input).accepts
      if (theirs && !ours) accepts.push(id)
      if (ours && !theirs) refuses.push(id)
    }
    expect(accepts.toSorted()).toEqual(idsOf(RECORDED.accepts))
    expect(refuses.toSorted()).toEqual(idsOf(RECORDED.refuses))
  }, 60_000)

  test('every reason of the record is explained, with its count', () => {
    for (const [reason, ids] of Object.entries({ ...RECORDED.accepts, ...RECORDED.refuses })) {
      const row = new RegExp(`^\\| ${reason}\\s+\\| ${ids.length}\\s+\\| .{20,}`, 'm')
      expect(README, reason).toMatch(row)
    }
  })

  test('is the version that the record is of', () => {
    const { devDependencies } = JSON.parse(readText('package.json')) as {
      readonly devDependencies: Readonly<Record<string, string>>
    }
    expect(devDependencies['@phala/dcap-qvl']).toBe(RECORDED.version)
    expect(README).toContain(`\`@phala/dcap-qvl\` ${RECORDED.version}`)
  })
})
