import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { execFile } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { PACKAGE } from './package-json.ts'
import { readText, ROOT } from './source-tree.ts'

interface Instruction {
  readonly name: string
  readonly value: string
}

/** Instructions of a Dockerfile: comments dropped, continued lines joined. */
function instructions(text: string): Instruction[] {
  return text
    .split('\n')
    .filter((line) => !/^\s*(?:#|$)/.test(line))
    .join('\n')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => {
      const [, name = '', value = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? []
      return { name, value }
    })
}

/** The instructions of each stage; those before the first FROM are not in any. */
function stages(all: readonly Instruction[]): Instruction[][] {
  const out: Instruction[][] = []
  for (const instruction of all) {
    if (instruction.name === 'FROM') out.push([])
    out.at(-1)?.push(instruction)
  }
  return out
}

const ALL = instructions(readText('Dockerfile'))
const STAGES = stages(ALL)
const FINAL = STAGES.at(-1) ?? []
const valuesOf = (stage: readonly Instruction[], name: string) =>
  stage.filter((instruction) => instruction.name === name).map(({ value }) => value)

/** Of a COPY without `--from`: what it takes from the checkout. */
function sourcesOf(copy: string): string[] {
  return copy
    .split(/\s+/)
    .filter((part) => !part.startsWith('--'))
    .slice(0, -1)
}

function healthCommand(): string[] {
  const [, json = ''] = /CMD (\[.*\])$/.exec(valuesOf(FINAL, 'HEALTHCHECK')[0] ?? '') ?? []
  const command: unknown = JSON.parse(json)
  if (!Array.isArray(command)) throw new Error('not in exec form')
  return command.map(String)
}

describe('Dockerfile', () => {
  test('builds in one stage and ships another, both of the current LTS on glibc', () => {
    expect(STAGES.map((stage) => stage[0]?.value)).toEqual([
      '${NODE_IMAGE} AS build',
      '${NODE_IMAGE} AS runtime',
    ])
    expect(ALL[0]).toEqual({ name: 'ARG', value: 'NODE_IMAGE=node:24-bookworm-slim' })
  })

  test('installs from the lock file, runs no script of a dependency, drops what only the build needs', () => {
    const runs = valuesOf(STAGES[0] ?? [], 'RUN')
    expect(runs).toEqual([
      'npm ci --ignore-scripts',
      'npm run build && npm prune --omit=dev --ignore-scripts',
    ])
    expect(PACKAGE.optionalDependencies).toHaveProperty('secp256k1')
    expect(runs.join()).not.toContain('--omit=optional')
  })

  test('the last stage runs no package manager and takes one away', () => {
    const runs = valuesOf(FINAL, 'RUN')
    expect(runs).toEqual([
      expect.stringMatching(/^rm -rf /),
      // Only what the service writes is its own, and it can be reached by name.
      'install -d -m 0700 -o 65532 -g 65532 /var/lib/countersign /data',
      'ln -s /app/dist/src/cli/main.js /usr/local/bin/countersign',
    ])
    for (const tool of [
      '/usr/local/lib/node_modules',
      '/usr/local/bin/npm',
      '/usr/local/bin/npx',
    ]) {
      expect(runs[0]?.split(/\s+/)).toContain(tool)
    }
    expect(ALL.map(({ value }) => value).join('\n')).not.toMatch(/apt-get|apk add|curl |wget /)
  })

  test('the last stage holds the build, its dependencies and the licence, all owned by root', () => {
    expect(valuesOf(FINAL, 'COPY')).toEqual([
      '--from=build /app/package.json ./',
      '--from=build /app/node_modules ./node_modules',
      '--from=build /app/dist ./dist',
      'LICENSE ./',
    ])
    expect(valuesOf(FINAL, 'ADD')).toEqual([])
    expect(valuesOf(FINAL, 'VOLUME')).toEqual([])
  })

  test('runs as uid 65532, set after the last step that needs root', () => {
    expect(valuesOf(FINAL, 'USER')).toEqual(['65532:65532'])
    const names = FINAL.map(({ name }) => name)
    expect(names.lastIndexOf('RUN')).toBeLessThan(names.indexOf('USER'))
  })

  test('starts the command that package.json names, without a shell', () => {
    const entry: unknown = JSON.parse(valuesOf(FINAL, 'ENTRYPOINT')[0] ?? '')
    expect(entry).toEqual(['/usr/local/bin/node', PACKAGE.bin['countersign'], 'serve'])
    expect(valuesOf(FINAL, 'CMD')).toEqual([])
  })

  test('puts no secret and no simulation into a layer', () => {
    expect([...valuesOf(FINAL, 'ENV'), ...valuesOf(FINAL, 'ARG')]).toEqual(['NODE_ENV=production'])
    expect(ALL.map(({ value }) => value).join('\n')).not.toMatch(/simulate/i)
  })

  test('copies only what is there and what .dockerignore lets through', () => {
    const allowed = readText('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    expect(readText('.dockerignore')).toMatch(/^\*$/m)
    const taken = STAGES.flatMap((stage) => valuesOf(stage, 'COPY'))
      .filter((copy) => !copy.startsWith('--from='))
      .flatMap(sourcesOf)
    expect(taken).toContain('src')
    for (const source of taken) {
      expect(existsSync(ROOT + source), source).toBe(true)
      expect(allowed).toContain(source)
    }
    // What the build reads by name is among it.
    expect(readText('tsconfig.build.json')).toContain(
      '"include": ["enclave", "attestation", "src"]',
    )
  })
})

describe('the health check', () => {
  const run = (port: number): Promise<number> => {
    const [, ...rest] = healthCommand()
    const args = rest.map((part) => part.replace('127.0.0.1:8080', `127.0.0.1:${port}`))
    return new Promise((resolve) => {
      execFile(process.execPath, args, (error) => resolve(Number(error?.code ?? 0)))
    })
  }

  test('asks /health with node itself', () => {
    expect(healthCommand()[0]).toBe('/usr/local/bin/node')
    expect(healthCommand().join(' ')).toContain('http://127.0.0.1:8080/health')
  })

  test.each([
    ['passes while the service answers 200', 200, 0],
    ['fails when it answers an error', 503, 1],
  ])('%s', async (_what, status, expected) => {
    const server = createServer((_req, res) => res.writeHead(status).end())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    expect(await run(port)).toBe(expected)
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    expect(await run(port)).toBe(1)
  })
})
