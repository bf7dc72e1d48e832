/** The digest of a folder of weights: what it is of, what changes it, and what is refused rather than measured. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmod,
  mkdir,
  mkdtemp,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { weightsDigest } from '../../attestation/protocol/weights-digest.ts'
import { hashFile } from '../../src/weights/hash-file.ts'
import { listWeights } from '../../src/weights/list-weights.ts'
import { measureWeights } from '../../src/weights/measure-weights.ts'
import type { MeasureWeightsOptions } from '../../src/weights/measure-weights.ts'
import { WeightsError } from '../../src/weights/weights-error.ts'
import type { WeightsErrorCode } from '../../src/weights/weights-error.ts'

let root = ''
let folder = ''
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'countersign-weights-'))
  folder = join(root, 'model')
  await mkdir(folder)
})
afterEach(() => rm(root, { recursive: true, force: true }))

async function put(path: string, text: string): Promise<void> {
  const file = join(folder, path)
  await mkdir(join(file, '..'), { recursive: true })
  await writeFile(file, text)
}

const measure = (options: MeasureWeightsOptions = {}) =>
  measureWeights(folder, { script: new URL(inject('hashWorker')), ...options })

async function errorOf(act: () => Promise<unknown>): Promise<WeightsError> {
  try {
    await act()
  } catch (error) {
    if (error instanceof WeightsError) return error
    throw error
  }
  throw new Error('it was measured')
}

async function refused(code: WeightsErrorCode, path?: string): Promise<void> {
  const error = await errorOf(measure)
  expect(error.code).toBe(code)
  if (path !== undefined) expect(error.path).toBe(path)
}

async function sample(): Promise<void> {
  await put('config.json', '{"architectures":["X"]}')
  await put('model-00001-of-00002.safetensors', 'a'.repeat(100_000))
  await put('model-00002-of-00002.safetensors', 'b'.repeat(5_000_000))
  await put('sub/tokenizer.json', '{}')
  await put('empty', '')
  await put('.hidden', 'x')
}

/** docs/protocol.md, "Weights", written a second time in another language. */
const STRANGER = `
import hashlib, json, os, sys
root = sys.argv[1]
files = []
for base, folders, names in os.walk(root):
    for name in names:
        path = os.path.relpath(os.path.join(base, name), root)
        if path.startswith('.cache/huggingface/'): continue
        data = open(os.path.join(base, name), 'rb').read()
        files.append({'path': path, 'sha256': hashlib.sha256(data).hexdigest(), 'size': len(data)})
files.sort(key=lambda file: file['path'].encode('utf-8'))
text = json.dumps({'files': files, 'purpose': 'countersign.weights.v1'}, sort_keys=True, separators=(',', ':'), ensure_ascii=False)
print('sha256:' + hashlib.sha256(text.encode('utf-8')).hexdigest())
`

describe('the digest', () => {
  test('is what the protocol page says, computed by Python over the same folder', async (context) => {
    const python = spawnSync('python3', ['--version'])
    if (python.status !== 0) context.skip('SKIPPED: python3 is not installed here')
    await sample()
    // U+10000 stands before U+FFFD in UTF-16 and after it in UTF-8.
    for (const name of ['\u{10000}', '\u{fffd}', 'Z', 'a', 'ä', 'a b', 'a"b', 'a\\b']) {
      await put(`names/${name}`, name)
    }
    await put('.cache/huggingface/download/config.json.metadata', 'a time')
    const measured = await measure()
    expect(measured.digest).toBe(
      execFileSync('python3', ['-c', STRANGER, folder], { encoding: 'utf8' }).trim(),
    )
    expect(measured).toMatchObject({ files: 14 })
  })

  test('counts files and bytes', async () => {
    await sample()
    expect(await measure()).toMatchObject({ files: 6, bytes: 23 + 100_000 + 5_000_000 + 2 + 1 })
  })

  test("is the same with and without the notes of Hugging Face's client", async () => {
    await sample()
    const { digest } = await measure()
    await put('.cache/huggingface/download/model.lock', '')
    await put('.cache/huggingface/download/sub/tokenizer.json.metadata', 'commit, ETag, time')
    await put('.cache/huggingface/.gitignore', '*')
    await put('.cache/huggingface/CACHEDIR.TAG', 'Signature: 8a477f597d28d172789f06886806bc55')
    await put(`.cache/huggingface/trees/${'0123456789'.repeat(4)}.json`, '{"files":{}}')
    expect((await measure()).digest).toBe(digest)
  })

  test.each([
    ['one byte', () => put('config.json', '{"architectures":["Y"]}')],
    ['a hidden file', () => put('.hidden', 'y')],
    ['an added file', () => put('modeling_x.py', '')],
    ['another cache', () => put('.cache/other/x', '')],
    ['notes of a download that do not lie at the top', () => put('sub/.cache/huggingface/x', '')],
    ['a removed file', () => rm(join(folder, 'empty'))],
    ['a renamed file', () => rename(join(folder, 'empty'), join(folder, 'empty2'))],
    ['a moved file', () => rename(join(folder, '.hidden'), join(folder, 'sub/.hidden'))],
  ])('is another after %s', async (_what, change) => {
    await sample()
    const { digest } = await measure()
    await change()
    expect((await measure()).digest).not.toBe(digest)
  })

  test('is of the list, not of its order, and tells any two lists apart', () => {
    const file = fc.record({
      path: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
      size: fc.nat(),
      sha256: fc
        .uint8Array({ minLength: 32, maxLength: 32 })
        .map((bytes) => toHex32(Uint8Array.from(bytes))),
    })
    const files = fc.uniqueArray(file, { minLength: 1, maxLength: 8, selector: ({ path }) => path })
    fc.assert(
      fc.property(files, fc.nat(), (list, at) => {
        const digest = weightsDigest(list, nodeCrypto)
        expect(weightsDigest([...list].reverse(), nodeCrypto)).toBe(digest)
        const index = at % list.length
        const changed = list.map((one, i) => (i === index ? { ...one, size: one.size + 1 } : one))
        expect(weightsDigest(changed, nodeCrypto)).not.toBe(digest)
        expect(() => weightsDigest([...list, ...list], nodeCrypto)).toThrow('twice')
      }),
    )
  })
})

describe('links', () => {
  test('to a file inside are the file under another name', async () => {
    await put('a', 'text')
    await put('b', 'text')
    const { digest } = await measure()
    await rm(join(folder, 'b'))
    await symlink('a', join(folder, 'b'))
    expect(await measure()).toEqual({ digest, files: 2, bytes: 8 })
  })

  test('the folder itself may be one', async () => {
    await sample()
    const { digest } = await measure()
    await rename(folder, join(root, 'real'))
    await symlink(join(root, 'real'), folder)
    expect((await measure()).digest).toBe(digest)
  })

  test.each([
    ['out of the folder', '../blob'],
    ['out and by an absolute path', '/etc/hostname'],
    ['to a folder beside it whose name only begins alike', '../model-other/blob'],
  ])('%s are refused', async (_what, target) => {
    await writeFile(join(root, 'blob'), 'x')
    await mkdir(join(root, 'model-other'))
    await writeFile(join(root, 'model-other/blob'), 'x')
    await symlink(target, join(folder, 'weights.safetensors'))
    await refused('weights_link_leaves', 'weights.safetensors')
  })

  test('to a folder are refused, also to one that holds the link', async () => {
    await sample()
    await symlink('sub', join(folder, 'loop'))
    await refused('weights_link_to_folder', 'loop')
  })

  test('to nothing are refused', async () => {
    await symlink('absent', join(folder, 'x'))
    await refused('weights_unreadable', 'x')
  })
})

describe('what is refused rather than measured', () => {
  test('a folder that is not there, and one without a file', async () => {
    await refused('weights_empty')
    await rm(folder, { recursive: true })
    await refused('weights_unreadable', '')
  })

  test('a pipe, which nobody would ever finish reading', async () => {
    await sample()
    execFileSync('mkfifo', [join(folder, 'pipe')])
    await refused('weights_special_file', 'pipe')
  })

  test('a name that is not UTF-8', async () => {
    await writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff])]), 'x')
    await refused('weights_name')
  })

  test('folders without end, and paths without end', async () => {
    await put(`${'d/'.repeat(17)}x`, '')
    await refused('weights_too_many')
    await rm(folder, { recursive: true })
    await put(`${`${'d'.repeat(200)}/`.repeat(6)}x`, '')
    await refused('weights_too_many')
  })

  test('a file that may not be read', async (context) => {
    if (process.getuid?.() === 0) context.skip('SKIPPED: root may read every file')
    await sample()
    await chmod(join(folder, 'config.json'), 0)
    await refused('weights_unreadable', 'config.json')
  })

  test('a file that grew, shrank or was replaced between the listing and the reading', async () => {
    await put('x', 'text')
    const [listed] = await listWeights(folder)
    if (listed === undefined) throw new Error('nothing was listed')
    const buffer = new Uint8Array(2)
    const hash = () => hashFile(listed, buffer, () => {})
    expect(hash()).toBe(createHash('sha256').update('text').digest('hex'))
    const codeOf = async () => (await errorOf(() => Promise.resolve().then(hash))).code
    await put('x', 'text!')
    expect(await codeOf()).toBe('weights_changed')
    await truncate(join(folder, 'x'), 3)
    expect(await codeOf()).toBe('weights_changed')
    await put('y', 'text')
    await rename(join(folder, 'y'), join(folder, 'x'))
    expect((await stat(join(folder, 'x'))).size).toBe(4)
    expect(await codeOf()).toBe('weights_changed')
    await rm(join(folder, 'x'))
    await symlink('/etc/hostname', join(folder, 'x'))
    expect(await codeOf()).toBe('weights_unreadable')
  })

  test('a file that is written to while it is read', async () => {
    await put('x', 'text')
    const [listed] = await listWeights(folder)
    if (listed === undefined) throw new Error('nothing was listed')
    const path = join(folder, 'x')
    const error = await errorOf(() =>
      Promise.resolve().then(() =>
        hashFile(listed, new Uint8Array(2), () => execFileSync('touch', [path])),
      ),
    )
    expect(error.code).toBe('weights_changed')
  })
})

describe('measuring', () => {
  test('says how far it is in numbers alone', async () => {
    await sample()
    const said: unknown[] = []
    const { files, bytes } = await measure({ onProgress: (at) => said.push(at), progressMs: 1 })
    expect(said.at(-1)).toEqual({ files, ofFiles: files, bytes, ofBytes: bytes })
  })

  test('ends when it is told to', async () => {
    await sample()
    const reason = new Error('enough')
    const ended = new AbortController()
    const measuring = measure({ signal: ended.signal })
    ended.abort(reason)
    await expect(measuring).rejects.toBe(reason)
  })

  test('fails where a thread breaks down, and does not wait', async () => {
    await sample()
    const script = join(root, 'broken.mjs')
    await writeFile(script, 'process.exit(1)')
    await expect(measure({ script: new URL(`file://${script}`) })).rejects.toThrow('ended')
    await writeFile(
      script,
      `import { parentPort } from 'node:worker_threads'
       parentPort.on('message', () => parentPort.postMessage({ kind: 'hash', sha256: 'x' }))`,
    )
    await expect(measure({ script: new URL(`file://${script}`) })).rejects.toThrow('no answer')
  })
})
