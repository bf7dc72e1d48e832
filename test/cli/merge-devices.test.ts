/** Eight GPUs in as few lines as they differ in. */
import { expect, test } from 'vitest'
import { fail, pass, skip } from '../../attestation/appraiser/check.ts'
import { formatChecks } from '../../src/cli/print-verdict.ts'

test('devices that say the same share a line, and one that differs keeps its own', () => {
  const checks = [
    pass('gpu.unique', ''),
    ...[0, 1, 2, 3].flatMap((index) => [
      index === 2
        ? fail(`gpu.${index}.nonce`, 'gpu_nonce_mismatch', '')
        : pass(`gpu.${index}.nonce`, ''),
      pass(`gpu.${index}.serials`, '', `serial ${index}`),
    ]),
    skip('switch.0.nonce', 'collateral_not_given', ''),
    pass('gpu.rung', ''),
  ]
  expect(formatChecks(checks).split('\n')).toEqual([
    '  pass  gpu.unique',
    '  pass  gpu.0-1,3.nonce',
    '  pass  gpu.0.serials    serial 0',
    '  pass  gpu.1.serials    serial 1',
    '  FAIL  gpu.2.nonce      gpu_nonce_mismatch',
    '  pass  gpu.2.serials    serial 2',
    '  pass  gpu.3.serials    serial 3',
    '  skip  switch.0.nonce   collateral_not_given',
    '  pass  gpu.rung',
  ])
})

test('a failure is never merged with a pass, nor rows of a GPU with those of a switch', () => {
  const checks = [
    pass('gpu.0.chain', ''),
    pass('switch.0.chain', ''),
    fail('gpu.1.chain', 'gpu_chain_untrusted_root', ''),
  ]
  expect(formatChecks(checks).split('\n')).toHaveLength(3)
})
