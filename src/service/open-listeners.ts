/**
 * The listeners that the configuration names, over one set of routes: plain HTTP, TLS, and the operator's own.
 *
 * @module
 */
import type { Server } from 'node:http'
import type { Config } from '../config/config.ts'
import type { ServiceLog } from '../operations/open-log.ts'
import { capConnections, readMaxOpenFiles } from './cap-connections.ts'
import { createServer } from './create-server.ts'
import type { Listener, ServerOptions } from './create-server.ts'
import { listen } from './listen.ts'
import type { Bound } from './listen.ts'
import { CERTIFICATE_CHECK_MS } from './tls/keep-certificate.ts'
import type { TlsListening } from './tls/open-tls.ts'

export interface ListenersOptions {
  readonly config: Pick<Config, 'listen' | 'tls' | 'metrics'>
  readonly server: Omit<ServerOptions, 'maxConnections'>
  readonly tls: TlsListening | null
  /** Null where the configuration says nowhere. */
  readonly operations: Server | null
  readonly log: ServiceLog
}

export interface Listeners {
  readonly plain: Bound | null
  readonly tls: Bound | null
  readonly operations: Bound | null
  /** Ends what clients have open. */
  closeClients(): Promise<void>
  closeOperations(): Promise<void>
}

function shut({ server, cut }: Pick<Listener, 'server' | 'cut'>): Promise<void> {
  const ended = new Promise<void>((resolve) => server.close(() => resolve()))
  cut()
  return ended
}

/** Puts each new certificate in front of the next handshake, and says once why the configured one is not it. @returns ends it */
function keepRenewing(
  { key, certificate }: TlsListening,
  listener: Listener,
  log: ServiceLog,
): () => void {
  let told: string | undefined
  const tellFault = (): void => {
    const [fault] = certificate.warnings()
    if (fault !== undefined && fault.code !== told) {
      log.warn(
        { code: fault.code, certificate: certificate.current.from },
        'the certificate file is not used',
      )
    }
    told = fault?.code
  }
  tellFault()
  const timer = setInterval(() => {
    void certificate.check().then((changed) => {
      tellFault()
      if (!changed) return
      const { from, chain, notAfter } = certificate.current
      listener.renew(key.credentials(chain))
      log.info(
        { certificate: from, until: Math.floor(notAfter / 1000) },
        'another certificate, the same key',
      )
    })
  }, CERTIFICATE_CHECK_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** All or none: rejects where an address cannot be bound, and lets go of the others. */
export async function openListeners(options: ListenersOptions): Promise<Listeners> {
  const { config, tls, operations: operator, log } = options
  const clients: Listener[] = []
  const wanted = options.server.limits.clientConnections
  const listeners = [config.listen, tls].filter((place) => place !== null).length
  const maxConnections = capConnections(wanted, listeners, readMaxOpenFiles())
  if (maxConnections < wanted) {
    log.warn({}, 'fewer connections than clientConnections, for so few files may be open')
  }
  let endRenewing = (): void => {}
  const closeClients = async () => {
    endRenewing()
    await Promise.all(clients.map(shut))
  }
  const closeOperations = async () => {
    if (operator !== null) {
      await shut({ server: operator, cut: () => operator.closeAllConnections() })
    }
  }
  const open = async (
    place: Config['listen'],
    secure: TlsListening | null,
  ): Promise<Bound | null> => {
    if (place === null) return null
    const credentials =
      secure === null ? null : secure.key.credentials(secure.certificate.current.chain)
    const listener = createServer({ ...options.server, maxConnections }, credentials)
    clients.push(listener)
    const { host, port } = place
    const bound = await listen(listener.server, host, port, secure === null ? 'http' : 'https')
    if (secure !== null) endRenewing = keepRenewing(secure, listener, log)
    return bound
  }
  try {
    const operations =
      operator === null || config.metrics === null
        ? null
        : await listen(operator, config.metrics.host, config.metrics.port)
    const plain = await open(config.listen, null)
    const secure = tls === null ? null : await open(config.tls, tls)
    return { plain, tls: secure, operations, closeClients, closeOperations }
  } catch (error) {
    await closeClients()
    await closeOperations()
    throw error
  }
}
