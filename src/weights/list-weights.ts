/**
 * The files of a folder of weights.
 *
 * Everything is listed, hidden files too, since a model server may read any of them; but for the notes of Hugging Face's
 * client about its download (huggingface_hub 0.36.0 and 2.4.0, `_local_folder.py` and `_tree_cache.py`), which hold times and
 * differ from machine to machine. They are known by place, name and size; whatever else lies there is refused, or a model
 * could be kept where nobody measures it.
 *
 * @module
 */
import { lstat, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import {
  MAX_LISTING_BYTES,
  MAX_NOTE_BYTES,
  MAX_WEIGHTS_DEPTH,
  MAX_WEIGHTS_FILES,
  MAX_WEIGHTS_PATH,
} from './weights-limits.ts'
import { WeightsError } from './weights-error.ts'

/** Where the notes lie, relative to the folder. */
const NOTES_OF_DOWNLOAD = '.cache/huggingface/'
const NOTE = /^(?:\.gitignore|\.gitignore\.lock|CACHEDIR\.TAG|download\/.+\.(?:metadata|lock))$/
/** A listing of the repository at one commit. */
const LISTING = /^trees\/[0-9a-f]{40}\.json$/

export interface ListedFile {
  /** Relative to the folder, with `/` between its parts. */
  readonly path: string
  /** To open: where a link leads, else the file itself. No part of it is a link. */
  readonly file: string
  /** Bytes when it was listed. */
  readonly size: number
  /** Device and inode when it was listed: what is opened must still be it. */
  readonly identity: string
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function nameOf(bytes: Uint8Array, folder: string): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new WeightsError('weights_name', folder)
  }
}

async function readable<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw new WeightsError('weights_unreadable', path, { cause: error })
  }
}

/** Left out. A link is none: it would be followed by whoever opens it. */
async function checkNote(path: string, file: string): Promise<void> {
  const stat = await readable(path, () => lstat(file))
  const name = path.slice(NOTES_OF_DOWNLOAD.length)
  const most = NOTE.test(name) ? MAX_NOTE_BYTES : LISTING.test(name) ? MAX_LISTING_BYTES : -1
  if (!stat.isFile() || stat.size > most) throw new WeightsError('weights_hidden', path)
}

async function listFile(root: string, path: string, file: string): Promise<ListedFile | null> {
  const stat = await readable(path, () => lstat(file, { bigint: true }))
  if (stat.isDirectory()) return null
  if (stat.isFile()) {
    return { path, file, size: Number(stat.size), identity: `${stat.dev}:${stat.ino}` }
  }
  if (!stat.isSymbolicLink()) throw new WeightsError('weights_special_file', path)
  const target = await readable(path, () => realpath(file))
  if (!target.startsWith(`${root}/`)) throw new WeightsError('weights_link_leaves', path)
  const leads = await readable(path, () => lstat(target, { bigint: true }))
  if (!leads.isFile()) throw new WeightsError('weights_link_to_folder', path)
  return { path, file: target, size: Number(leads.size), identity: `${leads.dev}:${leads.ino}` }
}

/**
 * @param folder as configured; it may itself be a link
 * @throws WeightsError
 */
export async function listWeights(folder: string): Promise<readonly ListedFile[]> {
  const root = await readable('', () => realpath(folder))
  const files: ListedFile[] = []
  let notes = 0
  const walk = async (below: string, depth: number): Promise<void> => {
    const names = await readable(below, () => readdir(join(root, below), { encoding: 'buffer' }))
    for (const bytes of names) {
      const name = nameOf(bytes, below)
      const path = below === '' ? name : `${below}/${name}`
      if (Buffer.byteLength(path) > MAX_WEIGHTS_PATH)
        throw new WeightsError('weights_too_many', below)
      const listed = await listFile(root, path, join(root, path))
      if (listed !== null && path.startsWith(NOTES_OF_DOWNLOAD)) {
        await checkNote(path, join(root, path))
        notes += 1
      } else if (listed !== null) files.push(listed)
      else if (depth >= MAX_WEIGHTS_DEPTH) throw new WeightsError('weights_too_many', path)
      else await walk(path, depth + 1)
      // A file has two notes.
      if (files.length > MAX_WEIGHTS_FILES || notes > 2 * MAX_WEIGHTS_FILES)
        throw new WeightsError('weights_too_many', '')
    }
  }
  await walk('', 1)
  if (files.length === 0) throw new WeightsError('weights_empty', '')
  return files
}
