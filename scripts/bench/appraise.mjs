// What one full appraisal of a TDX quote costs: the recorded v4 quote with its recorded collateral, all of it checked, with
// @phala/dcap-qvl (which checks less, see docs/performance.md) beside it in the same run. `npm run bench:appraise`.
import { existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
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
import { median, quantile } from './statistics.mjs'

const AT = 1751328000
const ROUNDS = Number(process.env['ROUNDS'] ?? 40)
const PER_ROUND = 10
const WARM_UP_ROUNDS = 10
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

const samples = Object.fromEntries(Object.keys(variants).map((name) => [name, []]))
const processor = Object.fromEntries(Object.keys(variants).map((name) => [name, []]))
for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
  // One after the other in every round, so that whatever else the machine does hits all alike.
  for (const [name, run] of Object.entries(variants)) {
    const before = process.cpuUsage()
    for (let i = 0; i < PER_ROUND; i++) {
      const start = process.hrtime.bigint()
      run()
      const elapsed = Number(process.hrtime.bigint() - start) / 1e6
      if (round >= WARM_UP_ROUNDS) samples[name].push(elapsed)
    }
    // Processor time leaves out what other programs on the machine took in between.
    const { user, system } = process.cpuUsage(before)
    if (round >= WARM_UP_ROUNDS) processor[name].push((user + system) / 1000 / PER_ROUND)
  }
}

console.log(
  '| one appraisal of the recorded v4 quote | median ms | p95 ms | processor time, median ms |',
)
console.log('| --- | --- | --- | --- |')
for (const [name, all] of Object.entries(samples)) {
  const figures = [median(all), quantile(all, 0.95), median(processor[name])]
  console.log(`| ${name} | ${figures.map((figure) => figure.toFixed(3)).join(' | ')} |`)
}
console.log(
  `\n${ROUNDS} rounds of ${PER_ROUND}, interleaved; Node ${process.versions.node}, OpenSSL ${process.versions.openssl}, ` +
    `${cpus().length} × ${cpus()[0]?.model}`,
)
