/** An answer of NVIDIA's service that stands alone, under a policy that asks for more than its claims say. */
import { describe, expect, test } from 'vitest'
import { appraiseNrasAnswer } from '../../attestation/appraiser/gpu/nras/appraise-nras-answer.ts'
import { parsePolicy } from '../../attestation/appraiser/policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { AT, JWKS, NONCE, SWITCH_CLAIMS, answer, bytes, device } from './nras.helpers.ts'

describe('a policy that asks for what an answer does not say', () => {
  async function judge(gpu: object, given: unknown = answer(), kind: 'gpu' | 'switch' = 'gpu') {
    const read = parsePolicy({ gpu })
    if (!read.ok) throw new Error(read.detail)
    const { policy } = read
    const { verdict } = await appraiseNrasAnswer(bytes(given), {
      crypto: nodeCrypto,
      at: AT,
      nonce: toHex32(Buffer.from(NONCE, 'hex')),
      kind,
      policy,
      jwks: bytes(JWKS),
    })
    const failed = verdict.checks.filter(({ status }) => status === 'fail')
    return [verdict.verdict, ...failed.map(({ id, code, detail }) => `${id} ${code} ${detail}`)]
  }
  const switches = (count: number) =>
    answer({
      devices: Object.fromEntries(
        Array.from({ length: count }, (_, index) => [
          `SWITCH-${index}`,
          device({ ueid: `50909617${index}` }, SWITCH_CLAIMS),
        ]),
      ),
    })

  test('refuses an answer about devices whose serial numbers nobody looked at', async () => {
    expect(await judge({})).toEqual(['accepted'])
    expect(await judge({ gpuSerials: ['41e23d711e1c4fbfac'] })).toEqual([
      'rejected',
      'nras.policy nras_policy_unjudged gpu.gpuSerials',
    ])
    expect(await judge({ switchSerials: [] }, switches(4), 'switch')).toEqual([
      'rejected',
      'nras_switch.policy nras_policy_unjudged gpu.switchSerials',
    ])
    expect(await judge({ gpuSerials: [] }, switches(4), 'switch')).toEqual(['accepted'])
  })

  test('refuses modes that the claims do not tell apart, and a list of none', async () => {
    for (const modes of [[], ['single-pass-through'], ['protected-pcie', 'unstated']]) {
      expect(await judge({ modes })).toEqual([
        'rejected',
        'nras.policy nras_policy_unjudged gpu.modes',
      ])
    }
    const others = ['single-pass-through', 'multiple-pass-through', 'unstated']
    expect(await judge({ modes: others })).toEqual(['accepted'])
    const [verdict, ...failed] = await judge({ modes: ['protected-pcie'] })
    expect([verdict, failed.join()]).toEqual([
      'rejected',
      expect.stringMatching(/^nras\.0\.claims/),
    ])
  })

  test('refuses GPUs alone where there have to be switches, and another number of switches', async () => {
    expect(await judge({ switches: 4 })).toEqual([
      'rejected',
      'nras.policy nras_policy_unjudged gpu.switches',
    ])
    expect(await judge({ switches: 4 }, switches(4), 'switch')).toEqual(['accepted'])
    expect(await judge({ switches: 4 }, switches(3), 'switch')).toEqual([
      'rejected',
      'nras_switch.count nras_count_mismatch 3 of 4',
    ])
  })
})
