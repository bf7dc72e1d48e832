/**
 * Everything that an appraiser of GPU evidence needs beside it: the RIMs that the reports call for, and what OCSP says of the
 * device chains and of the chains of those RIMs.
 *
 * Nothing is judged. What the evidence says chooses names below services that the operator chose, and a few hashes that are
 * sent to them; it never chooses whom to ask, nor more than a fixed number of questions.
 *
 * @module
 */
import type { IssuedCertificate } from '../../appraiser/gpu/ocsp/build-ocsp-request.ts'
import { parseGpuEvidence } from '../../appraiser/gpu/parse-gpu-evidence.ts'
import type { ParsedGpuEvidence } from '../../appraiser/gpu/parse-gpu-evidence.ts'
import { expectedRims } from '../../appraiser/gpu/rim/expected-rims.ts'
import { NVIDIA_RIM_ROOT_SHA256 } from '../../appraiser/gpu/rim/nvidia-rim-root.ts'
import { verifyRim } from '../../appraiser/gpu/rim/verify-rim.ts'
import type { Certificate } from '../../appraiser/x509/parse-certificate.ts'
import { nodeCrypto } from '../../crypto/node.ts'
import { MAX_OCSP_RESPONSES, MAX_RIMS } from '../../protocol/gpu-collateral.ts'
import type { GpuCollateral } from '../../protocol/gpu-collateral.ts'
import { toHex } from '../../protocol/hex.ts'
import { CollateralError } from '../collateral-error.ts'
import { MAX_FETCH_DEVICES } from '../limits.ts'
import type { GpuCollateralClient } from './gpu-collateral-client.ts'

export interface FetchGpuCollateralOptions {
  readonly client: GpuCollateralClient
  /** SHA-256 of the DER of each root under which a RIM's chain is asked about. Default: NVIDIA's. */
  readonly rimRoots?: readonly Uint8Array[]
  /** Also where such a root is simulated. Default: false. */
  readonly allowSimulated?: boolean
}

/** What could not be had, or not be asked for. */
export interface MissingCollateral {
  /** For a person, e.g. `RIM NV_GPU_DRIVER_GH100_550.144.03` or `OCSP of certificate 2 of device 0`. */
  readonly what: string
  readonly error: CollateralError
}

export interface FetchedGpuCollateral {
  /** As received: the appraiser checks all of it, and says of what is missing what that means. */
  readonly collateral: GpuCollateral
  readonly missing: readonly MissingCollateral[]
}

interface Question {
  readonly what: string
  readonly asked: IssuedCertificate
}

/** Each certificate of a chain that has an issuer in it, from `first` on; those that are asked about already are left out. */
function questionsOf(
  chain: readonly Certificate[],
  first: number,
  whose: string,
  known: Map<string, Question>,
): void {
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1]
    if (index < first || issuer === undefined) continue
    const key = `${toHex(nodeCrypto.sha256(certificate.der))}${toHex(nodeCrypto.sha256(issuer.der))}`
    if (known.has(key)) continue
    known.set(key, {
      what: `OCSP of certificate ${index} of ${whose}`,
      asked: { certificate, issuer },
    })
  }
}

function refusedBecause(what: string, why: string): MissingCollateral {
  return { what, error: new CollateralError('collateral_malformed', `${what}: ${why}`) }
}

/** Splits results from failures to fetch; any other error is ours and ends it. */
async function settle<T, R>(
  items: readonly T[],
  whatOf: (item: T) => string,
  run: (item: T) => Promise<R>,
  missing: MissingCollateral[],
): Promise<readonly R[]> {
  const results = await Promise.all(
    items.map(async (item) => {
      try {
        return { value: await run(item) }
      } catch (error) {
        if (!(error instanceof CollateralError)) throw error
        return { what: whatOf(item), error }
      }
    }),
  )
  const values: R[] = []
  for (const result of results) {
    if ('value' in result) values.push(result.value)
    else missing.push(result)
  }
  return values
}

/** What evidence can make us ask is bounded; what goes beyond it is said, not asked. */
function bounded<T>(
  items: readonly T[],
  most: number,
  what: string,
  missing: MissingCollateral[],
): readonly T[] {
  if (items.length > most) missing.push(refusedBecause(what, `more than ${most}`))
  return items.slice(0, most)
}

function readDevices(
  list: readonly unknown[],
  missing: MissingCollateral[],
): readonly { readonly index: number; readonly evidence: ParsedGpuEvidence }[] {
  if (list.length > MAX_FETCH_DEVICES) {
    missing.push(refusedBecause('the list', `more than ${MAX_FETCH_DEVICES} devices`))
    return []
  }
  return list.flatMap((value, index) => {
    const parsed = parseGpuEvidence(value)
    if (parsed.ok) return [{ index, evidence: parsed.evidence }]
    missing.push(refusedBecause(`device ${index}`, `its evidence cannot be read (${parsed.code})`))
    return []
  })
}

/**
 * Never throws for what a service answers or the evidence holds; that is in `missing`.
 *
 * @param list as `verifyGpuEvidence` takes it, unverified
 */
export async function fetchGpuCollateral(
  list: readonly unknown[],
  options: FetchGpuCollateralOptions,
): Promise<FetchedGpuCollateral> {
  const { client, rimRoots = [NVIDIA_RIM_ROOT_SHA256], allowSimulated = false } = options
  const missing: MissingCollateral[] = []
  const ids = new Set<string>()
  const questions = new Map<string, Question>()
  for (const { index, evidence } of readDevices(list, missing)) {
    // The leaf is made on the device and known to no responder.
    questionsOf(evidence.chain, 1, `device ${index}`, questions)
    const expected = expectedRims(evidence.report, evidence.arch)
    if ('fault' in expected) missing.push(refusedBecause(`RIMs of device ${index}`, expected.fault))
    else for (const id of [expected.driver, expected.vbios]) if (id !== null) ids.add(id)
  }
  const rims = await settle(
    bounded([...ids], MAX_RIMS, 'RIMs', missing),
    (id) => `RIM ${id}`,
    async (id) => ({ id, bytes: (await client.rim(id)).bytes }),
    missing,
  )
  for (const { id, bytes } of rims) {
    // For its chain alone, on any day: a policy may let an expired signer pass, and then asks whether it was revoked.
    const read = verifyRim(bytes, {
      crypto: nodeCrypto,
      at: Number.MAX_SAFE_INTEGER,
      rootSha256: rimRoots,
      allowSimulated,
      graceS: Number.MAX_SAFE_INTEGER,
    })
    if (read.ok) questionsOf(read.rim.chain, 0, `RIM ${id}`, questions)
    else missing.push(refusedBecause(`OCSP of RIM ${id}`, `it does not verify (${read.code})`))
  }
  const responses = await settle(
    bounded([...questions.values()], MAX_OCSP_RESPONSES, 'OCSP', missing),
    ({ what }) => what,
    async ({ asked }) => (await client.ocsp(asked)).bytes,
    missing,
  )
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  return {
    collateral: {
      rims: rims.map(({ id, bytes }) => ({ id, rim: base64(bytes) })),
      // A responder may answer two questions with the same bytes; the document names each response once.
      ocsp: [...new Set(responses.map(base64))],
    },
    missing,
  }
}
