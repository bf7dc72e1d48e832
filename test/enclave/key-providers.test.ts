import { describe, expect, test } from 'vitest'
import {
  ADDRESS_KEY_SOURCES,
  ADDRESS_SURVIVAL,
  chooseAddressKeySource,
  KEY_PROVIDERS,
  keyProviderOf,
} from '../../enclave/keys/key-providers.ts'
import { readText } from '../project/source-tree.ts'

describe('what an address survives', () => {
  test('docs/keys.md shows the matrix of the code, row by row', () => {
    const mark = (flag: boolean) => (flag ? 'yes' : 'no')
    const rows = KEY_PROVIDERS.flatMap((provider) =>
      ADDRESS_KEY_SOURCES.map((source) => {
        const cell = ADDRESS_SURVIVAL[provider][source]
        const words =
          cell === null
            ? ['refused', 'refused', 'refused']
            : [mark(cell.restart), mark(cell.upgrade), mark(cell.recreation)]
        return [`\`${provider}\``, `\`${source}\``, ...words].join('|')
      }),
    )
    const written = readText('docs/keys.md')
      .split('\n')
      .filter((line) => /^\| `[a-z-]+` +\| `[a-z]+` /.test(line))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim())
          .join('|'),
      )
    expect(written).toEqual(rows)
  })

  test('never promises more for a later event than for an earlier one', () => {
    for (const cell of KEY_PROVIDERS.flatMap((name) => Object.values(ADDRESS_SURVIVAL[name]))) {
      if (cell === null) continue
      expect(Number(cell.restart)).toBeGreaterThanOrEqual(Number(cell.upgrade))
      expect(Number(cell.upgrade)).toBeGreaterThanOrEqual(Number(cell.recreation))
    }
  })
})

describe('the source', () => {
  test('is derived by default under a KMS, and nowhere else', () => {
    expect(chooseAddressKeySource('kms', undefined, true)).toMatchObject({
      ok: true,
      source: 'derived',
    })
    for (const provider of ['local-sgx', 'tpm', 'none', null, 'something-new']) {
      const choice = chooseAddressKeySource(provider, undefined, true)
      expect(choice.ok).toBe(false)
      if (!choice.ok) expect(choice.problem).toMatch(/Choose in words: --address-key .*ephemeral/)
    }
  })

  test.each([
    ['none', 'derived'],
    ['none', 'sealed'],
    [null, 'sealed'],
    ['tapp', 'derived'],
    ['something-new', 'derived'],
    ['KMS', 'derived'],
  ] as const)('under the provider %s cannot be %s', (provider, source) => {
    const choice = chooseAddressKeySource(provider, source, true)
    expect(choice).toEqual({
      ok: false,
      problem: `The address key cannot be ${source}: the measured key provider ${provider ?? 'none'} gives new keys at each start of the machine. Possible: --address-key ephemeral.`,
    })
  })

  test('is ephemeral alone where the agent gives no keys, whatever the provider', () => {
    for (const source of ['derived', 'sealed', undefined] as const) {
      expect(chooseAddressKeySource('kms', source, false).ok).toBe(false)
    }
    expect(chooseAddressKeySource('kms', 'ephemeral', false).ok).toBe(true)
  })

  test('takes a provider that calls itself tapp for none: no dstack guest measures that', () => {
    expect(keyProviderOf('tapp')).toBe('none')
    expect(keyProviderOf('local-sgx')).toBe('local-sgx')
  })
})
