/**
 * Makes JavaScript of one source and of all that it imports from this project, for tests that need a process of their own:
 * the oldest Node that is supported does not run TypeScript.
 */
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { ROOT, importsOf, readText, resolveImport } from '../project/source-tree.ts'

export interface Transpiled {
  /** Of the built module. */
  readonly url: string
  remove(): Promise<void>
}

/** @param entry from the root of the project; packages that it imports are the project's own */
export async function transpile(entry: string): Promise<Transpiled> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-built-'))
  const built = (path: string): string => join(folder, path.replace(/\.ts$/, '.mjs'))
  const done = new Set<string>()
  const build = async (path: string): Promise<void> => {
    if (done.has(path)) return
    done.add(path)
    const text = readText(path)
    const { outputText } = ts.transpileModule(text, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
    })
    await mkdir(dirname(built(path)), { recursive: true })
    await writeFile(built(path), outputText.replaceAll(/(from '\.[^']*)\.ts'/g, "$1.mjs'"))
    for (const specifier of importsOf(path, text)) {
      if (specifier.startsWith('.')) await build(resolveImport(path, specifier))
    }
  }
  await build(entry)
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  await copyFile(join(ROOT, 'package.json'), join(folder, 'package.json'))
  return {
    url: pathToFileURL(built(entry)).href,
    remove: () => rm(folder, { recursive: true }),
  }
}
