// npm run fuzz:gpu -- [--seconds 60] [--seed N]: mutated vectors of test/vectors/gpu against the appraiser and its readers, after a build.
//
// Beside what fuzz-run.mjs watches for, wrong is acceptance of a report, RIM file, OCSP response or token that no vector has. Half of
// the appraisals run with every signature called good, so that what stands behind signatures is reached too; these may accept
// anything. RIM files have a fuzz target of their own, fuzz-rim.mjs, whose mutations know XML.
import { readdirSync, readFileSync } from 'node:fs'
import { appraiseGpuInput } from '../dist/attestation/appraiser/gpu/appraise-gpu-input.js'
import { appraiseNrasInput } from '../dist/attestation/appraiser/gpu/nras/appraise-nras-input.js'
import { parseCompactToken } from '../dist/attestation/appraiser/gpu/nras/parse-compact-token.js'
import { parseJwks } from '../dist/attestation/appraiser/gpu/nras/parse-jwks.js'
import { parseOcspResponse } from '../dist/attestation/appraiser/gpu/ocsp/parse-ocsp-response.js'
import { parseSpdmReport } from '../dist/attestation/appraiser/gpu/parse-spdm-report.js'
import { readDiceExtension } from '../dist/attestation/appraiser/gpu/read-dice-extension.js'
import { parseXml } from '../dist/attestation/appraiser/gpu/rim/parse-xml.js'
import { parseCertificate } from '../dist/attestation/appraiser/x509/parse-certificate.js'
import { parsePemChain } from '../dist/attestation/appraiser/x509/parse-pem-chain.js'
import { nodeCrypto } from '../dist/attestation/crypto/node.js'
import { startFuzz } from './fuzz-run.mjs'
import { createMutations } from './tdx-mutations.mjs'

/** Boards of twelve devices would take all the time. */
const MAX_SEED_CHARACTERS = 60_000

function prepare(seed) {
  const corpus = new URL('../test/vectors/gpu/', import.meta.url)
  const inputs = readdirSync(corpus, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => readFileSync(new URL(`${name}/input.json`, corpus), 'utf8'))
    .filter((text) => text.length < MAX_SEED_CHARACTERS)
    .map((text) => JSON.parse(text))
  const devices = inputs.filter(({ evidence }) =>
    ['certificate', 'evidence'].every((name) => typeof evidence?.[0]?.[name] === 'string'),
  )
  const answers = inputs.filter((input) => Array.isArray(input.nras))
  const { below, pick, ...mutate } = createMutations(seed)
  const allGood = { ...nodeCrypto, verifyEcdsa: () => true }
  const decode = (text) => Buffer.from(typeof text === 'string' ? text : '', 'base64')
  const counts = { accepted: 0, acceptedBehindSignatures: 0, refused: 0, read: 0, unread: 0 }

  /** What is signed, of everything that a vector holds: an accepted input must consist of such. */
  const signed = new Set()
  const signedOf = (input) => {
    const parts = []
    for (const item of Array.isArray(input.evidence) ? input.evidence : []) {
      const parsed = parseSpdmReport(decode(item?.evidence))
      parts.push(parsed.ok ? Buffer.from(parsed.report.signedBytes).toString('hex') : null)
    }
    const [overall, tokens] = Array.isArray(input.nras) ? input.nras : []
    for (const token of [overall?.[1], ...Object.values(tokens ?? {})]) {
      if (typeof token === 'string') parts.push(token.split('.').slice(0, 2).join('.'))
    }
    return parts
  }
  for (const input of inputs) for (const part of signedOf(input)) signed.add(part)
  const isKnown = (input) => signedOf(input).every((part) => signed.has(part))
  const tbsOf = (text) => {
    const parsed = parseOcspResponse(decode(text))
    return parsed.ok ? Buffer.from(parsed.response.tbs).toString('hex') : null
  }
  const answered = new Set(inputs.flatMap(({ collateral }) => (collateral?.ocsp ?? []).map(tbsOf)))
  /** Whether nothing is better for a response that nobody signed: one that names no certificate of the chain may stand there. */
  const standsWithout = (input) => {
    if (!Array.isArray(input.collateral?.ocsp)) return true
    const ocsp = input.collateral.ocsp.filter((text) => answered.has(tbsOf(text)))
    const statuses = (given) =>
      appraiseGpuInput(Buffer.from(JSON.stringify(given)), nodeCrypto)
        .verdict.checks.filter(({ id }) => id.endsWith('ocsp'))
        .map(({ id, status }) => `${id} ${status}`)
        .join()
    return statuses(input) === statuses({ ...input, collateral: { ...input.collateral, ocsp } })
  }

  const read = (parsed) => {
    counts[parsed.ok ? 'read' : 'unread']++
    return true
  }
  const text = (bytes) => bytes.toString('utf8')
  const tally = ({ verdict }, crypto) => {
    const accepted = verdict.verdict === 'accepted-as-of'
    const good = crypto === nodeCrypto ? 'accepted' : 'acceptedBehindSignatures'
    counts[accepted ? good : 'refused']++
    return accepted
  }
  const base64 = (bytes) => bytes.toString('base64')
  const oneOf = (list) => (Array.isArray(list) && list.length > 0 ? pick(list) : undefined)

  const certificates = devices.slice(0, 60).flatMap(({ evidence }) =>
    [
      ...decode(evidence[0].certificate)
        .toString('latin1')
        .matchAll(/BEGIN CERTIFICATE-----([^-]+)-----/g),
    ].map(([, body]) => Buffer.from(body, 'base64')),
  )
  const reports = devices.map(({ evidence }) => decode(evidence[0].evidence))
  const chains = devices.map(({ evidence }) => decode(evidence[0].certificate).toString('latin1'))
  const responses = inputs.flatMap(({ collateral }) => (collateral?.ocsp ?? []).map(decode))
  const rims = inputs.flatMap(({ collateral }) =>
    (collateral?.rims ?? []).map(({ rim }) => decode(rim)),
  )
  const tokens = answers.flatMap(({ nras: [overall, map] }) =>
    [overall?.[1], ...Object.values(map ?? {})].filter((token) => typeof token === 'string'),
  )
  const keySets = answers.map(({ jwks }) => JSON.stringify(jwks))

  /** One place of an input of devices changed, whatever the encoding around it. */
  const deviceInput = () => {
    const input = structuredClone(pick(devices))
    const other = pick(devices)
    const item = input.evidence[0]
    const changes = [
      () => (item.evidence = base64(mutate.plain(decode(item.evidence), pick(reports)))),
      () =>
        (item.certificate = base64(
          Buffer.from(
            mutate.pem(decode(item.certificate).toString('latin1'), pick(chains)),
            'latin1',
          ),
        )),
      () => (input.evidence = [...input.evidence, ...other.evidence].slice(0, 4)),
      () => (input.collateral = other.collateral),
      () => (input.nonce = other.nonce),
      () => (input.policy = mutate.value(input.policy)),
      () => (input.at += pick([1, -1, 3600, -86_400, 2 ** 31])),
      () => {
        const ocsp = input.collateral?.ocsp
        if (oneOf(ocsp))
          ocsp[below(ocsp.length)] = base64(mutate.der(decode(oneOf(ocsp)), pick(responses)))
      },
      () => {
        const rim = oneOf(input.collateral?.rims)
        if (rim) rim.rim = base64(mutate.plain(decode(rim.rim), pick(rims)))
      },
    ]
    for (let i = below(3); i >= 0; i--) pick(changes)()
    return Buffer.from(JSON.stringify(input) ?? '')
  }
  const tokenMutant = (token) => {
    const parts = token.split('.')
    const at = below(parts.length)
    const bytes = Buffer.from(parts[at], 'base64url')
    const changed =
      at === 2 ? mutate.plain(bytes, bytes) : Buffer.from(mutate.json(text(bytes), '{}'))
    return parts.with(at, changed.toString('base64url')).join('.')
  }
  const answerInput = () => {
    const input = structuredClone(pick(answers))
    const other = pick(answers)
    const changes = [
      () => {
        if (typeof input.nras[0]?.[1] === 'string') input.nras[0][1] = tokenMutant(input.nras[0][1])
      },
      () => {
        const name = oneOf(Object.keys(input.nras[1] ?? {}))
        if (name) input.nras[1][name] = tokenMutant(pick(tokens))
      },
      () => (input.nras[1] = other.nras[1]),
      () => (input.jwks = mutate.value(input.jwks)),
      () => (input.policy = mutate.value(input.policy)),
      () => (input.nonce = other.nonce),
      () => (input.at = other.at),
    ]
    for (let i = below(3); i >= 0; i--) pick(changes)()
    return Buffer.from(JSON.stringify(input) ?? '')
  }
  const appraise = (bytes, crypto) => tally(appraiseGpuInput(bytes, crypto), crypto)

  const targets = {
    appraisal: [
      deviceInput,
      (bytes) => {
        if (!appraise(bytes, nodeCrypto)) return true
        const input = JSON.parse(text(bytes))
        return isKnown(input) && standsWithout(input)
      },
    ],
    'appraisal behind signatures': [
      deviceInput,
      (bytes) => [true, false].includes(appraise(bytes, allGood)),
    ],
    answer: [
      answerInput,
      async (bytes) => {
        const accepted = tally(await appraiseNrasInput(bytes, nodeCrypto), nodeCrypto)
        return !accepted || isKnown(JSON.parse(text(bytes)))
      },
    ],
    report: [
      () => mutate.plain(pick(reports), pick(reports)),
      (bytes) => read(parseSpdmReport(bytes)),
    ],
    certificate: [
      () => mutate.der(pick(certificates), pick(certificates)),
      (bytes) => {
        const parsed = parseCertificate(bytes)
        if (parsed.ok) readDiceExtension(parsed.certificate)
        return read(parsed)
      },
    ],
    'PEM chain': [
      () => Buffer.from(mutate.pem(pick(chains), pick(chains)), 'latin1'),
      (bytes) => read(parsePemChain(bytes.toString('latin1'), 5)),
    ],
    'OCSP response': [
      () => mutate.der(pick(responses), pick(responses)),
      (bytes) => read(parseOcspResponse(bytes)),
    ],
    XML: [() => mutate.plain(pick(rims), pick(rims)), (bytes) => read(parseXml(bytes))],
    token: [
      () => Buffer.from(tokenMutant(pick(tokens))),
      (bytes) => read(parseCompactToken(text(bytes))),
    ],
    'key set': [
      () => Buffer.from(mutate.json(pick(keySets), pick(keySets))),
      (bytes) => read(parseJwks(bytes)),
    ],
  }
  return { targets, counts }
}

startFuzz(import.meta.url, prepare)
