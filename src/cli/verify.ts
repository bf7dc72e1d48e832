/**
 * `countersign verify <url | file>`: appraises a live service's attestation, or a saved document.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { request } from 'undici'
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import type { TrustedKeyset } from '../../attestation/appraiser/appraise-document.ts'
import { DEFAULT_POLICY, parsePolicy } from '../../attestation/appraiser/policy.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { verifyReceipt } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import type { ReceiptVerdict } from '../../attestation/appraiser/receipt/verify-receipt.ts'
import { VERDICT_EXIT_CODES } from '../../attestation/appraiser/verdict.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { fromHex, isHex32, toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { Refusal } from './refusal.ts'
import { EXIT } from './exit-codes.ts'
import { formatChecks } from './print-verdict.ts'

/** Bytes of an answer or a file that is read. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
/** Milliseconds for an answer: a round of attestation takes seconds on hardware. */
export const FETCH_MS = 60_000

export interface VerifyOptions {
  readonly nonce?: string
  readonly at?: string
  readonly policy?: string
  readonly roots?: string
  readonly allowSimulated?: boolean
  readonly require?: readonly string[]
  readonly acceptUnchecked?: boolean
  readonly json?: boolean
  readonly receipt?: string
  readonly opening?: string
  readonly request?: string
  readonly response?: string
  readonly challenge?: string
  /** What the receipt must show; default: `bytes` where both bodies were given, else `signer`. */
  readonly level?: string
}

async function readBounded(path: string): Promise<Buffer> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch {
    throw new Refusal(`${path} cannot be read.`)
  }
  if (bytes.length > MAX_DOCUMENT_BYTES) throw new Refusal(`${path} is too large.`)
  return bytes
}

async function readObject(path: string): Promise<JsonObject> {
  const parsed = parseJson(await readBounded(path))
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new Refusal(`${path} is not a JSON object.`)
  return parsed.value
}

/** Where the wrapped document is served: the same below an OpenAI base URL, a broker's proxy path and a bare origin. */
export function documentUrl(base: string, nonce: Hex32): string {
  const url = new URL(base)
  const path = url.pathname.replace(/\/+$/, '')
  url.pathname = `${path === '' ? '/v1' : path}/attestation/document`
  url.search = `?nonce=${nonce}`
  return url.href
}

async function fetchDocument(base: string, nonce: Hex32): Promise<Buffer> {
  const { statusCode, body } = await request(documentUrl(base, nonce), {
    headersTimeout: FETCH_MS,
    bodyTimeout: FETCH_MS,
    signal: AbortSignal.timeout(FETCH_MS),
  })
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    if (!Buffer.isBuffer(chunk)) continue
    size += chunk.length
    if (size > MAX_DOCUMENT_BYTES) throw new Refusal('The answer is too large.')
    chunks.push(chunk)
  }
  if (statusCode !== 200) throw new Refusal(`The service answered ${statusCode}.`)
  return unwrap(Buffer.concat(chunks))
}

/** A saved file may be the document itself or the wrapped form. */
function unwrap(bytes: Buffer): Buffer {
  const parsed = parseJson(bytes)
  if (!parsed.ok || !isJsonObject(parsed.value)) return bytes
  const { document } = parsed.value
  return typeof document === 'string' ? Buffer.from(document) : bytes
}

async function loadPolicy(options: VerifyOptions): Promise<AppraisalPolicy> {
  let policy = DEFAULT_POLICY
  if (options.policy !== undefined) {
    const result = parsePolicy(await readObject(options.policy))
    if (!result.ok) throw new Refusal(`The policy is wrong: ${result.detail}.`)
    policy = result.policy
  }
  if (options.roots !== undefined) {
    const { sgx, nvidia, kms } = await readObject(options.roots)
    if (!isHex32(sgx) || !isHex32(nvidia)) {
      throw new Refusal(`${options.roots} does not hold the roots of a simulation.`)
    }
    policy = {
      ...policy,
      sgxRoots: [sgx],
      nvidiaRoots: [nvidia],
      kmsRoots: typeof kms === 'string' ? [kms] : [],
    }
  }
  if (options.allowSimulated === true) {
    // Without named roots any simulation will do: it proves nothing either way.
    const simulatedRoots = options.roots === undefined ? 'any' : 'listed'
    policy = { ...policy, allowSimulated: true, simulatedRoots }
  }
  if (options.acceptUnchecked === true) {
    policy = { ...policy, acceptUnchecked: ['quote.*', 'gpu.*.*'] }
  }
  if (options.require !== undefined) {
    policy = { ...policy, require: [...policy.require, ...options.require] }
  }
  return policy
}

function nonceOf(options: VerifyOptions, live: boolean): Hex32 | null {
  if (options.nonce !== undefined) {
    if (!isHex32(options.nonce)) throw new Refusal('--nonce takes 64 lower-case hex digits.')
    return options.nonce
  }
  return live ? toHex32(randomBytes(32)) : null
}

function timeOf(text: string | undefined): number {
  if (text === undefined) return Math.floor(Date.now() / 1000)
  const seconds = /^\d{1,10}$/.test(text) ? Number(text) : Math.floor(Date.parse(text) / 1000)
  if (!Number.isSafeInteger(seconds)) throw new Refusal('--at takes unix seconds or an ISO time.')
  return seconds
}

async function checkReceipt(
  options: VerifyOptions,
  trusted: TrustedKeyset,
  at: number,
  policy: AppraisalPolicy,
): Promise<ReceiptVerdict | null> {
  if (options.receipt === undefined) return null
  const opening = options.opening === undefined ? null : fromHex(options.opening)
  if (options.opening !== undefined && opening?.length !== 32) {
    throw new Refusal('--opening takes 64 lower-case hex digits.')
  }
  const requestBytes = options.request === undefined ? null : await readBounded(options.request)
  const responseBytes = options.response === undefined ? null : await readBounded(options.response)
  const given = requestBytes !== null && responseBytes !== null ? 'bytes' : 'signer'
  const level = options.level ?? given
  if (level !== 'bytes' && level !== 'content' && level !== 'signer') {
    throw new Refusal('--level takes bytes, content or signer.')
  }
  return verifyReceipt(unwrap(await readBounded(options.receipt)).toString('utf8'), {
    crypto: nodeCrypto,
    at,
    level,
    trusted,
    policy,
    ...(opening === null ? {} : { opening }),
    expected: {
      ...(requestBytes === null ? {} : { requestBytes }),
      ...(responseBytes === null ? {} : { responseBytes }),
      ...(options.challenge === undefined ? {} : { challenge: options.challenge }),
    },
  })
}

/** @returns the exit code */
export async function verify(target: string, options: VerifyOptions): Promise<number> {
  const live = /^https?:\/\//.test(target)
  const policy = await loadPolicy(options)
  const nonce = nonceOf(options, live)
  let bytes: Buffer
  try {
    bytes =
      live && nonce !== null
        ? await fetchDocument(target, nonce)
        : unwrap(await readBounded(target))
  } catch (error) {
    if (error instanceof Refusal) throw error
    throw new Refusal(`${target} cannot be reached.`)
  }
  const at = timeOf(options.at)
  const { verdict, trusted } = appraiseDocument(bytes, {
    crypto: nodeCrypto,
    at,
    nonce,
    policy,
    ...(options.at === undefined ? {} : { asOf: true }),
  })
  const receipt = trusted === null ? null : await checkReceipt(options, trusted, at, policy)
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ ...verdict, receipt }, null, 2)}\n`)
  } else {
    process.stdout.write(`${formatChecks(verdict.checks)}\n`)
    if (receipt !== null) {
      process.stdout.write(
        `\nreceipt, level reached: ${receipt.level}\n${formatChecks(receipt.checks)}\n`,
      )
    }
    process.stdout.write(`\n${verdict.sentence}\n`)
  }
  const code = VERDICT_EXIT_CODES[verdict.verdict]
  return code === EXIT.accepted && receipt?.accepted === false ? EXIT.rejected : code
}
