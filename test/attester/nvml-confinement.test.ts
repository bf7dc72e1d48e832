/** What a driver's library, good or hostile, finds in the process that loads it. */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { load } from 'koffi'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startNvmlProcess } from '../../attestation/attester/nvml/nvml-client.ts'
import { openNvml } from '../../attestation/attester/nvml/open-nvml.ts'
import { NO_STUB, startNvmlStub } from '../harness/nvml-stub.ts'
import type { NvmlStub } from '../harness/nvml-stub.ts'
import { transpile } from '../harness/transpile.ts'
import type { Transpiled } from '../harness/transpile.ts'

const SCRIPT = 'attestation/attester/nvml/nvml-process.ts'
const OPEN_MS = 10_000
const F_SETFD = 2
/** What Node has for itself. */
const OWN = /^(?:anon_inode:|\/dev\/null$|pipe:)/

/** Where the descriptors of a process lead. */
function handlesOf(pid: number | 'self'): ReadonlyMap<number, string> {
  const found = new Map<number, string>()
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    try {
      found.set(Number(name), readlinkSync(`/proc/${pid}/fd/${name}`))
    } catch {
      // The one by which the folder was read.
    }
  }
  return found
}

describe.skipIf(NO_STUB !== null)('the process that loads the driver', () => {
  let stub: NvmlStub
  let built: Transpiled
  const seenFile = () => join(dirname(stub.library), 'seen')
  beforeAll(async () => {
    stub = await startNvmlStub(1)
    built = await transpile(SCRIPT)
  })
  afterAll(async () => {
    await stub.close()
    await built.remove()
  })

  test('holds no environment, no descriptor of the service and no way to new rights when the library is loaded', async () => {
    await stub.set({ look: 1 })
    // As a descriptor is that a shell handed to the service: every process that it starts gets it, too.
    const secret = openSync('/etc/hostname', 'r')
    const fcntl = load(null).func('fcntl', 'int32_t', ['int32_t', 'int32_t', 'uint64_t'])
    expect(fcntl(secret, F_SETFD, 0)).toBe(0)
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const before = { ...process.env }
    process.env['COUNTERSIGN_TOKENS'] = `alice:${randomBytes(16).toString('hex')}`
    try {
      const client = startNvmlProcess(new URL(built.url))
      try {
        await client.open(stub.library, OPEN_MS)
        const seen = readFileSync(seenFile(), 'utf8').trimEnd().split('\n')
        expect(seen).toContain('dumpable 0')
        expect(seen).toContain('no_new_privs 1')
        expect(seen.filter((line) => line.startsWith('env '))).toEqual([])

        const handles = new Map(
          seen
            .filter((line) => line.startsWith('fd '))
            .map((line) => /^fd (\d+) (.*)$/.exec(line)?.slice(1) ?? [])
            .map(([handle = '', target = '']) => [Number(handle), target]),
        )
        expect(handles.get(0)).toMatch(/^socket:|^pipe:/)
        expect(handles.get(3)).toMatch(/^socket:|^pipe:/)
        for (const output of [1, 2]) expect(handles.get(output)).toBe('/dev/null')
        const own = [...handlesOf('self').values()].filter((target) => !target.startsWith('/dev/'))
        expect(own.some((target) => target.startsWith('socket:'))).toBe(true)
        for (const [handle, target] of handles) {
          if (target.startsWith('anon_inode:')) continue
          expect(own, `descriptor ${handle}`).not.toContain(target)
          if (handle > 3) expect(target).toMatch(OWN)
        }
      } finally {
        client.kill()
        await client.gone
      }
    } finally {
      process.env = before
      closeSync(secret)
      await new Promise((resolve) => server.close(resolve))
      await stub.set()
    }
  })

  test('says so itself: /proc/<pid>/status has NoNewPrivs 1', async () => {
    const client = startNvmlProcess(new URL(built.url))
    try {
      await client.open(stub.library, OPEN_MS)
      const script = new URL(built.url).pathname
      const [pid] = readdirSync('/proc').filter((name) => {
        try {
          return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(script)
        } catch {
          return false
        }
      })
      expect(readFileSync(`/proc/${pid ?? ''}/status`, 'utf8')).toMatch(/^NoNewPrivs:\t1$/m)
    } finally {
      client.kill()
      await client.gone
    }
  })

  test('does not load the library where the kernel refuses either', async () => {
    await stub.set({ look: 1 })
    await rm(seenFile(), { force: true })
    for (const answers of [
      '() => -1',
      '(option) => (option === 3 ? 1 : option === 39 ? 1 : 0)',
      '(option) => 0',
    ]) {
      const bent = await transpile(SCRIPT)
      const packages = new URL('../../../node_modules', new URL(bent.url))
      await rm(packages)
      await mkdir(`${packages.pathname}/koffi`, { recursive: true })
      await writeFile(
        `${packages.pathname}/koffi/index.js`,
        `exports.load = (path) => { if (path !== null) throw new Error('loaded'); return { func: () => ${answers} } }`,
      )
      const source = openNvml({ required: 1, library: stub.library, script: new URL(bent.url) })
      const error: unknown = await source.facts().catch((thrown: unknown) => thrown)
      await source.close()
      await bent.remove()
      expect(error).toMatchObject({ code: 'nvml_process_unconfined', detail: stub.library })
    }
    expect(existsSync(seenFile())).toBe(false)
    await stub.set()
  })
})
