import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

/** What the checker of a corpus, in Python's standard library and openssl, finds wrong with each vector. */
export interface Stranger {
  /** The tool that is not installed; then nothing can be checked, and this says so once. */
  readonly lacks: string | null
  check(this: void, ids: readonly string[]): Readonly<Record<string, readonly string[]>>
}

export function openStranger(script: string, corpus: URL, timeout: number): Stranger {
  const checker = fileURLToPath(new URL(script, import.meta.url))
  const tools = [
    ['python3', '--version'],
    ['openssl', 'version'],
  ] as const
  const lacks = tools.find(([name, flag]) => spawnSync(name, [flag]).status !== 0)?.[0] ?? null
  if (lacks !== null)
    console.warn(`SKIPPED: no ${lacks} here, the corpus is not checked by a stranger`)
  return {
    lacks,
    check(ids) {
      const run = spawnSync('python3', [checker, fileURLToPath(corpus), ...ids], { timeout })
      expect(run.stderr.toString()).toBe('')
      return JSON.parse(run.stdout.toString()) as Readonly<Record<string, readonly string[]>>
    },
  }
}
