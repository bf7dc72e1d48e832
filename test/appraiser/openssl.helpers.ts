/**
 * OpenSSL's command as somebody else's implementation of OCSP: a certification authority with responders, made and run by it.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parsePemChain } from '../../attestation/appraiser/x509/parse-pem-chain.ts'
import type { Certificate } from '../../attestation/appraiser/x509/parse-certificate.ts'

function version(): string {
  const { stdout } = spawnSync('openssl', ['version'], { encoding: 'utf8' })
  return stdout ?? ''
}

/** `openssl ocsp` signs with a chosen hash (`-rmd`) and reads SHA-384 CertIDs since 1.1; only 3 and later is tried. */
export const hasOpenssl = /^OpenSSL (?:[3-9]|\d\d)\./.test(version())
if (!hasOpenssl) console.warn('SKIPPED: no openssl 3 or newer on this machine')

export interface OpensslCa {
  /** Runs `openssl` in the folder of the authority. @returns standard output */
  run(...args: readonly string[]): string
  write(name: string, content: Uint8Array | string): void
  read(name: string): Uint8Array
  certificate(name: string): Certificate
  /**
   * @param name of the files `<name>.pem` and `<name>.key`
   * @param issuer null: signed by itself
   * @param section of the extensions, see the configuration
   */
  issue(name: string, issuer: string | null, section: string): void
  /** What `openssl ocsp` makes of a request with the given data base. */
  respond(request: Uint8Array, signer: string, ...more: readonly string[]): Uint8Array
  remove(): void
}

const CONFIG = `
[req]
distinguished_name = dn
prompt = no
[dn]
CN = placeholder
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[responder]
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = ignored
[client]
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
`

export function createOpensslCa(): OpensslCa {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-ocsp-'))
  const run = (...args: readonly string[]): string =>
    execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
  const write = (name: string, content: Uint8Array | string): void =>
    writeFileSync(join(folder, name), content)
  const read = (name: string): Uint8Array => new Uint8Array(readFileSync(join(folder, name)))
  write('config', CONFIG)
  let serial = 0x1000
  return {
    run,
    write,
    read,
    certificate(name) {
      const chain = parsePemChain(Buffer.from(read(`${name}.pem`)).toString('latin1'), 1)
      const [first] = chain.ok ? chain.certificates : []
      if (first === undefined) throw new Error(chain.ok ? 'none' : chain.detail)
      return first
    },
    issue(name, issuer, section) {
      run('ecparam', '-name', 'secp384r1', '-genkey', '-noout', '-out', `${name}.key`)
      const by = issuer ?? name
      const request = ['req', '-new', '-config', 'config', '-subj', `/O=Test/CN=${name}`]
      run(...request, '-key', `${name}.key`, '-out', `${name}.csr`)
      serial++
      const sign = ['x509', '-req', '-in', `${name}.csr`, '-sha384', '-days', '30']
      const how =
        issuer === null ? ['-signkey', `${name}.key`] : ['-CA', `${by}.pem`, '-CAkey', `${by}.key`]
      const what = ['-extfile', 'config', '-extensions', section, '-out', `${name}.pem`]
      run(...sign, ...how, '-set_serial', String(serial), ...what)
    },
    respond(request, signer, ...more) {
      write('request.der', request)
      const by = ['-CA', 'issuer.pem', '-rsigner', `${signer}.pem`, '-rkey', `${signer}.key`]
      const files = ['-reqin', 'request.der', '-respout', 'response.der']
      run('ocsp', '-index', 'index.txt', ...by, '-rmd', 'sha384', ...files, ...more)
      return read('response.der')
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
