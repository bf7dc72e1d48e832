// npm run fuzz:tdx -- [--seconds 60] [--seed N]: mutated vectors of test/vectors/tdx against the appraiser and its readers, after a build.
//
// Wrong is: an exception; more than MAX_CPU_MS of processor time or MAX_GROWTH_BYTES of memory for one input; an input that does not end
// (MAX_WALL_MS, or the worker's heap limit); and acceptance of a quote, signed text, list or guest that no vector has. Half of the appraisals
// run with every signature called good, so that what stands behind signatures is reached too; these may accept anything. What was found
// is printed as JSON with the input in base64 and ends the run with 1; the seed repeats it.
import { readdirSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { parseEventLog } from '../dist/attestation/appraiser/eventlog/parse-event-log.js'
import { parsePolicy } from '../dist/attestation/appraiser/policy.js'
import { parseQeIdentity } from '../dist/attestation/appraiser/quote/parse-qe-identity.js'
import { parseQuote } from '../dist/attestation/appraiser/quote/parse-quote.js'
import { parseTcbInfo } from '../dist/attestation/appraiser/quote/parse-tcb-info.js'
import { readSgxExtension } from '../dist/attestation/appraiser/quote/read-sgx-extension.js'
import { appraiseTdx } from '../dist/attestation/appraiser/report/appraise-tdx.js'
import { parseCertificate } from '../dist/attestation/appraiser/x509/parse-certificate.js'
import { parseCrl } from '../dist/attestation/appraiser/x509/parse-crl.js'
import { parsePemChain } from '../dist/attestation/appraiser/x509/parse-pem-chain.js'
import { nodeCrypto } from '../dist/attestation/crypto/node.js'
import { createMutations } from './tdx-mutations.mjs'

const MAX_CPU_MS = 500
const MAX_WALL_MS = 20_000
const MAX_GROWTH_BYTES = 64 * 1024 * 1024
const MAX_HEAP_MB = 256
/** Shared with the watchdog: [0] inputs tried, [1] bytes of the present one, then the bytes. */
const SHARED_BYTES = 1024 * 1024

function fuzz({ seconds, seed, shared }) {
  const corpus = new URL('../test/vectors/tdx/', import.meta.url)
  const seeds = readdirSync(corpus, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => JSON.parse(readFileSync(new URL(`${name}/input.json`, corpus), 'utf8')))
    // Two vectors are long on purpose and would take all the time.
    .filter((input) => JSON.stringify(input).length < 60_000)
  const { below, pick, ...mutate } = createMutations(seed)
  const allGood = { ...nodeCrypto, verifyEcdsa: () => true }

  const known = { signed: new Set(), text: new Set(), guest: new Set() }
  const bytesOf = (hex) => Buffer.from(typeof hex === 'string' ? hex : '', 'hex')
  const signedOf = (hex) => {
    const parsed = parseQuote(bytesOf(hex))
    return parsed.ok ? Buffer.from(parsed.quote.signedBytes).toString('hex') : null
  }
  const guestOf = (text) => {
    const parsed = parseEventLog(text)
    if (!parsed.ok) return null
    const runtime = parsed.events.filter(({ imr }) => imr === 3)
    return JSON.stringify(
      runtime.map(({ name, payload }) => [name, Buffer.from(payload).toString('hex')]),
    )
  }
  const SIGNED = ['tcb_info', 'qe_identity', 'root_ca_crl', 'pck_crl']
  for (const { quote, collateral, event_log: log } of seeds) {
    known.signed.add(signedOf(quote))
    for (const name of SIGNED) known.text.add(collateral?.[name])
    if (typeof log === 'string') known.guest.add(guestOf(log))
  }
  const isKnown = ({ quote, collateral, event_log: log }) =>
    known.signed.has(signedOf(quote)) &&
    (collateral == null || SIGNED.every((name) => known.text.has(collateral[name]))) &&
    (log == null || known.guest.has(guestOf(log)))

  const counts = { accepted: 0, acceptedBehindSignatures: 0, refused: 0, read: 0, unread: 0 }
  const read = (parsed) => {
    counts[parsed.ok ? 'read' : 'unread']++
    return true
  }
  const text = (bytes) => bytes.toString('utf8')
  const [of, other] = [() => pick(seeds), () => pick(seeds)]
  const member = (name) => {
    const from = of().collateral?.[name]
    return typeof from === 'string' ? from : ''
  }
  const certificates = seeds.slice(0, 40).flatMap(({ quote }) =>
    [
      ...bytesOf(quote)
        .toString('latin1')
        .matchAll(/BEGIN CERTIFICATE-----([^-]+)-----/g),
    ].map(([, body]) => Buffer.from(body, 'base64')),
  )
  const appraise = (bytes, crypto) => {
    const accepted = appraiseTdx(bytes, crypto).verdict.verdict === 'accepted-as-of'
    const good = crypto === nodeCrypto ? 'accepted' : 'acceptedBehindSignatures'
    counts[accepted ? good : 'refused']++
    return accepted
  }
  const document = () => {
    const made = JSON.stringify(mutate.evidence(of(), other())) ?? ''
    return below(12) === 0 ? mutate.plain(Buffer.from(made), Buffer.from(made)) : Buffer.from(made)
  }
  /** [makes an input, says whether all is well with it]. */
  const targets = {
    appraisal: [
      document,
      (bytes) => !appraise(bytes, nodeCrypto) || isKnown(JSON.parse(text(bytes))),
    ],
    'appraisal behind signatures': [
      document,
      (bytes) => [true, false].includes(appraise(bytes, allGood)),
    ],
    quote: [
      () => mutate.quote(bytesOf(of().quote), bytesOf(other().quote)),
      (bytes) => read(parseQuote(bytes)),
    ],
    certificate: [
      () => mutate.der(pick(certificates), pick(certificates)),
      (bytes) => {
        const parsed = parseCertificate(bytes)
        if (parsed.ok) readSgxExtension(parsed.certificate)
        return read(parsed)
      },
    ],
    'PEM chain': [
      () => Buffer.from(mutate.pem(member('tcb_info_issuer_chain'), member('pck_crl'))),
      (bytes) => read(parsePemChain(text(bytes), 3)),
    ],
    'revocation list': [
      () => mutate.der(bytesOf(member('pck_crl')), bytesOf(member('root_ca_crl'))),
      (bytes) => read(parseCrl(bytes)),
    ],
    'TCB info': [
      () => Buffer.from(mutate.json(member('tcb_info'), member('qe_identity'))),
      (bytes) => read(parseTcbInfo(text(bytes))),
    ],
    'QE identity': [
      () => Buffer.from(mutate.json(member('qe_identity'), member('tcb_info'))),
      (bytes) => read(parseQeIdentity(text(bytes))),
    ],
    'event log': [
      () => Buffer.from(mutate.json(of().event_log ?? '[]', other().event_log ?? '[]')),
      (bytes) => read(parseEventLog(text(bytes))),
    ],
    policy: [
      () => Buffer.from(JSON.stringify(mutate.value(of().policy)) ?? ''),
      (bytes) => read(parsePolicy(JSON.parse(text(bytes)))),
    ],
  }

  const [heads, place] = [new Int32Array(shared, 0, 2), Buffer.from(shared, 8)]
  const runs = Object.fromEntries(Object.keys(targets).map((name) => [name, 0]))
  const slowest = { target: '', cpuMs: 0 }
  const used = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const until = performance.now() + seconds * 1000
  while (performance.now() < until) {
    for (const [name, [make, check]] of Object.entries(targets)) {
      const bytes = make()
      bytes.copy(place)
      heads[1] = Math.min(bytes.length, place.length)
      Atomics.add(heads, 0, 1)
      const memory = used()
      const started = process.cpuUsage()
      let error = null
      try {
        if (!check(bytes)) error = 'accepted what no vector has'
      } catch (thrown) {
        error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
      }
      const { user, system } = process.cpuUsage(started)
      const cpuMs = (user + system) / 1000
      if (cpuMs > slowest.cpuMs) Object.assign(slowest, { target: name, cpuMs })
      if (cpuMs > MAX_CPU_MS) error ??= `took ${cpuMs} ms of processor time`
      if (used() - memory > MAX_GROWTH_BYTES) error ??= `took ${used() - memory} bytes`
      runs[name]++
      if (error === null) continue
      parentPort.postMessage({ ok: false, target: name, error, input: bytes.toString('base64') })
      return
    }
  }
  // A run in which all were refused, or all were read, has tried nothing.
  const tried = Object.values(counts).every((count) => count > 0)
  parentPort.postMessage({ ok: tried, runs, ...counts, slowest })
}

function watch() {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
  })
  const seconds = Number(values.seconds)
  const seed = Number(values.seed ?? Date.now() % 2 ** 31)
  if (!(seconds > 0) || !Number.isInteger(seed)) throw new TypeError('--seconds N --seed N')
  const shared = new SharedArrayBuffer(SHARED_BYTES)
  const heads = new Int32Array(shared, 0, 2)
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { seconds, seed, shared },
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  })
  const end = (result) => {
    clearInterval(timer)
    console.log(JSON.stringify({ seed, seconds, ...result }))
    process.exit(result.ok ? 0 : 1)
  }
  const present = () => Buffer.from(shared, 8, heads[1]).toString('base64')
  let [last, since] = [0, performance.now()]
  const timer = setInterval(() => {
    const tried = Atomics.load(heads, 0)
    if (tried !== last) [last, since] = [tried, performance.now()]
    else if (performance.now() - since > MAX_WALL_MS) {
      end({ ok: false, error: 'does not end', input: present() })
    }
  }, 500)
  worker.on('message', end)
  worker.on('error', (error) => end({ ok: false, error: String(error), input: present() }))
  worker.on('exit', (code) =>
    end({ ok: false, error: `the worker left with ${code}`, input: present() }),
  )
}

if (isMainThread) watch()
else fuzz(workerData)
