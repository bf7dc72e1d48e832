/** What the tests of the TLS listener share: the service with one, and other people's clients. */
import { execFile } from 'node:child_process'
import { startTestService } from '../harness/service.ts'
import type { TestService, TestServiceOptions } from '../harness/service.ts'

export interface TlsTestService extends TestService {
  /** `https://127.0.0.1:port` */
  readonly secureUrl: string
  readonly securePort: number
  /** Hex. */
  readonly spkiSha256: string
}

/** @param plain beside TLS */
export async function startTlsService(
  options: TestServiceOptions & {
    readonly tls?: Readonly<Record<string, unknown>>
    readonly plain?: boolean
  } = {},
): Promise<TlsTestService> {
  const { tls = {}, plain = false, config = {}, ...rest } = options
  const started = await startTestService({
    ...rest,
    config: {
      tls: { port: 0, names: ['localhost', '127.0.0.1'], ...tls },
      ...(plain ? {} : { listen: null }),
      ...config,
    },
  })
  const { service } = started
  if (service.tls === null) throw new Error('the test configures TLS')
  return {
    ...started,
    secureUrl: service.tls.url,
    securePort: service.tls.port,
    spkiSha256: service.keys.keyset.tls_public_keys[0]?.spki_sha256 ?? '',
  }
}

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end with nothing on its standard input. */
export function run(command: string, args: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(command, [...args], { timeout: 20_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
      resolve({ code, stdout, stderr })
    })
    // A command that refuses its flags ends without reading; its exit code says so, not the pipe.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}
