/**
 * Where collateral comes from, and by which routes: Intel's Provisioning Certification Service (PCS API v4, "Get Revocation
 * List", "Get TDX TCB Info", "Get TDX Enclave Identity") or a caching service with the same routes (PCCS API v4, which adds
 * `rootcacrl`).
 *
 * Every URL is made here, from a service that the operator named and from values with a fixed form. Certificates name URLs
 * too (CRL distribution points); following them would let whoever made the evidence choose whom the verifier asks.
 *
 * @module
 */

/** The CA that issued a platform's PCK certificate; each has a revocation list of its own. */
export type PckCa = 'platform' | 'processor'

/**
 * `early`: TCB info and QE identity as of the day a fix is disclosed; `standard`: later, when platforms have had time to
 * take it (PCS API v4, parameter `update`).
 */
export type UpdateChannel = 'standard' | 'early'

export const UPDATE_CHANNELS: readonly UpdateChannel[] = Object.freeze(['standard', 'early'])

/** The platform whose collateral is wanted, and as of which channel. */
export interface CollateralRequest {
  /** 6 bytes, lower-case hex: Family-Model-Stepping-Platform-CustomSKU of the PCK certificate. */
  readonly fmspc: string
  readonly ca: PckCa
  readonly channel: UpdateChannel
}

export type CollateralService =
  | {
      readonly kind: 'pcs'
      /** Origin of the PCS. */
      readonly api: string
      /** URL of the root CA's revocation list, which the PCS does not serve under a route of its own. */
      readonly rootCrl: string
    }
  | { readonly kind: 'pccs'; readonly api: string }

export const INTEL_PCS: CollateralService = Object.freeze({
  kind: 'pcs',
  api: 'https://api.trustedservices.intel.com',
  rootCrl: 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
})

const FMSPC = /^[0-9a-f]{12}$/

export function isFmspc(value: unknown): value is string {
  return typeof value === 'string' && FMSPC.test(value)
}

/** @returns null where `text` is not the https URL of a service */
export function parsePccsUrl(text: string): CollateralService | null {
  if (!URL.canParse(text)) return null
  const url = new URL(text)
  const bare = url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (url.protocol !== 'https:' || !bare) return null
  return { kind: 'pccs', api: `${url.origin}${url.pathname.replace(/\/+$/, '')}` }
}

/** The four documents, by URL. */
export interface CollateralUrls {
  readonly rootCrl: string
  readonly pckCrl: string
  readonly tcbInfo: string
  readonly qeIdentity: string
}

/** @throws TypeError where the FMSPC is not 12 lower-case hex digits: a bug of the caller */
export function collateralUrls(
  service: CollateralService,
  { fmspc, ca, channel }: CollateralRequest,
): CollateralUrls {
  if (!isFmspc(fmspc)) throw new TypeError('an FMSPC is 12 lower-case hex digits')
  const sgx = `${service.api}/sgx/certification/v4`
  const tdx = `${service.api}/tdx/certification/v4`
  return {
    rootCrl: service.kind === 'pcs' ? service.rootCrl : `${sgx}/rootcacrl`,
    pckCrl: `${sgx}/pckcrl?ca=${ca}&encoding=der`,
    tcbInfo: `${tdx}/tcb?fmspc=${fmspc}&update=${channel}`,
    qeIdentity: `${tdx}/qe/identity?update=${channel}`,
  }
}
