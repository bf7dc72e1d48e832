/** `countersign serve --simulate` on a guest agent outside of it, as a process of its own, watched by its log. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TOKENS } from './service.ts'
import type { Transpiled } from './transpile.ts'

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

export interface Sidecar {
  /** Resolves when the log holds it. */
  logged(text: string): Promise<void>
  readonly log: () => string
  /** `http://127.0.0.1:port` */
  readonly url: string
  /** Status and body; 0 where nobody listens. */
  get(path: string): Promise<{ readonly status: number; readonly body: string }>
  /** From the log; throws where none was named. */
  address(): string
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

export interface SidecarOptions {
  readonly socketPath: string
  readonly addressKey: 'derived' | 'sealed' | 'ephemeral'
  /** Of the sealed key. */
  readonly folder: string
  /** `--expect-address`; none by default. */
  readonly expected?: string
  /** The socket is that of TAPP, which started this app. */
  readonly tappAppId?: string
  /** Of the model; a socket that nobody listens on by default. */
  readonly upstream?: string
  /** Folder of the store; receipts are kept in memory by default. */
  readonly store?: string
  /** Where replicas share it, as `store.shared` has it. */
  readonly shared?: object
  /** Further variables of its environment. */
  readonly environment?: Readonly<Record<string, string>>
}

/** @param built as `buildServe` gives it */
export async function startSidecar(built: Transpiled, options: SidecarOptions): Promise<Sidecar> {
  const port = await freePort()
  const home = fileURLToPath(new URL('.', built.url))
  const id = randomBytes(6).toString('hex')
  const config = join(home, `config-${id}.json`)
  const script = join(home, `run-${id}.mjs`)
  writeFileSync(
    config,
    JSON.stringify({
      listen: { port },
      upstreams: [{ name: 'none', url: options.upstream ?? 'unix:/nowhere.sock', health: null }],
      store:
        options.store === undefined
          ? null
          : {
              path: options.store,
              ...(options.shared === undefined ? {} : { shared: options.shared }),
            },
      address_key: options.addressKey,
      address_key_dir: options.folder,
      ...(options.expected === undefined ? {} : { expect_address: options.expected }),
      gpu: { required: 0 },
      metrics: null,
      limits: { drainNoticeMs: 1 },
    }),
  )
  const tapp =
    options.tappAppId === undefined
      ? {}
      : { tappAppId: options.tappAppId, tappSocket: options.socketPath }
  writeFileSync(
    script,
    `import { serve } from ${JSON.stringify(built.url)}
     await serve(${JSON.stringify({ config, simulate: true, ...tapp })})
     process.exit(0)`,
  )
  const child: ChildProcess = spawn(process.execPath, [script], {
    env: {
      ...process.env,
      COUNTERSIGN_TOKENS: `alice:${TOKENS.alice}`,
      ...(options.tappAppId === undefined ? { COUNTERSIGN_AGENT_SOCKET: options.socketPath } : {}),
      ...options.environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  const looking = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      out += chunk.toString()
      for (const look of looking) look()
    })
  }
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return {
    log: () => out,
    url: `http://127.0.0.1:${String(port)}`,
    logged: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!out.includes(text)) return
          looking.delete(look)
          resolve()
        }
        looking.add(look)
        look()
        void exited.then(() => reject(new Error(`ended: ${out}`)))
      }),
    get: (path) =>
      fetch(`http://127.0.0.1:${String(port)}${path}`).then(
        async (response) => ({ status: response.status, body: await response.text() }),
        () => ({ status: 0, body: '' }),
      ),
    address() {
      const found = /"address":"(0x[0-9a-fA-F]{40})"/.exec(out)?.[1]
      if (found === undefined) throw new Error(`no address: ${out}`)
      return found
    },
    async end(signal) {
      child.kill(signal)
      await exited
    },
  }
}
