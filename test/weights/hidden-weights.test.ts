/** What lies among the notes of a download is left out of the digest, so nothing but such notes may lie there. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listWeights } from '../../src/weights/list-weights.ts'

const NOTES = '.cache/huggingface'
const COMMIT = '0123456789'.repeat(4)

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-weights-'))
  await put('config.json', '{}')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true })
  await writeFile(join(folder, path), text)
}

const refused = (path: string) =>
  expect(listWeights(folder)).rejects.toMatchObject({ code: 'weights_hidden', path })

test('leaves out the notes of a download, and nothing else', async () => {
  for (const name of [
    ...['.gitignore', '.gitignore.lock', 'CACHEDIR.TAG', `trees/${COMMIT}.json`],
    ...['download/config.json.metadata', 'download/sub/config.json.lock'],
  ]) {
    await put(`${NOTES}/${name}`, 'x')
  }
  await put(`sub/${NOTES}/CACHEDIR.TAG`, 'x')
  const listed = await listWeights(folder)
  expect(listed.map(({ path }) => path)).toEqual(['config.json', `sub/${NOTES}/CACHEDIR.TAG`])
})

test.each([
  ['weights', 'evil.safetensors'],
  ['code of a model', 'modeling.py'],
  ['a download that did not end', 'download/abc.incomplete'],
  ['weights below the notes', 'download/model.safetensors'],
  ['a note out of its place', 'model.metadata'],
  ['a listing that names no commit', 'trees/main.json'],
])('refuses %s among the notes', async (_what, name) => {
  await put(`${NOTES}/${name}`, 'x')
  await refused(`${NOTES}/${name}`)
})

test.each([
  ['download/model.metadata', 4_097],
  [`trees/${COMMIT}.json`, 4 * 1024 * 1024 + 1],
])('refuses weights under the name of a note: %s of %d bytes', async (name, bytes) => {
  await put(`${NOTES}/${name}`, 'x'.repeat(bytes - 1))
  await expect(listWeights(folder)).resolves.toHaveLength(1)
  await put(`${NOTES}/${name}`, 'x'.repeat(bytes))
  await refused(`${NOTES}/${name}`)
})

test('refuses a link under the name of a note', async () => {
  await mkdir(join(folder, `${NOTES}/download`), { recursive: true })
  await symlink('../../../config.json', join(folder, `${NOTES}/download/config.json.metadata`))
  await refused(`${NOTES}/download/config.json.metadata`)
})
