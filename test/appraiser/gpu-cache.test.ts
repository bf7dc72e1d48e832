import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  CACHED_CHAINS_PER_ENTRY,
  CACHED_RESPONSE_SETS,
  createGpuCache,
} from '../../attestation/appraiser/gpu/gpu-cache.ts'
import { DEFAULT_GPU_POLICY } from '../../attestation/appraiser/gpu/gpu-policy.ts'
import { verifyGpuEvidence } from '../../attestation/appraiser/gpu/verify-gpu-evidence.ts'
import type { GpuListOptions } from '../../attestation/appraiser/gpu/verify-gpu-evidence.ts'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import type { CryptoPort } from '../../attestation/crypto/port.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import {
  answerOcsp,
  createGpuCollateral,
  revocableOfDevices,
  revocableOfRims,
} from '../../attestation/simulator/nvidia/create-gpu-collateral.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import { AT, failures, realOptions } from './gpu.helpers.ts'

const now = new Date(AT * 1000)
const nonce = Uint8Array.from(randomBytes(32))
const rims = createRimPki({ now })
const pki = createNvidiaPki({ now, gpus: 2 })
const list = collectSimulatedGpuEvidence(pki, nonce)
const collateral = createGpuCollateral(pki, rims, AT)
const policy = { ...DEFAULT_GPU_POLICY, rimRoots: [toHex(rims.rootSha256)] }

function counting(): { crypto: CryptoPort; count(): number } {
  let verifications = 0
  const crypto: CryptoPort = {
    ...nodeCrypto,
    verifyEcdsa: (...args) => {
      verifications++
      return nodeCrypto.verifyEcdsa(...args)
    },
  }
  return { crypto, count: () => verifications }
}

function judge(changes: Partial<GpuListOptions>, evidence: unknown = list): string[] {
  const options = realOptions(nonce, {
    rootSha256: [pki.rootSha256],
    allowSimulated: true,
    expectedCount: 2,
    policy,
    collateral,
    ...changes,
  })
  return failures(verifyGpuEvidence(evidence, options))
}

describe('a cache of what was verified of devices', () => {
  test('leaves the signatures of the reports alone to be verified', () => {
    const { crypto, count } = counting()
    const cache = createGpuCache()
    expect(judge({ crypto, cache })).toEqual([])
    const first = count()
    expect(first).toBeGreaterThan(20)
    const fresh = Uint8Array.from(randomBytes(32))
    const again = collectSimulatedGpuEvidence(pki, fresh)
    expect(judge({ crypto, cache, expectedNonce: fresh }, again)).toEqual([])
    expect(count() - first).toBe(2)
  })

  test('changes no verdict: roots, time, revocation, policy and report are judged anew', () => {
    const { crypto } = counting()
    const cache = createGpuCache()
    expect(judge({ crypto, cache })).toEqual([])
    const both = (step: string, code: string) => [0, 1].map((i) => `gpu.${i}.${step} ${code}`)
    const cached = (changes: Partial<GpuListOptions>) => {
      const found = judge({ crypto, cache, ...changes })
      expect(found).toEqual(judge({ crypto, ...changes }))
      return found
    }
    expect(cached({ rootSha256: [] })).toEqual(both('chain', 'gpu_chain_untrusted_root'))
    expect(cached({ allowSimulated: false })).toEqual(both('chain', 'gpu_simulated'))
    expect(cached({ at: AT - 2 * 86_400 })).toEqual(both('chain', 'gpu_chain_time'))
    expect(cached({ at: AT + 2 * 86_400 })).toContain('gpu.0.ocsp ocsp_stale')
    expect(cached({ policy: { ...policy, rimRoots: [] } })).toContain(
      'gpu.0.rim_driver rim_chain_untrusted_root',
    )
    expect(cached({ policy: { ...policy, gpuSerials: [] } })).toEqual(
      both('serials', 'gpu_device_not_accepted'),
    )
    expect(cached({ expectedNonce: new Uint8Array(32) })).toEqual(
      both('nonce', 'gpu_nonce_mismatch'),
    )
    const [first, second] = list
    const swapped = [
      { ...first, certificate: second?.certificate },
      { ...second, certificate: first?.certificate },
    ]
    expect(judge({ crypto, cache }, swapped)).toEqual(both('signature', 'gpu_signature_invalid'))
  })

  test('answers for no other cryptography port', () => {
    const cache = createGpuCache()
    const refusing: CryptoPort = { ...nobleCrypto, verifyEcdsa: () => false }
    expect(judge({ cache })).toEqual([])
    expect(judge({ cache, crypto: refusing })).toEqual([
      'gpu.0.chain gpu_chain_invalid',
      'gpu.1.chain gpu_chain_invalid',
    ])
  })

  test('keeps nothing of what was refused', () => {
    const cache = createGpuCache()
    const bad = { rootSha256: [], policy: { ...policy, rimRoots: [] } }
    expect(judge({ cache, ...bad })).not.toEqual([])
    const revoked = [...revocableOfDevices(pki), ...revocableOfRims(rims)].map((subject) => {
      const status = { kind: 'revoked', at: new Date((AT - 60) * 1000), reason: 1 } as const
      return Buffer.from(answerOcsp(subject, { at: AT, status })).toString('base64')
    })
    const refused = createGpuCache()
    expect(judge({ cache: refused, collateral: { ...collateral, ocsp: revoked } })).not.toEqual([])
    expect([cache.chains.size, cache.rims.entries.size]).toEqual([0, 0])
    expect([cache.responses.size, refused.responses.size]).toEqual([0, 0])
  })

  test('drops what was used longest ago', () => {
    const cache = createGpuCache(1)
    for (let i = 0; i < CACHED_CHAINS_PER_ENTRY + 1; i++) {
      const other = createNvidiaPki({ now, gpus: 2 })
      const changes = {
        rootSha256: [other.rootSha256],
        collateral: createGpuCollateral(other, rims, AT),
      }
      expect(judge({ cache, ...changes }, collectSimulatedGpuEvidence(other, nonce))).toEqual([])
    }
    expect(cache.chains.size).toBe(CACHED_CHAINS_PER_ENTRY)
    expect(cache.rims.entries.size).toBe(1)
    expect(cache.responses.size).toBeLessThanOrEqual(CACHED_RESPONSE_SETS)
    expect(() => createGpuCache(0)).toThrow(RangeError)
  })
})
