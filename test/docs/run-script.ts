/** Runs what a page tells its reader to type, in one shell. */
import { spawn } from 'node:child_process'

export interface Ran {
  readonly code: number | null
  readonly out: string
}

export function runScript(script: string, cwd: string, path: string): Promise<Ran> {
  const { COUNTERSIGN_TOKENS: _none, ...environment } = process.env
  return new Promise((resolve) => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      cwd,
      env: { ...environment, PATH: path },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that nothing of it is left where a block fails.
      detached: true,
    })
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.once('exit', (code) => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // All of them have ended by themselves.
      }
      resolve({ code, out })
    })
  })
}
