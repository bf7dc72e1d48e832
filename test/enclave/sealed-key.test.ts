import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createDecipheriv, createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { lockFolder } from '../../enclave/keys/sealed/lock-folder.ts'
import { MAX_GENERATION, seal, unseal } from '../../enclave/keys/sealed/sealed-form.ts'
import {
  openSealedKey,
  readSealedKey,
  rotateSealedKey,
} from '../../enclave/keys/sealed/sealed-key-folder.ts'
import { SealedKeyError, storageError } from '../../enclave/keys/sealed/sealed-key-error.ts'
import { transpile } from '../harness/transpile.ts'
import type { Transpiled } from '../harness/transpile.ts'

const top = mkdtempSync(join(tmpdir(), 'countersign-sealed-'))
const SEALING = new Uint8Array(randomBytes(32))
const OTHER_APP = new Uint8Array(randomBytes(32))
let folder = ''
const current = () => join(folder, 'address-key.json')

beforeEach(() => {
  folder = mkdtempSync(join(top, 'f-'))
})
afterAll(() => rmSync(top, { recursive: true }))

async function codeOf(act: () => unknown): Promise<string> {
  try {
    await act()
  } catch (error) {
    if (error instanceof SealedKeyError) return error.code
    throw error
  }
  return 'none'
}

async function opened(sealingKey = SEALING): Promise<{ name: string; generation: number }> {
  const { key, generation, release } = await openSealedKey(folder, sealingKey)
  release()
  return { name: nameOf(key), generation }
}

const KEPT_FIRST = ['address-key.generation-1.json', 'address-key.json']

const nameOf = (key: Uint8Array) => createHash('sha256').update(key).digest('hex')

describe('the sealed form', () => {
  test('is AES-256-GCM over the key with version, purpose and generation as associated data', () => {
    const key = new Uint8Array(randomBytes(32))
    const text = seal({ key, generation: 7 }, SEALING)
    const form = z
      .strictObject({
        version: z.literal(1),
        purpose: z.literal('countersign.sealed-address-key.v1'),
        generation: z.literal(7),
        nonce: z.string().length(24),
        ciphertext: z.string().length(64),
        tag: z.string().length(32),
      })
      .parse(JSON.parse(text))
    const decipher = createDecipheriv('aes-256-gcm', SEALING, Buffer.from(form.nonce, 'hex'))
    // RFC 8785 by hand.
    decipher.setAAD(
      Buffer.from('{"generation":7,"purpose":"countersign.sealed-address-key.v1","version":1}'),
    )
    decipher.setAuthTag(Buffer.from(form.tag, 'hex'))
    const plain = Buffer.concat([
      decipher.update(Buffer.from(form.ciphertext, 'hex')),
      decipher.final(),
    ])
    expect(plain.equals(key)).toBe(true)
    expect(text).not.toContain(Buffer.from(key).toString('hex'))
  })

  test('opens to what was sealed, under the same sealing key alone', () => {
    const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: MAX_GENERATION }), (key, generation) => {
        const text = Buffer.from(seal({ key, generation }, SEALING))
        expect(unseal(text, SEALING)).toEqual({ key, generation })
        expect(() => unseal(text, OTHER_APP)).toThrow('sealed_not_opened')
      }),
      { numRuns: 50 },
    )
  })

  test('refuses every change of a byte and every cut', () => {
    const text = Buffer.from(seal({ key: new Uint8Array(32).fill(5), generation: 12 }, SEALING))
    for (let at = 0; at < text.length - 1; at++) {
      const changed = Buffer.from(text)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(() => unseal(changed, SEALING), String(at)).toThrow(/^sealed_/)
      expect(() => unseal(text.subarray(0, at), SEALING)).toThrow('sealed_malformed')
    }
  })

  test.each([
    ['another generation', { generation: 13 }, 'sealed_not_opened'],
    ['generation 0', { generation: 0 }, 'sealed_malformed'],
    ['a generation that is no integer', { generation: 1.5 }, 'sealed_malformed'],
    ['another purpose', { purpose: 'countersign.other.v1' }, 'sealed_malformed'],
    ['another version', { version: 2 }, 'sealed_malformed'],
    ['one more member', { note: 'x' }, 'sealed_malformed'],
    [
      'a short tag, of which fewer bits would have to be guessed',
      { tag: '00' },
      'sealed_malformed',
    ],
    ['upper-case hex', { nonce: 'AA'.repeat(12) }, 'sealed_malformed'],
  ])('refuses %s', (_, change, code) => {
    const text = seal({ key: new Uint8Array(32).fill(5), generation: 12 }, SEALING)
    const form = z.record(z.string(), z.unknown()).parse(JSON.parse(text))
    const changed = Buffer.from(JSON.stringify({ ...form, ...change }))
    expect(() => unseal(changed, SEALING)).toThrow(code)
  })
})

describe('the folder', () => {
  test('gets a key of mode 0600 at the first opening, and keeps it', async () => {
    const first = await opened()
    expect(first.generation).toBe(1)
    expect(await opened()).toEqual(first)
    expect(statSync(current()).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder).toSorted()).toEqual(KEPT_FIRST)
  })

  test.each([
    ['is of another app', () => {}, 'sealed_not_opened', OTHER_APP],
    ['was cut', () => truncateSync(current(), 40), 'sealed_malformed', SEALING],
    ['is empty', () => truncateSync(current(), 0), 'sealed_malformed', SEALING],
    ['is huge', () => writeFileSync(current(), 'x'.repeat(1 << 20)), 'sealed_malformed', SEALING],
  ])('whose key %s is refused, and its bytes stay as they are', async (_, spoil, code, sealing) => {
    await opened()
    spoil()
    const before = readFileSync(current())
    expect(await codeOf(() => openSealedKey(folder, sealing))).toBe(code)
    expect(await codeOf(() => rotateSealedKey(folder, sealing))).toBe(code)
    expect(readFileSync(current()).equals(before)).toBe(true)
    expect(readdirSync(folder).toSorted()).toEqual(KEPT_FIRST)
  })

  test('follows no link to another file', async () => {
    await opened()
    const elsewhere = join(top, 'elsewhere.json')
    copyFileSync(current(), elsewhere)
    rmSync(current())
    symlinkSync(elsewhere, current())
    expect(await codeOf(() => openSealedKey(folder, SEALING))).toBe('sealed_storage_failed')
  })

  test('a directory in place of the key is refused', async () => {
    mkdirSync(current())
    expect(await codeOf(() => openSealedKey(folder, SEALING))).toBe('sealed_malformed')
  })

  test('that is not there is sealed_folder_missing', async () => {
    expect(await codeOf(() => openSealedKey(join(folder, 'none'), SEALING))).toBe(
      'sealed_folder_missing',
    )
  })

  test('names what a volume can say', () => {
    for (const [system, code] of [
      ['EDQUOT', 'sealed_full'],
      ['EACCES', 'sealed_read_only'],
      ['EIO', 'sealed_storage_failed'],
    ] as const) {
      expect(storageError(Object.assign(new Error('x'), { code: system })).code).toBe(code)
    }
  })
})

describe('rotation', () => {
  test('makes the next generation and keeps the one before', async () => {
    const first = await opened()
    const bytes = readFileSync(current())
    const { before, after } = await rotateSealedKey(folder, SEALING)
    expect([nameOf(before.key), before.generation]).toEqual([first.name, 1])
    expect(after.generation).toBe(2)
    expect(nameOf(after.key)).not.toBe(first.name)
    expect(await opened()).toEqual({ name: nameOf(after.key), generation: 2 })
    expect(readFileSync(join(folder, 'address-key.generation-1.json')).equals(bytes)).toBe(true)
    expect((await rotateSealedKey(folder, SEALING)).after.generation).toBe(3)
  })

  test('of a folder without a key is refused', async () => {
    expect(await codeOf(() => rotateSealedKey(folder, SEALING))).toBe('sealed_none')
  })

  test('an older generation put back is refused, and so is a key that went missing', async () => {
    await opened()
    copyFileSync(current(), join(folder, 'old'))
    await rotateSealedKey(folder, SEALING)
    await rotateSealedKey(folder, SEALING)
    copyFileSync(join(folder, 'old'), current())
    expect(await codeOf(() => openSealedKey(folder, SEALING))).toBe('sealed_rolled_back')
    rmSync(current())
    expect(await codeOf(() => openSealedKey(folder, SEALING))).toBe('sealed_missing')
    expect(readdirSync(folder)).not.toContain('address-key.json')
  })
})

describe('what is kept', () => {
  const kept = (generation: number) =>
    join(folder, `address-key.generation-${String(generation)}.json`)

  test('shows a key that was rolled back by one generation', async () => {
    await opened()
    const old = readFileSync(current())
    await rotateSealedKey(folder, SEALING)
    rmSync(current())
    writeFileSync(current(), old)
    expect(await codeOf(() => openSealedKey(folder, SEALING))).toBe('sealed_rolled_back')
    expect(await codeOf(() => readSealedKey(folder, SEALING))).toBe('sealed_rolled_back')
    expect(await codeOf(() => rotateSealedKey(folder, SEALING))).toBe('sealed_rolled_back')
  })

  test('shows a key that was taken away before any rotation, and brings it back', async () => {
    const first = await opened()
    rmSync(current())
    expect(await codeOf(() => openSealedKey(folder, SEALING))).toBe('sealed_missing')
    copyFileSync(kept(1), current())
    expect(await opened()).toEqual(first)
  })

  test.each<readonly [string, (path: string) => void]>([
    ['garbage', (path) => writeFileSync(path, 'x')],
    ['nothing', (path) => writeFileSync(path, '')],
    ['a link to the file in use', (path) => symlinkSync(current(), path)],
    ['a link to nowhere', (path) => symlinkSync(join(top, 'nowhere'), path)],
    ['a directory', (path) => mkdirSync(path)],
    [
      'another key of the same generation',
      (path) =>
        writeFileSync(path, seal({ key: new Uint8Array(32).fill(5), generation: 1 }, SEALING)),
    ],
    [
      'the same key as another generation',
      (path) => {
        const { key } = unseal(readFileSync(current()), SEALING)
        writeFileSync(path, seal({ key, generation: 2 }, SEALING))
      },
    ],
  ])('is not lost to %s planted under its name: the rotation is refused', async (_, plant) => {
    await opened()
    const before = readFileSync(current())
    rmSync(kept(1))
    plant(kept(1))
    expect(await codeOf(() => rotateSealedKey(folder, SEALING))).toBe('sealed_kept_differs')
    expect(await codeOf(() => openSealedKey(folder, SEALING))).toBe('sealed_kept_differs')
    expect(readFileSync(current()).equals(before)).toBe(true)
    rmSync(kept(1), { recursive: true })
    expect((await rotateSealedKey(folder, SEALING)).after.generation).toBe(2)
    expect(readFileSync(kept(1)).equals(before)).toBe(true)
  })
})

describe('two at once', () => {
  test('a second opening is refused while the first holds, and let in after', async () => {
    const first = await openSealedKey(folder, SEALING)
    expect(await codeOf(() => openSealedKey(folder, SEALING))).toBe('sealed_locked')
    expect(await codeOf(() => rotateSealedKey(folder, SEALING))).toBe('sealed_locked')
    expect(readSealedKey(folder, SEALING)?.generation).toBe(1)
    first.release()
    expect((await opened()).name).toBe(nameOf(first.key))
  })

  test('never hold both, however many come together', async () => {
    let holding = 0
    let most = 0
    let entered = 0
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        const lock = await lockFolder(folder).catch(() => null)
        if (lock === null) return
        entered++
        most = Math.max(most, ++holding)
        await new Promise((resolve) => setTimeout(resolve, 5))
        holding--
        lock.release()
      }),
    )
    expect(most).toBe(1)
    expect(entered).toBeGreaterThan(0)
  })
})

const printed = z.union([
  z.strictObject({ generation: z.number(), name: z.string(), calls: z.number() }),
  z.strictObject({ code: z.string() }),
])

const nameIn = (one: z.infer<typeof printed> | undefined): string =>
  one !== undefined && 'name' in one ? one.name : 'no key'

describe('in a process of its own', () => {
  let script: Transpiled
  let module: Transpiled
  beforeAll(async () => {
    script = await transpile('test/enclave/sealed-key-process.helpers.ts')
    module = await transpile('enclave/keys/sealed/sealed-key-folder.ts')
  })
  afterAll(() => Promise.all([script.remove(), module.remove()]))

  const argumentsOf = (where: string, verb: string, at = 0, when = '') => [
    fileURLToPath(script.url),
    module.url,
    where,
    Buffer.from(SEALING).toString('hex'),
    verb,
    String(at),
    when,
  ]

  function run(verb: string, at = 0, when = ''): z.infer<typeof printed> | 'killed' {
    const ended = spawnSync(process.execPath, argumentsOf(folder, verb, at, when))
    if (ended.signal === 'SIGKILL') return 'killed'
    return printed.parse(JSON.parse(ended.stdout.toString()))
  }

  test.each(['open', 'rotate'])(
    'killed at any call to the file system while it does %s, it leaves one whole key',
    async (verb) => {
      if (verb === 'rotate') await opened()
      const whole = run(verb)
      if (whole === 'killed' || 'code' in whole) throw new Error('it came to no end')
      expect(whole.calls).toBeGreaterThan(10)
      let kills = 0
      for (let at = 1; at <= whole.calls; at++) {
        for (const when of ['before', 'after']) {
          folder = mkdtempSync(join(top, 'k-'))
          const before = verb === 'rotate' ? await opened() : null
          expect(run(verb, at, when)).toBe('killed')
          kills++
          const left = await opened()
          if (before === null) expect(left.generation).toBe(1)
          else if (left.generation === 1) expect(left).toEqual(before)
          else {
            expect(left.generation).toBe(2)
            expect(readdirSync(folder)).toContain('address-key.generation-1.json')
          }
          expect(readdirSync(folder)).toContain(
            `address-key.generation-${String(left.generation)}.json`,
          )
          // The address that is named once stays, and nothing else is left lying.
          expect(await opened()).toEqual(left)
          expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
        }
      }
      expect(kills).toBe(2 * whole.calls)
    },
    120_000,
  )

  test('its lock dies with it', async () => {
    const child = spawn(process.execPath, argumentsOf(folder, 'hold'))
    const name = await new Promise<string>((resolve) =>
      child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString())),
    )
    expect(await codeOf(() => openSealedKey(folder, SEALING))).toBe('sealed_locked')
    const gone = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await gone
    expect(name).toContain((await opened()).name)
  })

  /** A volume of 8 kB in a mount namespace of its own, and a script that does things to it. */
  function onSmallVolume(steps: string): readonly z.infer<typeof printed>[] {
    const volume = mkdtempSync(join(top, 'v-'))
    const quote = (text: string) => `'${text}'`
    const node = (verb: string) =>
      [process.execPath, ...argumentsOf(volume, verb)].map(quote).join(' ')
    const text = steps
      .replaceAll('OPEN', node('open'))
      .replaceAll('ROTATE', node('rotate'))
      .replaceAll('VOLUME', volume)
    const out = execFileSync('unshare', [
      '-Urm',
      'sh',
      '-ec',
      `mount -t tmpfs -o size=8k tmpfs ${volume}\n${text}`,
    ])
    return out
      .toString()
      .trim()
      .split('\n')
      .map((line) => printed.parse(JSON.parse(line)))
  }

  const canMount = spawnSync('unshare', ['-Urm', 'mount', '-t', 'tmpfs', 'tmpfs', top]).status === 0
  const reason = canMount ? '' : ' (SKIPPED: no mount namespaces here)'

  test.skipIf(!canMount)(
    `on a full volume makes no key and no half of one, and makes it when there is room${reason}`,
    () => {
      const [full, first, again] = onSmallVolume(
        'head -c 8192 /dev/zero > VOLUME/fill; OPEN; test ! -e VOLUME/address-key.json; rm VOLUME/fill; OPEN; OPEN',
      )
      expect(full).toEqual({ code: 'sealed_full' })
      expect(first).toMatchObject({ generation: 1 })
      expect(again).toMatchObject({ generation: 1, name: nameIn(first) })
    },
  )

  test.skipIf(!canMount)(`on a full volume rotates nothing, and the key stays${reason}`, () => {
    const [first, full, again] = onSmallVolume(
      'OPEN; head -c 4096 /dev/zero > VOLUME/fill; ROTATE; OPEN',
    )
    expect(full).toEqual({ code: 'sealed_full' })
    expect(again).toMatchObject({ generation: 1, name: nameIn(first) })
  })

  test.skipIf(!canMount)(
    `on a read-only volume is refused, and opens the same key after${reason}`,
    () => {
      const [first, refused, again] = onSmallVolume(
        'OPEN; mount -o remount,ro VOLUME; OPEN; mount -o remount,rw VOLUME; OPEN',
      )
      expect(refused).toEqual({ code: 'sealed_read_only' })
      expect(again).toMatchObject({ generation: 1, name: nameIn(first) })
    },
  )
})

test('a file that lost its mode is still opened: what is in it is encrypted', async () => {
  const first = await opened()
  chmodSync(current(), 0o644)
  expect(await opened()).toEqual(first)
})
