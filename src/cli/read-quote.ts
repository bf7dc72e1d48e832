/**
 * Finds the quote in a file that was named on the command line.
 *
 * @module
 */
import {
  parseDocument,
  unwrapDocument,
} from '../../attestation/appraiser/document/parse-document.ts'
import { parseReport } from '../../attestation/appraiser/report/parse-report.ts'
import { readRaTlsEvidence } from '../../attestation/appraiser/ratls/read-ratls-certificate.ts'
import { Unreadable } from '../../attestation/appraiser/read-members.ts'
import { parsePemChain } from '../../attestation/appraiser/x509/parse-pem-chain.ts'
import { fromHex } from '../../attestation/protocol/hex.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { fromUtf8 } from '../../attestation/protocol/utf8.ts'
import { gunzip } from '../gunzip.ts'
import type { FileLayout } from './appraise-report-file.ts'
import { readBounded } from './read-bounded.ts'
import { Refusal } from './refusal.ts'

/** Leaf, app CA, KMS root, and one to spare. */
const MAX_CHAIN_CERTIFICATES = 4
/** Where reports that are not read here to the end have it. */
const MEMBERS = ['quote', 'intel_quote'] as const

function hexOf(text: string): Uint8Array | null {
  const bytes = fromHex(text.trim().toLowerCase().replace(/^0x/, ''))
  return bytes === null || bytes.length === 0 ? null : bytes
}

/** An RA-TLS certificate of dstack carries its quote in an extension. */
function quoteOfCertificate(pem: string): Uint8Array | null {
  const chain = parsePemChain(pem, MAX_CHAIN_CERTIFICATES)
  const leaf = chain.ok ? chain.certificates[0] : undefined
  if (leaf === undefined) return null
  try {
    const evidence = readRaTlsEvidence(leaf, gunzip)
    return evidence === null ? null : evidence.quote
  } catch (error) {
    if (error instanceof Unreadable) return null
    throw error
  }
}

/**
 * @param bytes an attestation document, a report or a certificate, unwrapped
 * @param told its layout; null: the one that it names itself
 * @returns null where it cannot be read, or holds none
 */
export function findQuote(bytes: Uint8Array, told: FileLayout | null): Uint8Array | null {
  if (told === 'unclear' || told === 'gpu' || told === 'nras' || told === 'evidence') return null
  if (told === 'ratls') return quoteOfCertificate(fromUtf8(bytes) ?? '')
  const parsed = parseReport(bytes, told)
  if (!parsed.ok) return null
  if (parsed.layout !== 'countersign') return hexOf(parsed.report.quote)
  const document = parseDocument(bytes)
  return document.ok ? fromHex(document.document.quote) : null
}

function quoteOfMembers(report: JsonObject): Uint8Array | null {
  const found = MEMBERS.map((name) => report[name]).filter((value) => typeof value === 'string')
  // Two quotes: which one is meant would be a guess.
  return found.length === 1 ? hexOf(found[0] ?? '') : null
}

/**
 * @param path a quote as bytes or hex, an attestation document, or a report that holds one
 * @throws Refusal where it holds none
 */
export async function readQuote(path: string): Promise<Uint8Array> {
  const bytes = await readBounded(path)
  const parsed = parseJson(bytes)
  if (parsed.ok && isJsonObject(parsed.value)) {
    const quote = findQuote(unwrapDocument(bytes), null) ?? quoteOfMembers(parsed.value)
    if (quote === null) throw new Refusal(`${path} holds no quote, or more than one.`)
    return quote
  }
  return hexOf(fromUtf8(bytes) ?? '') ?? new Uint8Array(bytes)
}
