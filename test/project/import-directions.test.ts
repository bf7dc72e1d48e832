import { isBuiltin } from 'node:module'
import { describe, expect, test } from 'vitest'
import { PACKAGE } from './package-json.ts'
import {
  COMPUTED,
  importsOf,
  packageOf,
  projectFiles,
  readText,
  resolveImport,
} from './source-tree.ts'

/** Outermost first: a layer may import itself and what stands after it. */
const LAYERS = ['test', 'scripts', 'src', 'enclave', 'attestation']

const RUNTIME = new Set(Object.keys({ ...PACKAGE.dependencies, ...PACKAGE.optionalDependencies }))
const DEVELOPMENT = new Set(Object.keys(PACKAGE.devDependencies))

const APPRAISER_PACKAGES = new Set(['node-forge', '@noble/curves', '@noble/hashes'])
/** `jose` waits and uses the runtime's own Web Crypto: all else in the appraiser is synchronous and uses the port. */
const JOSE_USER = 'attestation/appraiser/gpu/nras/verify-token-signature.ts'
/** Structured fields (RFC 9651), which only HTTP message signatures are made of. */
const FIELDS_USER = 'attestation/appraiser/http-signature/verify-http-signature.ts'
/** YAML, which only TAPP's compose hash is over. */
const YAML_USER = 'attestation/appraiser/tapp/normalize-compose.ts'
const CRYPTO_PORT = 'attestation/crypto/port.ts'
const BROWSER_PORT = 'attestation/crypto/noble.ts'
/** The package's entry hands out a port beside the verbs that need one; nothing that judges imports it. */
const APPRAISER_ENTRY = 'attestation/appraiser/index.ts'

const isBelow = (folder: string) => (path: string) => path.startsWith(`${folder}/`)
const inAppraiser = isBelow('attestation/appraiser')
const inProtocol = isBelow('attestation/protocol')
const inDemo = isBelow('src/demo')

function layerOf(path: string): number {
  return LAYERS.indexOf(path.split('/')[0] ?? '')
}

function relativeViolation(
  path: string,
  target: string,
  files: ReadonlySet<string>,
): string | null {
  if (!files.has(target)) return 'no such file'
  if (!/\.(?:ts|mjs|json)$/.test(target)) return 'imports name the source file'
  if (layerOf(target) < layerOf(path)) return 'imports go one way: src, enclave, attestation'
  if (path === APPRAISER_ENTRY && target === BROWSER_PORT) return null
  if (inAppraiser(path) && !inAppraiser(target) && !inProtocol(target) && target !== CRYPTO_PORT) {
    return 'the appraiser imports its own tree, protocol and the crypto port alone'
  }
  if (inProtocol(path) && !inProtocol(target) && target !== CRYPTO_PORT) {
    return 'protocol imports itself and the crypto port alone'
  }
  return null
}

function packageViolation(path: string, specifier: string): string | null {
  if (specifier.startsWith('node:')) {
    if (!isBuiltin(specifier)) return 'no such part of Node'
    const pure = inAppraiser(path) || inProtocol(path) || path === CRYPTO_PORT
    return pure || path === BROWSER_PORT ? 'no Node here: it runs in browsers too' : null
  }
  if (isBuiltin(specifier)) return 'parts of Node are written node:…'
  const name = packageOf(specifier)
  if (inProtocol(path)) return 'protocol imports no package'
  const allowed =
    APPRAISER_PACKAGES.has(name) ||
    (name === 'jose' && path === JOSE_USER) ||
    (name === 'structured-headers' && path === FIELDS_USER) ||
    (name === 'yaml' && path === YAML_USER)
  if (inAppraiser(path) && !allowed) {
    return 'the appraiser imports node-forge and noble alone, and three packages in one place each'
  }
  if (RUNTIME.has(name)) return null
  if (name === 'openai' && inDemo(path) && PACKAGE.peerDependencies[name] !== undefined) return null
  if (!DEVELOPMENT.has(name)) return 'not a dependency of this package'
  return ['src', 'enclave', 'attestation'].includes(path.split('/')[0] ?? '')
    ? 'a development dependency is not there when the package is installed'
    : null
}

function violations(path: string, text: string, files: ReadonlySet<string>): string[] {
  return importsOf(path, text).flatMap((specifier) => {
    const why =
      specifier === COMPUTED
        ? // Tests load a stranger's file by the place where it was found.
          path.startsWith('test/')
          ? null
          : 'a computed module name cannot be judged'
        : specifier.startsWith('.')
          ? relativeViolation(path, resolveImport(path, specifier), files)
          : packageViolation(path, specifier)
    return why === null ? [] : [`${path}: ${specifier}: ${why}`]
  })
}

const FILES = projectFiles()
const FILE_SET: ReadonlySet<string> = new Set(FILES)
const SOURCES = FILES.filter((path) => path.endsWith('.ts'))

/** Every file is parsed: some seconds of work, and a minute on a machine that does much else. */
const PARSING_MS = 120_000

describe('imports go one way', { timeout: PARSING_MS }, () => {
  test('every import of every file keeps the rules', () => {
    expect(SOURCES.length).toBeGreaterThan(50)
    expect(SOURCES.flatMap((path) => violations(path, readText(path), FILE_SET))).toEqual([])
  })

  test('the sources import nothing that is not listed, and the listing finds their imports', () => {
    const imported = SOURCES.flatMap((path) => importsOf(path, readText(path)))
    expect(imported).toContain('undici')
    expect(importsOf(JOSE_USER, readText(JOSE_USER))).toContain('jose/jws/compact/verify')
    expect(imported).toContain('secp256k1/bindings.js')
    expect(imported.filter((specifier) => specifier.startsWith('.')).length).toBeGreaterThan(200)
  })

  // The rules themselves, held against one breach each: a rule that nothing can break protects nothing.
  test.each([
    [
      'an attester that uses a key',
      'attestation/attester/x.ts',
      "import { a } from '../../enclave/keys/boot-keys.ts'",
    ],
    [
      'an enclave that uses the service',
      'enclave/x.ts',
      "import type { Limits } from '../src/limits.ts'",
    ],
    [
      'evidence code that uses the service',
      'attestation/attester/x.ts',
      "export { a } from '../../src/limits.ts'",
    ],
    ['a service that uses its tests', 'src/x.ts', "import '../test/project/source-tree.ts'"],
    [
      'an appraiser that collects',
      'attestation/appraiser/x.ts',
      "import('../attester/evidence-source.ts')",
    ],
    [
      'an appraiser bound to one crypto',
      'attestation/appraiser/x.ts',
      "import '../crypto/node.ts'",
    ],
    [
      'an appraiser that reads files',
      'attestation/appraiser/x.ts',
      "import { readFileSync } from 'node:fs'",
    ],
    ['an appraiser with another package', 'attestation/appraiser/x.ts', "import { z } from 'zod'"],
    [
      'a second place that verifies tokens',
      'attestation/appraiser/gpu/nras/x.ts',
      "import { compactVerify } from 'jose'",
    ],
    [
      'a second place that reads structured fields',
      'attestation/appraiser/x.ts',
      "import { parseDictionary } from 'structured-headers'",
    ],
    [
      'a second place that reads YAML',
      'attestation/appraiser/x.ts',
      "import { parseDocument } from 'yaml'",
    ],
    [
      'an appraiser type from Node',
      'attestation/appraiser/x.ts',
      "type A = import('node:crypto').KeyObject",
    ],
    ['a protocol that appraises', 'attestation/protocol/x.ts', "import '../appraiser/check.ts'"],
    ['a protocol with a package', 'attestation/protocol/x.ts', "import '@noble/hashes/sha2.js'"],
    ['a browser port that needs Node', 'attestation/crypto/noble.ts', "import 'node:crypto'"],
    ['a development dependency in the service', 'src/x.ts', "import 'ethers'"],
    ['one through createRequire', 'enclave/x.ts', "createRequire(import.meta.url)('ethers')"],
    ['one through a type', 'enclave/x.ts', "import type { Wallet } from 'ethers'"],
    ['the openai package outside the demo', 'src/client/x.ts', "import OpenAI from 'openai'"],
    ['a package that nobody declared', 'test/x.ts', "import 'left-pad'"],
    ['a part of Node without its prefix', 'src/x.ts', "import 'fs'"],
    ['a file that is not there', 'src/x.ts', "import './absent.ts'"],
    ['a built file in place of the source', 'src/x.ts', "import './limits.js'"],
    ['a computed name', 'src/x.ts', 'import(name)'],
  ])('refuses %s', (_what, path, text) => {
    expect(violations(path, text, FILE_SET)).toHaveLength(1)
  })
})
