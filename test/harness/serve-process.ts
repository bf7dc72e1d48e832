/** `countersign serve --simulate` as a process of its own, for tests that send signals or kill. */
import { spawn } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { TOKENS } from './service.ts'
import { transpile } from './transpile.ts'
import type { Transpiled } from './transpile.ts'

export interface ServeProcess {
  readonly url: string
  readonly port: number
  kill(signal: 'SIGTERM' | 'SIGKILL' | 'SIGUSR1'): void
  /** What it has written to standard error. */
  complaints(): string
  /** Exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>
}

/** Built once for all processes of a test file. */
export function buildServe(): Promise<Transpiled> {
  return transpile('src/cli/serve.ts')
}

/** @param config the configuration file, without the address to listen on */
export async function startServe(
  built: Transpiled,
  config: Readonly<Record<string, unknown>>,
): Promise<ServeProcess> {
  const folder = fileURLToPath(new URL('.', built.url))
  const id = `${String(Date.now())}-${String(Math.random()).slice(2)}`
  const script = `${folder}run-${id}.mjs`
  const file = `${folder}config-${id}.json`
  await writeFile(file, JSON.stringify({ listen: { port: 0 }, ...config }))
  await writeFile(
    script,
    `import { serve } from ${JSON.stringify(built.url)}
     await serve({ config: ${JSON.stringify(file)}, simulate: true })
     process.exit(0)`,
  )
  const child = spawn(process.execPath, [script], {
    env: { ...process.env, COUNTERSIGN_TOKENS: `alice:${TOKENS.alice}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let complaints = ''
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()))
  const exited = new Promise<number | string>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown')),
  )
  const url = await new Promise<string>((resolve, reject) => {
    let log = ''
    child.stdout.on('data', (chunk: Buffer) => {
      log += chunk.toString()
      const found = /"url":"(http[^"]+)"/.exec(log)?.[1]
      if (found !== undefined) resolve(found)
    })
    void exited.then((how) => reject(new Error(`ended with ${String(how)}: ${complaints}`)))
  })
  while (!(await fetch(`${url}/health/ready`)).ok) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return {
    url,
    port: Number(new URL(url).port),
    kill: (signal) => child.kill(signal),
    complaints: () => complaints,
    exited: exited.finally(() => Promise.all([rm(script), rm(file)]).catch(() => undefined)),
  }
}
