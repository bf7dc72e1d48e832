/**
 * The mark that every simulated root certificate carries as a critical extension, so that no verifier on earth can
 * take simulated evidence for real even when somebody hands it the simulated root: RFC 5280 §4.2 obliges a verifier to
 * refuse a critical extension it does not know.
 *
 * @module
 */

/** ITU-T X.667 arc 2.25 (no registration needed); below 2^31, which every ASN.1 library can hold. */
export const SIMULATION_OID = '2.25.1820683294'

/** UTF8String content of the extension. */
export const SIMULATION_MARK = 'SIMULATED - NOT HARDWARE'

/** Every id that a simulated service mints starts with this. */
export const SIMULATION_ID_PREFIX = 'sim-'
