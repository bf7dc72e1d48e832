/**
 * Whether a connection ended inside the enclave: its TLS key stands in a keyset that a quote vouches for (ACI §1.1 and §3.1).
 *
 * What the certificate says, and who issued it, is of no matter: TLS has shown that the other end holds the key, and the measured
 * code says that it lists no key but one that it holds. A certificate of WebPKI says only who owns a name.
 *
 * @module
 */
import type { Hex32 } from '../../protocol/hex.ts'
import type { Keyset, TlsKey } from '../../protocol/keyset.ts'
import { fail, info, pass, skip } from '../check.ts'
import type { Check } from '../check.ts'
import type { AppraisalPolicy } from '../policy.ts'

/** What the caller saw of the connection that the document came on: of that very socket, not of an earlier one. */
export type ObservedChannel =
  | { readonly kind: 'plain' }
  | {
      readonly kind: 'tls'
      /** As the caller asked for it, without port. */
      readonly host: string
      /** SHA-256 of the SubjectPublicKeyInfo, as it stands in the peer's certificate; null where it could not be read. */
      readonly spkiSha256: Hex32 | null
    }

export const CHANNEL_CHECK = 'channel.bound'
export const CHANNEL_PROVES =
  'The connection ended inside the enclave: nobody between could read it.'

const plainHost = (host: string): string => host.toLowerCase().replace(/\.$/, '')

/** Whether that key is listed for that host; an entry without a domain is for every host. */
export function isListedTlsKey(keys: readonly TlsKey[], host: string, spkiSha256: string): boolean {
  return keys.some(
    ({ domain, spki_sha256: listed }) =>
      listed === spkiSha256 && (domain === undefined || plainHost(domain) === plainHost(host)),
  )
}

/**
 * @param channel null: nobody looked
 * @param trusted whether the quote vouches for the keyset
 */
export function judgeChannel(
  channel: ObservedChannel | null,
  keyset: Keyset,
  trusted: boolean,
  policy: Pick<AppraisalPolicy, 'channel'>,
): Check {
  const id = CHANNEL_CHECK
  if (channel === null) {
    return skip(id, 'not_provided', CHANNEL_PROVES, 'the connection was not looked at')
  }
  const refuse = policy.channel === 'bound' ? fail : info
  if (channel.kind === 'plain') return refuse(id, 'channel_plain', CHANNEL_PROVES, 'plain HTTP')
  const { host, spkiSha256 } = channel
  if (spkiSha256 === null || !isListedTlsKey(keyset.tls_public_keys, host, spkiSha256)) {
    const listed = keyset.tls_public_keys.length
    const seen = spkiSha256 === null ? 'an unreadable certificate' : `key ${spkiSha256}`
    return refuse(id, 'channel_intermediary', CHANNEL_PROVES, `${seen}; the keyset lists ${listed}`)
  }
  // Last: a key that stands in a keyset of anybody's making binds nothing.
  if (!trusted) return skip(id, 'depends_on_failed', CHANNEL_PROVES)
  return pass(id, CHANNEL_PROVES, `key ${spkiSha256}`)
}
