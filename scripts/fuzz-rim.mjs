// npm run fuzz:rim -- [seconds] [seed]: mutated RIM files against the XML reader, the canonical form and the verifier, after a build.
//
// Wrong is: an exception; more than MAX_CPU_MS of processor time for one input; a canonical form that is no document with the same
// canonical form; and acceptance of a file whose canonical form, without its signature, is not that of a file that was signed. Half
// of the files are judged with every signature called good, so that what stands behind signatures is reached too; there only the
// digest, which the mutation would have to meet, keeps a changed file out. What was found is printed with the input in base64 and
// ends the run with 1; the seed repeats it.
import { canonicalizeXml } from '../dist/attestation/appraiser/gpu/rim/canonicalize-xml.js'
import { parseXml } from '../dist/attestation/appraiser/gpu/rim/parse-xml.js'
import { verifyRim } from '../dist/attestation/appraiser/gpu/rim/verify-rim.js'
import { nodeCrypto } from '../dist/attestation/crypto/node.js'
import {
  driverRim,
  switchRim,
  vbiosRim,
} from '../dist/attestation/simulator/nvidia/create-gpu-collateral.js'
import { createRimPki } from '../dist/attestation/simulator/nvidia/create-rim-pki.js'
import { SIMULATED_GPU_FIRMWARE } from '../dist/attestation/simulator/nvidia/simulated-firmware.js'
import { createRandom } from './tdx-mutations.mjs'

const SECONDS = Number(process.argv[2] ?? 60)
const SEED = Number(process.argv[3] ?? Date.now() % 2 ** 31)
const MAX_CPU_MS = 500
const AT = 1795392000

const TOKENS = [
  ...['<', '>', '/>', '</', '"', "'", '=', ' ', '\n', '\t', '\r', '\0', ':', ';', '#', '\ufeff'],
  ...['&', '&amp;', '&#10;', '&#x41;', '&#0;', '<!--', '-->', '<![CDATA[', ']]>', '<?a?>'],
  ...[
    '<!DOCTYPE a>',
    ' Id="a"',
    ' xmlns="urn:a"',
    ' xmlns=""',
    ' xmlns:ns0="urn:a"',
    ' xml:lang="a"',
  ],
  ...['<a/>', '<a>', '</a>', '<ds:Object/>', 'active="True"', 'active="False"', 'index="7"'],
  ...[' '.repeat(3000), '<a>'.repeat(20), 'x'.repeat(5000), ' a="1"'.repeat(70), '\u{1F680}'],
].map((text) => Buffer.from(text, 'utf8'))

const { below, pick } = createRandom(SEED)
const pki = createRimPki({ now: new Date(AT * 1000) })
const corpus = [
  driverRim(pki, SIMULATED_GPU_FIRMWARE),
  vbiosRim(pki, SIMULATED_GPU_FIRMWARE),
  switchRim(pki),
].map(({ bytes }) => Buffer.from(bytes))

function mutated() {
  let bytes = pick(corpus)
  for (let i = below(4); i >= 0; i--) {
    const at = below(bytes.length + 1)
    const to = Math.min(bytes.length, at + 1 + below(pick([1, 8, 80, 2000])))
    const from = below(bytes.length)
    const parts = [
      () => [bytes.subarray(0, at), pick(TOKENS), bytes.subarray(at)],
      () => [bytes.subarray(0, at), pick(TOKENS), bytes.subarray(to)],
      () => [bytes.subarray(0, at), bytes.subarray(to)],
      () => [bytes.subarray(0, to), bytes.subarray(at)],
      () => [bytes.subarray(0, at), Buffer.of(below(256)), bytes.subarray(at + 1)],
      () => [bytes.subarray(0, at), bytes.subarray(from, from + below(600)), bytes.subarray(at)],
    ]
    bytes = Buffer.concat(pick(parts)())
  }
  return bytes
}

/** What of a file a signature covers, or null where it is no document. */
function covered(bytes) {
  const parsed = parseXml(bytes)
  if (!parsed.ok) return null
  const last = parsed.root.children.findLast((child) => typeof child !== 'string')
  return canonicalizeXml(parsed.root, last ?? null)
}

const signed = new Set(corpus.map(covered))
const options = { at: AT, rootSha256: [pki.rootSha256], allowSimulated: true }
const ports = [nodeCrypto, { ...nodeCrypto, verifyEcdsa: () => true }]
const counts = { inputs: 0, documents: 0, accepted: 0 }

function fault(bytes) {
  const parsed = parseXml(bytes)
  if (parsed.ok) {
    counts.documents++
    const once = canonicalizeXml(parsed.root, null)
    const again = parseXml(Buffer.from(once, 'utf8'))
    // Only the limit on bytes may stand between a document and its longer canonical form.
    if (again.ok ? canonicalizeXml(again.root, null) !== once : !again.detail.includes('bytes')) {
      return 'a canonical form that does not last'
    }
  }
  const result = verifyRim(bytes, { ...options, crypto: ports[counts.inputs % 2] })
  if (!result.ok) return null
  counts.accepted++
  return signed.has(covered(bytes)) ? null : 'a file accepted that nobody signed'
}

const end = Date.now() + SECONDS * 1000
while (Date.now() < end) {
  const bytes = mutated()
  const before = process.cpuUsage()
  let found
  try {
    found = fault(bytes)
  } catch (error) {
    found = String(error)
  }
  const { user, system } = process.cpuUsage(before)
  // The first inputs compile the code.
  if (counts.inputs > 100 && (user + system) / 1000 > MAX_CPU_MS)
    found ??= 'an input that takes too long'
  if (found !== null) {
    console.log(JSON.stringify({ seed: SEED, found, input: bytes.toString('base64') }))
    process.exit(1)
  }
  counts.inputs++
}
console.log(JSON.stringify({ seed: SEED, ...counts }))
