/**
 * Which of the RIMs and OCSP responses that were fetched may be served: those that verify, and none that is older than the one
 * before it. What could not be had anew stays as it was.
 *
 * As for DCAP collateral, what they say is not judged: that a certificate is on hold or revoked is for gate and verifiers.
 *
 * @module
 */
import { namesCertificate } from '../../appraiser/gpu/ocsp/cert-id.ts'
import type { IssuedCertificate } from '../../appraiser/gpu/ocsp/build-ocsp-request.ts'
import { NO_NEXT_UPDATE_S } from '../../appraiser/gpu/ocsp/judge-revocation.ts'
import { createOcspMemo } from '../../appraiser/gpu/ocsp/ocsp-memo.ts'
import { parseOcspResponse } from '../../appraiser/gpu/ocsp/parse-ocsp-response.ts'
import { verifyOcspResponder } from '../../appraiser/gpu/ocsp/verify-ocsp-responder.ts'
import { parseGpuEvidence } from '../../appraiser/gpu/parse-gpu-evidence.ts'
import { expectedRims } from '../../appraiser/gpu/rim/expected-rims.ts'
import { verifyRim } from '../../appraiser/gpu/rim/verify-rim.ts'
import type { Certificate } from '../../appraiser/x509/parse-certificate.ts'
import { verifyChain } from '../../appraiser/x509/verify-chain.ts'
import { nodeCrypto } from '../../crypto/node.ts'
import { decodeBase64 } from '../../protocol/base64.ts'
import type { GpuCollateral } from '../../protocol/gpu-collateral.ts'
import { readGpuCollateral } from '../../protocol/gpu-collateral.ts'
import { toHex } from '../../protocol/hex.ts'
import type { FetchedGpuCollateral } from '../gpu/fetch-gpu-collateral.ts'
import { MAX_FETCH_DEVICES } from '../limits.ts'
import { MAX_ENTRY_BYTES } from './limits.ts'
import type { StapleWarning } from './staple-warning.ts'
import type { StapleRoots } from './vet-dcap.ts'

interface HeldResponse {
  /** Base64 of DER. */
  readonly text: string
  /** Unix seconds. */
  readonly thisUpdate: number
  readonly signedAt: number
  readonly validUntil: number
}

export interface HeldGpu {
  readonly rims: ReadonlyMap<string, string>
  /** By the certificate and its issuer. */
  readonly responses: ReadonlyMap<string, HeldResponse>
  readonly collateral: GpuCollateral
  /** Unix seconds: the first end of a response; null without any. */
  readonly expiresAt: number | null
  /** Unix seconds: the newest response; null without any. */
  readonly signedAt: number | null
}

export interface GpuVetting {
  /** Null: nothing can be served. */
  readonly held: HeldGpu | null
  readonly warnings: readonly StapleWarning[]
}

type Questions = Map<string, IssuedCertificate>

function ask(chain: readonly Certificate[], first: number, questions: Questions): void {
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1]
    if (index < first || issuer === undefined) continue
    const digest = ({ der }: Certificate): string => toHex(nodeCrypto.sha256(der))
    questions.set(`${digest(certificate)}${digest(issuer)}`, { certificate, issuer })
  }
}

/** Certificates that stand under an accepted root, and the names of the RIMs that the reports call for. */
function readList(
  list: readonly unknown[],
  roots: StapleRoots,
): { readonly questions: Questions; readonly ids: ReadonlySet<string> } {
  const questions: Questions = new Map()
  const ids = new Set<string>()
  for (const value of list.slice(0, MAX_FETCH_DEVICES)) {
    const parsed = parseGpuEvidence(value)
    if (!parsed.ok) continue
    const { chain, report, arch } = parsed.evidence
    const fault = verifyChain(chain, {
      crypto: nodeCrypto,
      at: null,
      rootSha256: roots.nvidia,
      length: chain.length,
      allowSimulated: roots.allowSimulated,
    })
    // The leaf is made on the device and known to no responder.
    if (fault === null) ask(chain, 1, questions)
    const expected = expectedRims(report, arch)
    if ('fault' in expected) continue
    for (const id of [expected.driver, expected.vbios]) if (id !== null) ids.add(id)
  }
  return { questions, ids }
}

/** @returns the answers of a response to our questions; a code where it is authentic for none */
function readResponse(
  text: string,
  questions: Questions,
  at: number,
): ReadonlyMap<string, HeldResponse> | string {
  const parsed = parseOcspResponse(decodeBase64(text) ?? new Uint8Array())
  if (!parsed.ok) return parsed.code
  const { response } = parsed
  const found = new Map<string, HeldResponse>()
  let fault = 'ocsp_other_certificate'
  for (const [key, { certificate, issuer }] of questions) {
    const answer = response.answers.find(({ certId }) =>
      namesCertificate(certId, certificate, issuer, nodeCrypto),
    )
    if (answer === undefined) continue
    const signer = verifyOcspResponder(response, issuer, {
      crypto: nodeCrypto,
      // Where our clock is behind, a response is from its future; that is for the gate to find out.
      at: Math.max(at, response.producedAt),
      memo: createOcspMemo(),
    })
    if (!signer.ok) {
      fault = signer.code
      continue
    }
    found.set(key, {
      text,
      thisUpdate: answer.thisUpdate,
      signedAt: Math.max(response.producedAt, answer.thisUpdate),
      validUntil: answer.nextUpdate ?? answer.thisUpdate + NO_NEXT_UPDATE_S,
    })
  }
  return found.size === 0 ? fault : found
}

function compose(
  rims: ReadonlyMap<string, string>,
  responses: ReadonlyMap<string, HeldResponse>,
): HeldGpu | 'none' | 'too_large' {
  if (rims.size + responses.size === 0) return 'none'
  const all = [...responses.values()]
  const read = readGpuCollateral({
    rims: [...rims].map(([id, rim]) => ({ id, rim })),
    ocsp: [...new Set(all.map(({ text }) => text))],
  })
  if (!read.ok || JSON.stringify(read.collateral).length > MAX_ENTRY_BYTES) {
    return 'too_large'
  }
  const ends = all.map(({ validUntil }) => validUntil)
  return {
    rims,
    responses,
    collateral: read.collateral,
    expiresAt: ends.length === 0 ? null : Math.min(...ends),
    signedAt: all.length === 0 ? null : Math.max(...all.map(({ signedAt }) => signedAt)),
  }
}

/**
 * @param list the evidence that it was fetched for
 * @param at Unix seconds
 */
export function vetGpu(
  fetched: FetchedGpuCollateral,
  list: readonly unknown[],
  held: HeldGpu | null,
  { at, roots }: { readonly at: number; readonly roots: StapleRoots },
): GpuVetting {
  const warnings: StapleWarning[] = fetched.missing.map(({ what, error }) => ({
    code: 'staple_unreachable',
    detail: `${what}: ${error.code}`,
  }))
  const refuse = (detail: string) => warnings.push({ code: 'staple_refused', detail })
  const { questions, ids } = readList(list, roots)
  const rims = new Map<string, string>()
  const given = new Map(fetched.collateral.rims.map(({ id, rim }) => [id, rim]))
  for (const id of ids) {
    const options = {
      crypto: nodeCrypto,
      at,
      rootSha256: roots.rim,
      allowSimulated: roots.allowSimulated,
      // A policy may let the end of a signer pass; a file that nobody signed, none.
      graceS: Number.MAX_SAFE_INTEGER,
    }
    for (const text of [given.get(id), held?.rims.get(id)]) {
      if (text === undefined) continue
      const result = verifyRim(decodeBase64(text) ?? new Uint8Array(), options)
      if (!result.ok) {
        refuse(`RIM ${id}: ${result.code}`)
        continue
      }
      rims.set(id, text)
      ask(result.rim.chain, 0, questions)
      break
    }
  }
  const responses = new Map<string, HeldResponse>()
  for (const [key, response] of held?.responses ?? []) {
    if (questions.has(key)) responses.set(key, response)
  }
  for (const text of fetched.collateral.ocsp) {
    const answers = readResponse(text, questions, at)
    if (typeof answers === 'string') {
      refuse(`OCSP: ${answers}`)
      continue
    }
    for (const [key, answer] of answers) {
      const known = responses.get(key)
      if (known !== undefined && answer.thisUpdate < known.thisUpdate) {
        // An answer from before a revocation would hide it.
        warnings.push({ code: 'staple_rolled_back', detail: 'OCSP' })
      } else {
        responses.set(key, answer)
      }
    }
  }
  const composed = compose(rims, responses)
  if (composed === 'none') return { held: null, warnings }
  if (composed !== 'too_large') return { held: composed, warnings }
  refuse('GPU collateral: too large')
  return { held, warnings }
}
