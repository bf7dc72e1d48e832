/**
 * Which certificate a TLS listener shows: one from the configured file while that is good, else the one that came with the key
 * from the guest agent, else one of our own, made anew in time. The key is the same in all of them, so the keyset never changes.
 *
 * @module
 */
import { X509Certificate } from 'node:crypto'
import type { DocumentWarning } from '../../../enclave/attestation/attestor.ts'
import { SELF_SIGNED_MS } from '../../../enclave/keys/tls-key.ts'
import type { TlsKey } from '../../../enclave/keys/tls-key.ts'
import { readCertificateFile, TLS_CERTIFICATE_FAULTS } from './read-certificate-file.ts'
import type { TlsCertificateFault } from './read-certificate-file.ts'

/** Milliseconds between two looks at the file and the clock. */
export const CERTIFICATE_CHECK_MS = 30_000
/** Name in a self-signed certificate where the configuration gives none: no public authority certifies it. */
export const DEFAULT_NAMES: readonly string[] = Object.freeze(['localhost'])

export interface CertificateOptions {
  readonly key: TlsKey
  readonly names: readonly string[]
  /** Null: none. */
  readonly file: string | null
  /** Unix milliseconds. */
  readonly nowMs: () => number
}

export interface CertificateKeeper {
  /** What is shown now. */
  readonly current: ShownCertificate
  /** @returns whether another one is shown from now on. Never rejects */
  check(): Promise<boolean>
  /** What is wrong with the file; empty while it is used or none is configured. */
  warnings(): readonly DocumentWarning[]
}

export interface ShownCertificate {
  readonly from: 'file' | 'agent' | 'self'
  /** PEM, the certificate of the key first. */
  readonly chain: string
  /** Unix milliseconds. */
  readonly notAfter: number
}

/** Reads the file once before it resolves. */
export async function keepCertificate(options: CertificateOptions): Promise<CertificateKeeper> {
  const { key, file, nowMs } = options
  const names = options.names.length === 0 ? DEFAULT_NAMES : options.names
  let fault: TlsCertificateFault | null = null
  let own: ShownCertificate | null = null

  const signOwn = (): ShownCertificate => {
    const at = nowMs()
    // At half its life, so that a client that keeps connecting never meets an expired one; and where the clock was set back
    // so far that it is not valid yet.
    const left = own === null ? 0 : own.notAfter - at
    if (own === null || left < SELF_SIGNED_MS / 2 || left > SELF_SIGNED_MS) {
      own = {
        from: 'self',
        chain: key.selfSign(names, new Date(at)),
        notAfter: at + SELF_SIGNED_MS,
      }
    }
    return own
  }

  const { issued } = key
  const ofAgent: ShownCertificate | null =
    issued === null
      ? null
      : { from: 'agent', chain: issued, notAfter: Date.parse(new X509Certificate(issued).validTo) }

  const choose = async (): Promise<ShownCertificate> => {
    if (file !== null) {
      const read = await readCertificateFile(file, key, nowMs())
      fault = read.ok ? null : read.fault
      if (read.ok) return { from: 'file', chain: read.chain, notAfter: read.notAfter }
    }
    return ofAgent !== null && nowMs() < ofAgent.notAfter ? ofAgent : signOwn()
  }

  let current = await choose()
  return {
    get current() {
      return current
    },
    async check() {
      const next = await choose()
      const changed = next.chain !== current.chain
      current = next
      return changed
    },
    warnings: () =>
      fault === null ? [] : [{ code: fault, detail: TLS_CERTIFICATE_FAULTS[fault] }],
  }
}
