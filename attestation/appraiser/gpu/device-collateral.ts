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
import type { Certificate } from '../x509/parse-certificate.ts'
import type { GpuPolicy } from './gpu-policy.ts'
import { judgeRevocation } from './ocsp/judge-revocation.ts'
import { createOcspMemo } from './ocsp/ocsp-memo.ts'
import { revocationVerdict } from './ocsp/revocation-verdict.ts'
import type { RevocationVerdict } from './ocsp/revocation-verdict.ts'
import type { RimCache } from './rim/rim-cache.ts'
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
}

export interface DeviceCollateralOptions {
  readonly crypto: CryptoPort
  /** Unix seconds. */
  readonly at: number
  readonly allowSimulated: boolean
  readonly policy: GpuPolicy
  readonly rimCache?: RimCache
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
  const { crypto, at, allowSimulated, policy, rimCache } = options
  const rimRoots = policy.rimRoots.map((root) => fromHex(root) ?? new Uint8Array())
  const rims = new Map<string, RimResult>()
  const revocations = new Map<Rim, RevocationVerdict>()
  const responses = (collateral?.ocsp ?? []).map(bytesOf)
  const ocsp = {
    crypto,
    at,
    graceS: policy.ocspGraceS,
    maxAgeS: policy.maxOcspAgeS,
    allowHold: policy.allowHold,
    memo: createOcspMemo(),
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
      ...(rimCache === undefined ? {} : { cache: rimCache }),
    })
    rims.set(id, result)
    return result
  }
  const rimRevocation = (of: Rim): RevocationVerdict => {
    const known = revocations.get(of)
    if (known !== undefined) return known
    const verdict = revocationVerdict(judgeRevocation(of.chain, responses, ocsp), 0)
    revocations.set(of, verdict)
    return verdict
  }
  return {
    given: collateral !== null,
    rim,
    // The leaf is made on the device: no responder knows it, and it lives only as long as its firmware.
    deviceRevocation: (chain) =>
      revocationVerdict(judgeRevocation(chain.slice(1), responses, ocsp), 1),
    rimRevocation,
  }
}
