/** What docs/configuration.md says of GPU evidence, held to the code. */
import { describe, expect, test } from 'vitest'
import * as appraiser from '../../attestation/appraiser/index.ts'
import { readText } from './source-tree.ts'

const PAGE = readText('docs/configuration.md').split('\n## GPU evidence\n')[1] ?? ''

/** The code blocks of one language, in order. */
function blocks(language: string): readonly string[] {
  return PAGE.split(`\`\`\`${language}\n`)
    .slice(1)
    .map((rest) => rest.split('\n```')[0] ?? '')
}

describe('docs/configuration.md on GPU evidence', () => {
  test('has every rung with the sentences that verify prints', () => {
    const rows = PAGE.split('\n').flatMap((line) => {
      const [, name, proves, doesNotProve] =
        /^\| `([a-z-]+)`\s*\| (.+?)\s*\| (.+?)\s*\|$/.exec(line) ?? []
      return name === undefined ? [] : [[name, { proves, doesNotProve }]]
    })
    expect(rows).toEqual(Object.entries(appraiser.GPU_RUNGS))
  })

  test('shows a policy that the parser takes', () => {
    const [policy = ''] = blocks('json')
    expect(appraiser.parsePolicy(JSON.parse(policy))).toMatchObject({ ok: true })
  })

  test('shows a program whose imports are exported, and vectors that are there', () => {
    const [program = ''] = blocks('ts')
    const names = /import \{([^}]+)\} from 'countersign\/appraiser'/.exec(program)?.[1] ?? ''
    const imported = names.split(',').map((name) => name.trim())
    expect(imported).toContain('appraiseGpu')
    for (const name of imported.filter((each) => each !== ''))
      expect(appraiser).toHaveProperty(name)
    const [vector = ''] = /test\/vectors\/gpu\/[\w-]+\/input\.json/.exec(PAGE) ?? []
    expect(JSON.parse(readText(vector))).toHaveProperty('evidence')
  })
})
