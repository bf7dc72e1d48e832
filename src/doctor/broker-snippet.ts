/**
 * What goes into the configuration of 0G's broker for this sidecar (0g-serving-broker, `api/inference/config/config.go` and
 * `docs/CONFIG.md`, 2026): `service:`, whose YAML is strict. No other section belongs to it; in particular none of `assay:`,
 * which is for another product.
 *
 * @module
 */

/** In place of what the doctor cannot know. */
export const UNKNOWN_URL = 'http://<address of this machine>:8080/v1'
export const UNKNOWN_ADDRESS = '<address from the log of serve>'
export const UNKNOWN_MODEL = '<model>'
/** The dstack verifier that 0G's wizard names. */
export const VERIFIER_URL = 'https://github.com/Dstack-TEE/dstack/releases/tag/verifier-v0.5.4'

export interface BrokerFacts {
  /** Ends in `/v1`; null where nobody said it. */
  readonly targetUrl: string | null
  /** EIP-55; null where it is not known before serve runs. */
  readonly address: string | null
  readonly model: string | null
}

/** JSON strings are YAML strings. */
const quoted = (text: string): string => JSON.stringify(text)

/** YAML; the token is not in it, whoever writes the file puts it there. */
export function brokerSnippet({ targetUrl, address, model }: BrokerFacts): string {
  return [
    'service:',
    '  type: chatbot',
    `  model: ${quoted(model ?? UNKNOWN_MODEL)}`,
    `  targetUrl: ${quoted(targetUrl ?? UNKNOWN_URL)}`,
    '  targetSeparated: true',
    `  targetTeeAddress: ${quoted(address ?? UNKNOWN_ADDRESS)}`,
    '  providerType: decentralized',
    // Any other word makes the users' SDK (0.9.0) refuse every answer.
    '  verifiability: "TeeML"',
    `  verifierUrl: ${quoted(VERIFIER_URL)}`,
    '  additionalSecret:',
    '    Authorization: "Bearer <token of the relay principal>"',
    '',
  ].join('\n')
}
