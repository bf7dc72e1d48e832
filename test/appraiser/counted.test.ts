import { expect, test } from 'vitest'
import { counted } from '../../attestation/appraiser/counted.ts'
import { projectFiles, readText } from '../project/source-tree.ts'

test('one is not many, and nothing is', () => {
  expect([0, 1, 2].map((count) => counted(count, 'boot'))).toEqual(['0 boots', '1 boot', '2 boots'])
  expect(counted(1, 'leaf', 'leaves')).toBe('1 leaf')
  expect(counted(19_968, 'leaf', 'leaves')).toBe('19968 leaves')
})

test('no text counts what it may hold one of in another way', () => {
  const COUNT =
    /\$\{[a-z][^}]*\} (?:leaves|receipts|boots|entries|(?:attestation )?documents|certificates|devices|events)\b/
  const found = projectFiles()
    .filter((path) => /^(?:src|enclave|attestation\/(?:appraiser|attester))\/.*\.ts$/.test(path))
    .filter((path) => COUNT.test(readText(path)))
  expect(found).toEqual([])
})
