/** Builds, once for all tests, the scripts that the service starts as threads: they are JavaScript, tests run from source. */
import type { TestProject } from 'vitest/node'
import { transpile } from './transpile.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of the script that reads large bodies. */
    bodyWorker: string
    /** URL of the script that hashes weights. */
    hashWorker: string
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const built = await transpile('src/relay/large/body-worker.ts')
  project.provide('bodyWorker', built.url)
  const hashing = await transpile('src/weights/hash-worker.ts')
  project.provide('hashWorker', hashing.url)
  return async () => {
    await built.remove()
    await hashing.remove()
  }
}
