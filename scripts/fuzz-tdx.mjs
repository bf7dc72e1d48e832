// npm run fuzz:tdx -- [--seconds 60] [--seed N]: mutated vectors of test/vectors/tdx against the appraiser and its readers, after a build.
//
// Wrong is: an exception; more than MAX_CPU_MS of processor time or MAX_GROWTH_BYTES of memory for one input; an input that does not end
// (MAX_WALL_MS, or the worker's heap limit); and acceptance of a quote, signed text, list or guest that no vector has. Half of the appraisals
// run with every signature called good, so that what stands behind signatures is reached too; these may accept anything. What was found
// is printed as JSON with the input in base64 and ends the run with 1; the seed repeats it.
import { readdirSync, readFileSync } from 'node:fs'
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
import { startFuzz } from './fuzz-run.mjs'
import { createMutations } from './tdx-mutations.mjs'

function prepare(seed) {
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

  return { targets, counts }
}

startFuzz(import.meta.url, prepare)
