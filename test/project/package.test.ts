import { describe, expect, test } from 'vitest'
import * as COLLATERAL_LIMITS from '../../attestation/collateral/limits.ts'
import { MAX_CRL_BYTES } from '../../attestation/protocol/dcap-collateral.ts'
import { PROXY_LIMITS } from '../../src/client/proxy/proxy-limits.ts'
import { MAX_ANSWER_BYTES } from '../../src/client/verified.ts'
import { DEFAULT_LIMITS } from '../../src/limits.ts'
import { PACKAGE } from './package-json.ts'
import { importsOf, packageOf, projectFiles, readText } from './source-tree.ts'

const FILES = new Set(projectFiles())

/** The source that the build turns into a file below dist/. */
function sourceOf(built: string): string {
  return built.replace(/^(?:\.\/)?dist\//, '').replace(/(?:\.d\.ts|\.js)$/, '.ts')
}

describe('package.json', () => {
  test('the exports map is the public interface, and every entry of it is built from a source', () => {
    expect(Object.keys(PACKAGE.exports)).toEqual(['.', './appraiser', './client', './package.json'])
    for (const entry of Object.values(PACKAGE.exports)) {
      if (typeof entry === 'string') {
        expect(FILES).toContain(entry.replace('./', ''))
        continue
      }
      expect(entry.default).toMatch(/^\.\/dist\/.+\.js$/)
      expect(entry.types).toBe(entry.default.replace(/\.js$/, '.d.ts'))
      expect(FILES).toContain(sourceOf(entry.default))
    }
  })

  test('the command is built from a source that starts with a shebang', () => {
    expect(Object.keys(PACKAGE.bin)).toEqual(['countersign'])
    for (const built of Object.values(PACKAGE.bin)) {
      expect(FILES).toContain(sourceOf(built))
      expect(readText(sourceOf(built))).toMatch(/^#!\/usr\/bin\/env node\n/)
    }
  })

  test('what it says is shipped is there', () => {
    for (const name of PACKAGE.files.filter((name) => name !== 'dist')) {
      expect(
        [...FILES].some((path) => path === name || path.startsWith(`${name}/`)),
        name,
      ).toBe(true)
    }
  })

  test('versions are exact, so that a lock file rebuilt later gives the same code', () => {
    const { dependencies, optionalDependencies, devDependencies } = PACKAGE
    for (const version of Object.values({
      ...dependencies,
      ...optionalDependencies,
      ...devDependencies,
    })) {
      expect(version).toMatch(/^\d+\.\d+\.\d+$/)
    }
  })
})

describe('docs/dependencies.md', () => {
  const [text = '', limits = ''] = readText('docs/dependencies.md').split('## Time-outs')
  const rowOf = (name: string) =>
    text.split('\n').filter((line) => line.startsWith(`| \`${name}\` `))

  test('has one line for each dependency, with its version, and for nothing else', () => {
    const all = {
      ...PACKAGE.dependencies,
      ...PACKAGE.optionalDependencies,
      ...PACKAGE.devDependencies,
    }
    for (const [name, version] of Object.entries(all)) {
      expect(rowOf(name), name).toHaveLength(1)
      expect(rowOf(name)[0], name).toContain(` ${version} `)
    }
    const listed = [...text.matchAll(/^\| `([^`]+)` +\| \d/gm)].map((match) => match[1])
    expect(listed.toSorted()).toEqual(Object.keys(all).toSorted())
  })

  test('says of exactly the runtime dependencies that nothing imports that they are not used yet', () => {
    const imported = new Set(
      [...FILES]
        .filter((path) => /^(?:src|enclave|attestation)\/.*\.ts$/.test(path))
        .flatMap((path) => importsOf(path, readText(path)).map(packageOf)),
    )
    const unused = Object.keys({
      ...PACKAGE.dependencies,
      ...PACKAGE.optionalDependencies,
    }).filter((name) => !imported.has(name))
    const said = Object.keys({
      ...PACKAGE.dependencies,
      ...PACKAGE.optionalDependencies,
    }).filter((name) => rowOf(name)[0]?.includes('not used yet'))
    expect(said.toSorted()).toEqual(unused.toSorted())
  })

  test('gives every limit of the service, and of the collateral client, with the default that is in force', () => {
    const rows = [...limits.matchAll(/^\| `(\w+)` +\| (\d+) /gm)]
    const { DEFAULT_TIMING: _, ...collateral } = COLLATERAL_LIMITS
    expect(Object.fromEntries(rows.map(([, name, value]) => [name, Number(value)]))).toEqual({
      ...DEFAULT_LIMITS,
      ...collateral,
      MAX_CRL_BYTES,
    })
  })
})

test('the page of the local proxy gives every limit of it, as it is in force', () => {
  const [, limits = ''] = readText('docs/proxy.md').split('## Limits')
  const rows = [...limits.matchAll(/^\| `(\w+)` +\| (\d+) /gm)]
  expect(Object.fromEntries(rows.map(([, name, value]) => [name, Number(value)]))).toEqual({
    ...PROXY_LIMITS,
    MAX_ANSWER_BYTES,
  })
})
