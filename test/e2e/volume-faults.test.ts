/**
 * The service as a process on volumes of its own, a few megabytes of memory each, that fill up or turn read-only under it:
 * no answer leaves without its receipt, the address stays, and it serves again when the volume does.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { startGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import type { RunningGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import { startDemoModel } from '../../src/demo/model/start-demo-model.ts'
import type { DemoModel } from '../../src/demo/model/start-demo-model.ts'
import { chatBody, jsonObject } from '../harness/chat.ts'
import { buildServe } from '../harness/serve-process.ts'
import { MODEL, TOKENS } from '../harness/service.ts'
import { startSidecar } from '../harness/sidecar-process.ts'
import type { Sidecar } from '../harness/sidecar-process.ts'
import type { Transpiled } from '../harness/transpile.ts'

const VOLUME = 'size=4m,mode=0700'
const SERVING = 'attested to itself; serving'
const POLL = { timeout: 20_000, interval: 100 }

const top = mkdtempSync(join(tmpdir(), 'cs-volumes-'))

function mount(...args: readonly string[]): string | null {
  const { status, stderr, error } = spawnSync('mount', args, { encoding: 'utf8' })
  return status === 0 ? null : (error?.message ?? stderr.trim())
}

function unmount(folder: string): void {
  spawnSync('umount', ['--lazy', folder])
}

/** Why no volume can be mounted here; null where one can. */
function whyNoVolume(): string | null {
  const folder = join(top, 'try')
  mkdirSync(folder)
  const why = mount('-t', 'tmpfs', '-o', VOLUME, 'tmpfs', folder)
  if (why === null) unmount(folder)
  return why
}

const NO_VOLUME = whyNoVolume()
if (NO_VOLUME !== null) {
  process.stderr.write(`\n*** SKIPPED: faults of volumes: none can be mounted: ${NO_VOLUME} ***\n`)
}

const DISK_BYTES = 16 * 1024 ** 2

/** A file system in a file that turns read-only at an error, as disks of guests do. @returns why there is none */
function mountDisk(image: string, folder: string): string | null {
  return mount('-o', 'loop,errors=remount-ro', image, folder)
}

function makeDisk(image: string): string | null {
  writeFileSync(image, '')
  truncateSync(image, DISK_BYTES)
  const { status, stderr, error } = spawnSync('mkfs.ext4', ['-q', image], { encoding: 'utf8' })
  return status === 0 ? null : (error?.message ?? stderr.trim())
}

/** The kernel's own switch for an error of the file system: by hand none turns read-only while a file in it is open for writing. */
function errorSwitch(folder: string): string {
  const { stdout } = spawnSync('findmnt', ['-no', 'SOURCE', folder], { encoding: 'utf8' })
  return `/sys/fs/ext4/${basename(stdout.trim())}/trigger_fs_error`
}

function whyNoDisk(): string | null {
  if (NO_VOLUME !== null) return NO_VOLUME
  const [image, folder] = [join(top, 'try.img'), join(top, 'try')]
  const why = makeDisk(image) ?? mountDisk(image, folder)
  if (why !== null) return why
  const there = existsSync(errorSwitch(folder))
  spawnSync('umount', [folder])
  return there ? null : 'no switch for errors of ext4'
}

const NO_DISK = whyNoDisk()
if (NO_DISK !== null) {
  process.stderr.write(`\n*** SKIPPED: a disk that turns read-only: none here: ${NO_DISK} ***\n`)
}

describe.skipIf(NO_VOLUME !== null)('the volume', () => {
  const guest = createSimulatedGuest({ composeText: '{"name":"volumes"}', now: new Date() })
  const socketPath = join(top, 'dstack.sock')
  let built: Transpiled
  let model: DemoModel
  let agent: RunningGuestAgent
  let volumes: string[] = []
  let running: Sidecar[] = []
  let keys = ''
  let store = ''

  const newVolume = (): string => {
    const folder = mkdtempSync(join(top, 'v-'))
    expect(mount('-t', 'tmpfs', '-o', VOLUME, 'tmpfs', folder)).toBeNull()
    volumes.push(folder)
    return folder
  }
  const remount = (folder: string, how: 'ro' | 'rw') => {
    expect(mount('-o', `remount,${how}`, folder)).toBeNull()
  }
  /** To the last byte. */
  const fill = (folder: string) => {
    expect(() => writeFileSync(join(folder, 'filler'), Buffer.alloc(8 * 1024 ** 2))).toThrow(
      'ENOSPC',
    )
  }
  const empty = (folder: string) => {
    rmSync(join(folder, 'filler'))
  }
  const start = async (): Promise<Sidecar> => {
    const options = { socketPath, addressKey: 'sealed', folder: keys, store } as const
    const sidecar = await startSidecar(built, { ...options, upstream: model.url })
    running.push(sidecar)
    return sidecar
  }
  /** Status, code of the error, and whether the answer came whole with the id of its receipt. */
  const chat = async (sidecar: Sidecar) => {
    try {
      const answer = await fetch(`${sidecar.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKENS.alice}`, 'content-type': 'application/json' },
        body: chatBody('a volume that fails'),
      })
      const error: unknown = jsonObject(await answer.text())['error']
      const code = error instanceof Object && 'code' in error ? String(error.code) : null
      return { status: answer.status, code, receipt: answer.headers.get('x-receipt-id') }
    } catch {
      return { status: 0, code: null, receipt: null }
    }
  }
  const stored = async (sidecar: Sidecar, id: string | null): Promise<number> => {
    const headers = { authorization: `Bearer ${TOKENS.alice}` }
    return (await fetch(`${sidecar.url}/v1/aci/receipts/${String(id)}`, { headers })).status
  }
  const ready = async (sidecar: Sidecar) => (await sidecar.get('/health/ready')).status
  const attestedAddress = async (sidecar: Sidecar) =>
    jsonObject((await sidecar.get('/v1/attestation/report')).body)['signing_address']

  beforeAll(async () => {
    built = await buildServe()
    model = await startDemoModel({ models: [MODEL] })
    agent = await startGuestAgent(guest, { socketPath })
  }, 180_000)
  beforeEach(() => {
    keys = newVolume()
    store = newVolume()
  })
  afterEach(async () => {
    await Promise.all(running.map((one) => one.end('SIGKILL')))
    for (const folder of volumes) unmount(folder)
    running = []
    volumes = []
  })
  afterAll(async () => {
    await agent.close()
    await model.close()
    await built.remove()
    rmSync(top, { recursive: true })
  })

  test('of the store, full while it serves: no answer without its receipt, new work refused, back when there is room', async () => {
    const sidecar = await start()
    await sidecar.logged(SERVING)
    const before = await chat(sidecar)
    expect(before.status).toBe(200)
    fill(store)
    // Pages that are free within the file are still written: an answer that came has its receipt on the volume.
    const answered: (string | null)[] = []
    await expect
      .poll(async () => {
        const { status, receipt } = await chat(sidecar)
        if (status === 200) answered.push(receipt)
        return status
      }, POLL)
      .not.toBe(200)
    expect(await ready(sidecar)).toBe(503)
    const asked = model.requests.length
    expect(await chat(sidecar)).toMatchObject({ status: 503, code: 'store_unavailable' })
    expect(model.requests).toHaveLength(asked)
    for (const id of [before.receipt, ...answered]) expect(await stored(sidecar, id)).toBe(200)
    expect(await attestedAddress(sidecar)).toBe(sidecar.address())
    empty(store)
    await expect.poll(() => ready(sidecar), POLL).toBe(200)
    const after = await chat(sidecar)
    expect([after.status, await stored(sidecar, after.receipt)]).toEqual([200, 200])
    expect(await attestedAddress(sidecar)).toBe(sidecar.address())
  }, 90_000)

  test('of the sealed key, full or read-only while it serves, costs nothing; after a kill nothing listens until it can be written', async () => {
    const first = await start()
    await first.logged(SERVING)
    const address = first.address()
    fill(keys)
    expect([(await chat(first)).status, await attestedAddress(first)]).toEqual([200, address])
    empty(keys)
    remount(keys, 'ro')
    expect([(await chat(first)).status, await attestedAddress(first)]).toEqual([200, address])
    await first.end('SIGKILL')
    const asked = model.requests.length
    const second = await start()
    await second.logged('"cause":"sealed_read_only"')
    expect([(await chat(second)).status, await ready(second)]).toEqual([0, 0])
    expect(second.log()).not.toMatch(/0x[0-9a-fA-F]{40}/)
    expect(model.requests).toHaveLength(asked)
    remount(keys, 'rw')
    await second.logged(SERVING)
    expect([second.address(), await attestedAddress(second)]).toEqual([address, address])
    expect((await chat(second)).status).toBe(200)
  }, 90_000)

  test('of the sealed key, full before there is a key: none is announced, and one is made when there is room', async () => {
    fill(keys)
    const sidecar = await start()
    await sidecar.logged('"cause":"sealed_full"')
    expect([(await chat(sidecar)).status, await ready(sidecar)]).toEqual([0, 0])
    expect(sidecar.log()).not.toMatch(/0x[0-9a-fA-F]{40}/)
    empty(keys)
    await sidecar.logged(SERVING)
    const address = sidecar.address()
    await sidecar.end('SIGKILL')
    const again = await start()
    await again.logged(SERVING)
    expect(again.address()).toBe(address)
  }, 90_000)

  test.skipIf(NO_DISK !== null)(
    'of the store, that an error turns read-only while it serves: no new work, what was kept is read, and all is there on the mended disk',
    async () => {
      const image = join(top, 'store.img')
      unmount(store)
      expect(makeDisk(image) ?? mountDisk(image, store)).toBeNull()
      const first = await start()
      await first.logged(SERVING)
      const before = await chat(first)
      expect([before.status, await stored(first, before.receipt)]).toEqual([200, 200])
      writeFileSync(errorSwitch(store), 'a test')
      expect((await chat(first)).status).not.toBe(200)
      expect(await ready(first)).toBe(503)
      const asked = model.requests.length
      expect(await chat(first)).toMatchObject({ status: 503, code: 'store_unavailable' })
      expect(model.requests).toHaveLength(asked)
      expect(await stored(first, before.receipt)).toBe(200)
      expect(await attestedAddress(first)).toBe(first.address())
      // The kernel lets nobody write before the file system was checked.
      await first.end('SIGKILL')
      expect(spawnSync('umount', [store]).status).toBe(0)
      expect(spawnSync('fsck.ext4', ['-f', '-y', image]).status).toBeLessThan(2)
      expect(mountDisk(image, store)).toBeNull()
      const second = await start()
      await second.logged(SERVING)
      expect(second.address()).toBe(first.address())
      expect(await stored(second, before.receipt)).toBe(200)
      expect((await chat(second)).status).toBe(200)
    },
    90_000,
  )

  test('of the store, read-only at start: the service ends with the reason, and serves under the same address when it can be written', async () => {
    const first = await start()
    await first.logged(SERVING)
    await first.end('SIGKILL')
    remount(store, 'ro')
    const second = await start()
    await expect(second.logged(SERVING)).rejects.toThrow('The store cannot be opened')
    expect(second.log()).not.toContain('"url"')
    remount(store, 'rw')
    const third = await start()
    await third.logged(SERVING)
    expect(third.address()).toBe(first.address())
    expect((await chat(third)).status).toBe(200)
  }, 90_000)
})
