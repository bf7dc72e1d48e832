// What one full appraisal of GPU evidence costs: two vectors of test/vectors/gpu with every check made, one GPU, and a board of eight GPUs
// and four NVSwitches. No other verifier of Hopper evidence in JavaScript is known (November 2026) to stand beside. `npm run bench:appraise`.
import { readFileSync } from 'node:fs'
import { nodeCrypto } from '../../dist/attestation/crypto/node.js'
import {
  appraiseGpu,
  createGpuCache,
  nobleCrypto,
  parsePolicy,
  readGpuCollateral,
} from '../../dist/attestation/appraiser/index.js'
import { measure } from './measure.mjs'

function load(id) {
  const file = new URL(`../../test/vectors/gpu/${id}/input.json`, import.meta.url)
  const { evidence, nonce, at, gpus, ...given } = JSON.parse(readFileSync(file, 'utf8'))
  const { collateral } = readGpuCollateral(given.collateral)
  const { policy } = parsePolicy(given.policy)
  return { evidence, options: { nonce, at, gpus, collateral, policy, asOf: true } }
}

/** Everything is checked: the policies of both vectors require RIMs, measurements and revocation. */
const appraise =
  ({ evidence, options }, crypto, collateral = options.collateral) =>
  (cache) => {
    const { verdict } = appraiseGpu(evidence, {
      ...options,
      collateral,
      crypto,
      ...(cache === undefined ? {} : { gpuCache: cache }),
    })
    if (verdict.verdict !== 'accepted-as-of') throw new Error(verdict.sentence)
  }

/** RIM files alone, without revocation: what the goal for one GPU counts. */
function withoutRevocation({ evidence, options }) {
  const policy = {
    ...options.policy,
    require: ['gpu.*.rim_driver', 'gpu.*.rim_vbios', 'gpu.*.measurements'],
  }
  return {
    evidence,
    options: { ...options, policy, collateral: { ...options.collateral, ocsp: [] } },
  }
}

const one = load('ok-one-gpu-everything')
const board = load('ok-eight-gpus-four-switches-everything')
const rimsAlone = appraise(withoutRevocation(one), nodeCrypto)
const whole = appraise(one, nodeCrypto)
const wholeBoard = appraise(board, nodeCrypto)
const [rimCache, oneCache, boardCache] = [createGpuCache(), createGpuCache(), createGpuCache()]

measure('one appraisal of GPU evidence', {
  'one GPU and two RIMs, nothing cached': () => rimsAlone(),
  'one GPU and two RIMs, RIMs cached': () => rimsAlone(rimCache),
  'one GPU, two RIMs and six OCSP responses, nothing cached': () => whole(),
  'one GPU, two RIMs and six OCSP responses, cached': () => whole(oneCache),
  'eight GPUs and four switches, everything, nothing cached': () => wholeBoard(),
  'eight GPUs and four switches, everything, cached': () => wholeBoard(boardCache),
})

// Ten times slower: measured alone, so that it does not stretch the rounds of the others.
const nobleAlone = appraise(withoutRevocation(one), nobleCrypto)
const nobleCache = createGpuCache()
measure('the same in a browser’s cryptography (noble)', {
  'one GPU and two RIMs, nothing cached': () => nobleAlone(),
  'one GPU and two RIMs, RIMs cached': () => nobleAlone(nobleCache),
})
