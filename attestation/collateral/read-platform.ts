/**
 * Whose collateral a quote needs, by the PCK certificate in it. Nothing is verified, and nothing but six bytes and one of two
 * words is ever asked for: no URL of a certificate is followed.
 *
 * @module
 */
import { parseQuote } from '../appraiser/quote/parse-quote.ts'
import { readSgxExtension } from '../appraiser/quote/read-sgx-extension.ts'
import { parsePemChain } from '../appraiser/x509/parse-pem-chain.ts'
import { toHex } from '../protocol/hex.ts'
import { nameAuthority } from './name-authority.ts'
import type { CollateralRequest, PckCa } from './collateral-service.ts'

export type QuotedPlatform = Omit<CollateralRequest, 'channel'>

export type PlatformResult =
  | {
      readonly ok: true
      readonly platform: QuotedPlatform
      /** Of the authority that certified it, by `nameAuthority`. */
      readonly pckIssuer: string
    }
  | { readonly ok: false; readonly detail: string }

/** Leaf, authority, root. */
const MAX_CHAIN = 3
/** Names of the two authorities (Intel SGX PCK Certificate and CRL Profile Specification, §1.3.3), and the simulator's. */
const CA_NAMES: ReadonlyMap<string | null, PckCa> = new Map([
  ['Intel SGX PCK Platform CA', 'platform'],
  ['Intel SGX PCK Processor CA', 'processor'],
  ['Simulated SGX PCK Platform CA', 'platform'],
])

/** @param bytes a quote, zero padding included */
export function readPlatform(bytes: Uint8Array): PlatformResult {
  const parsed = parseQuote(bytes)
  if (!parsed.ok) return { ok: false, detail: `the quote: ${parsed.detail}` }
  const chain = parsePemChain(parsed.quote.pemChain, MAX_CHAIN)
  if (!chain.ok) return { ok: false, detail: `the chain in the quote: ${chain.detail}` }
  const [leaf, authority] = chain.certificates
  const platform = leaf === undefined ? null : readSgxExtension(leaf)
  if (leaf === undefined || platform === null) {
    return { ok: false, detail: 'the quote has no PCK certificate' }
  }
  const ca = CA_NAMES.get(leaf.issuerCommonName)
  if (ca === undefined) return { ok: false, detail: 'the PCK certificate names another issuer' }
  if (authority === undefined) {
    return { ok: false, detail: 'the chain in the quote: no authority' }
  }
  return {
    ok: true,
    platform: { fmspc: toHex(platform.fmspc), ca },
    pckIssuer: nameAuthority(authority),
  }
}
