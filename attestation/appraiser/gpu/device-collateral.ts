/**
 * The collateral of one appraisal: reference manifests and revocation answers that several devices share, so that each is
 * verified once for all of them.
 *
 * @module
 */
import type { CryptoPort } from '../../crypto/port.ts'
import { decodeBase64 } from '../../protocol/base64.ts'
import type { GpuCollateral } from '../../protocol/gpu-collateral.ts'
import { fromHex } from '../../protocol/hex.ts'
import { createCertificateMemo } from '../x509/certificate-memo.ts'
import type { Certificate } from '../x509/parse-certificate.ts'
import { keepResponses, recallResponses } from './gpu-cache.ts'
import type { GpuCache } from './gpu-cache.ts'
import type { GpuPolicy } from './gpu-policy.ts'
import { judgeRevocation } from './ocsp/judge-revocation.ts'
import { createOcspMemo } from './ocsp/ocsp-memo.ts'
import { revocationVerdict } from './ocsp/revocation-verdict.ts'
import type { RevocationVerdict } from './ocsp/revocation-verdict.ts'
import { verifyRim } from './rim/verify-rim.ts'
import type { Rim, RimResult } from './rim/verify-rim.ts'

export interface DeviceCollateral {
  /** Whether any was given. */
  readonly given: boolean
  /** The manifest that was given under this name, verified; null: none was. Its name proves nothing about its content. */
  rim(this: void, id: string): RimResult | null
  /** Revocation of a device's certificates 1 to 3. The chain must have been verified. */
  deviceRevocation(this: void, chain: readonly Certificate[]): RevocationVerdict
  /** Revocation of a manifest's signer, and of the two certificates above it. */
  rimRevocation(this: void, rim: Rim): RevocationVerdict
  /** Unix seconds: the newest date of the revocation answers that counted so far; null: none did. */
  revocationDate(this: void): number | null
  /** After the last question: keeps for later appraisals what was found, where all of it was good. */
  keep(this: void): void
}

export interface DeviceCollateralOptions {
  readonly crypto: CryptoPort
  /** Unix seconds. */
  readonly at: number
  readonly allowSimulated: boolean
  readonly policy: GpuPolicy
  readonly cache?: GpuCache
}

/** What does not decode is empty, and so no manifest and no response; `readGpuCollateral` lets none of it through. */
function bytesOf(base64: string): Uint8Array {
  return decodeBase64(base64) ?? new Uint8Array()
}

/** @param collateral null: none is at hand */
export function createDeviceCollateral(
  collateral: GpuCollateral | null,
  options: DeviceCollateralOptions,
): DeviceCollateral {
  const { crypto, at, allowSimulated, policy, cache } = options
  const rimRoots = policy.rimRoots.map((root) => fromHex(root) ?? new Uint8Array())
  const rims = new Map<string, RimResult>()
  // The certificates above the signers are the same in every manifest of a product.
  const rimCertificates = createCertificateMemo()
  const revocations = new Map<Rim, RevocationVerdict>()
  const given = collateral?.ocsp ?? []
  const responses = given.map(bytesOf)
  const memo = recallResponses(cache, given, crypto) ?? createOcspMemo()
  /** Of the answers that were asked for; null: none was. */
  let allGood: boolean | null = null
  let newest: number | null = null
  const ocsp = {
    crypto,
    at,
    graceS: policy.ocspGraceS,
    maxAgeS: policy.maxOcspAgeS,
    allowHold: policy.allowHold,
    memo,
  }

  const rim = (id: string): RimResult | null => {
    const known = rims.get(id)
    if (known !== undefined) return known
    const named = collateral?.rims.find((one) => one.id === id)
    if (named === undefined) return null
    const result = verifyRim(bytesOf(named.rim), {
      crypto,
      at,
      rootSha256: rimRoots,
      allowSimulated,
      graceS: policy.rimGraceS,
      memo: rimCertificates,
      ...(cache === undefined ? {} : { cache: cache.rims }),
    })
    rims.set(id, result)
    return result
  }
  const revocation = (chain: readonly Certificate[], first: number): RevocationVerdict => {
    const verdict = revocationVerdict(judgeRevocation(chain, responses, ocsp), first)
    allGood = allGood !== false && verdict.status === 'pass'
    if (verdict.status === 'pass') newest = Math.max(newest ?? verdict.madeAt, verdict.madeAt)
    return verdict
  }
  const rimRevocation = (of: Rim): RevocationVerdict => {
    const known = revocations.get(of)
    if (known !== undefined) return known
    const verdict = revocation(of.chain, 0)
    revocations.set(of, verdict)
    return verdict
  }
  return {
    given: collateral !== null,
    rim,
    // The leaf is made on the device: no responder knows it, and it lives only as long as its firmware.
    deviceRevocation: (chain) => revocation(chain.slice(1), 1),
    rimRevocation,
    revocationDate: () => newest,
    keep: () => {
      if (allGood === true) keepResponses(cache, given, memo, crypto)
    },
  }
}
