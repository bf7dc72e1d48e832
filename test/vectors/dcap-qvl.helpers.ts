/**
 * Puts a vector to `@phala/dcap-qvl`: with the root and time of the vector, and with its answer held against the statuses and advisories
 * that the policy accepts, which that library leaves to its caller.
 */
import { createHash } from 'node:crypto'
import { QuoteVerifier } from '@phala/dcap-qvl'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'

export interface OtherVerdict {
  readonly accepts: boolean
  /** Its message, or the status that it found. */
  readonly why: string
}

const PEM = /-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g

function certificatesIn(text: string): Buffer[] {
  return [...text.matchAll(PEM)].map(([, base64 = '']) => Buffer.from(base64, 'base64'))
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function member(value: unknown, name: string): unknown {
  return isJsonObject(value) ? value[name] : undefined
}

/** The pinned roots as DER, wherever the vector carries them. */
function rootsOf(input: JsonObject, quote: Buffer): Buffer[] {
  const pinned = textsOf(member(input['policy'], 'sgxRoots'))
  const found = certificatesIn(
    quote.toString('latin1') + JSON.stringify(input).replaceAll('\\n', '\n'),
  )
  const byDigest = new Map(
    found.map((der) => [createHash('sha256').update(der).digest('hex'), der]),
  )
  return pinned.flatMap((digest) => byDigest.get(digest) ?? [])
}

/** What a careful caller of the library does with its answer. */
function gate(status: string, advisories: readonly string[], policy: unknown): OtherVerdict {
  const tdx = member(policy, 'tdx')
  const statuses = member(tdx, 'acceptedStatuses')
  const named = member(tdx, 'acceptedAdvisories')
  const accepted = statuses === undefined ? ['UpToDate'] : textsOf(statuses)
  if (!accepted.includes(status)) return { accepts: false, why: `status ${status}` }
  const open = named === null ? [] : advisories.filter((one) => !textsOf(named).includes(one))
  return open.length === 0
    ? { accepts: true, why: status }
    : { accepts: false, why: `advisory ${open.join(' ')}` }
}

export function judgeByDcapQvl(bytes: Uint8Array): OtherVerdict {
  const parsed = parseJson(bytes)
  if (!parsed.ok || !isJsonObject(parsed.value)) return { accepts: false, why: 'no JSON' }
  const input = parsed.value
  const hex = input['quote']
  const at = input['at']
  const collateral = input['collateral']
  if (typeof hex !== 'string' || typeof at !== 'number' || !isJsonObject(collateral)) {
    return { accepts: false, why: 'it has no place for such an input' }
  }
  const quote = Buffer.from(hex, 'hex')
  let last = 'none of the pinned roots is in the evidence'
  for (const root of rootsOf(input, quote)) {
    try {
      // Not read by our parser: what it refuses is what is compared.
      const given = collateral as unknown as Parameters<QuoteVerifier['verify']>[1]
      const { status, advisory_ids: advisories } = new QuoteVerifier(root).verify(quote, given, at)
      return gate(status, advisories, input['policy'])
    } catch (error) {
      last = error instanceof Error ? error.message : 'threw no error'
    }
  }
  return { accepts: false, why: last }
}
