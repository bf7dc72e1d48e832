/** An authority and a server's certificate, made by openssl, and what starts a Redis server with it. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { newFolder } from './store.helpers.ts'

export const OPENSSL = spawnSync('openssl', ['version']).status === 0
if (!OPENSSL) console.warn('SKIPPED: no openssl here, the shared store is not tried over TLS')

/** An authority and a certificate of it, for the names given. */
export function certify(names: string): string {
  const folder = newFolder()
  const openssl = (...words: readonly string[]) => {
    const ran = spawnSync('openssl', words, { cwd: folder })
    if (ran.status !== 0) throw new Error(ran.stderr.toString())
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=ca',
    '-days',
    '2',
  )
  openssl(
    ...[
      'req',
      '-x509',
      ...key,
      '-keyout',
      'r.key',
      '-out',
      'r.pem',
      '-subj',
      '/CN=r',
      '-days',
      '2',
    ],
    ...['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', `subjectAltName=${names}`],
  )
  return folder
}

/** @param folder of {@link certify} */
export function tlsArguments(folder: string, port: number): readonly string[] {
  return [
    ...['--tls-port', String(port), '--tls-auth-clients', 'no'],
    ...['--tls-cert-file', join(folder, 'r.pem'), '--tls-key-file', join(folder, 'r.key')],
  ]
}
