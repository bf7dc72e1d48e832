// What one full appraisal of a TDX quote costs: the recorded v4 quote with its recorded collateral, all of it checked, with
// @phala/dcap-qvl (which checks less, see docs/performance.md) beside it in the same run. `npm run bench:appraise`.
import { existsSync, readFileSync } from 'node:fs'
import { verify as qvlVerify } from '@phala/dcap-qvl'
import { nodeCrypto } from '../../dist/attestation/crypto/node.js'
import {
  DEFAULT_TDX_POLICY,
  INTEL_SGX_ROOT_SHA256,
  appraiseQuote,
  createCollateralCache,
  nobleCrypto,
  readCollateral,
} from '../../dist/attestation/appraiser/index.js'
import { measure } from './measure.mjs'

const AT = 1751328000
/** Checks that have nothing to compare with under the default policy. */
const UNPINNED = ['quote.platform', 'quote.measurements', 'quote.image']

const fixtures = new URL('../../../shared/fixtures/tdx/', import.meta.url)
if (!existsSync(fixtures)) {
  console.error('SKIPPED: the recorded quotes are not beside this checkout')
  process.exit(1)
}
const quote = new Uint8Array(readFileSync(new URL('v4-td10.quote.bin', fixtures)))
const value = JSON.parse(readFileSync(new URL('v4-td10.collateral.json', fixtures), 'utf8'))

function appraise(crypto, cache) {
  const { collateral } = readCollateral(value)
  const { checks, tcb } = appraiseQuote({
    quote,
    collateral,
    at: AT,
    policy: DEFAULT_TDX_POLICY,
    crypto,
    rootSha256: [INTEL_SGX_ROOT_SHA256],
    cache,
  })
  const open = checks.filter(({ status }) => status !== 'pass').map(({ id }) => id)
  if (tcb?.status !== 'UpToDate' || open.join() !== UNPINNED.join()) throw new Error(open.join())
}

const cache = createCollateralCache()
const quoteBuffer = Buffer.from(quote)
const variants = {
  'node:crypto, nothing cached': () => appraise(nodeCrypto),
  'node:crypto, collateral cached': () => appraise(nodeCrypto, cache),
  '@phala/dcap-qvl 0.3.9': () => {
    if (qvlVerify(quoteBuffer, value, AT).status !== 'UpToDate') throw new Error('refused')
  },
  'noble (browsers), nothing cached': () => appraise(nobleCrypto),
}

measure('one appraisal of the recorded v4 quote', variants)
