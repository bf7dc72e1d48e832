import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PACKAGE } from './package-json.ts'
import { readText, ROOT } from './source-tree.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-ci-'))
  mkdirSync(join(folder, '.ci'))
  mkdirSync(join(folder, 'bin'))
  copyFileSync(`${ROOT}.ci/run`, join(folder, '.ci', 'run'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

type Status = 'passed' | 'failed' | 'skipped'

/** A report as the test runner writes it; `null` is a file that could not be loaded. */
function report(...files: readonly (readonly Status[] | null)[]): string {
  return JSON.stringify({
    testResults: files.map((statuses) => ({
      status: statuses === null || statuses.includes('failed') ? 'failed' : 'passed',
      assertionResults: (statuses ?? []).map((status) => ({ status })),
    })),
  })
}

interface Machine {
  /** Null: the runner dies before it writes one. */
  readonly report: string | null
  /** Commands, as `npm` gets them, that fail. */
  readonly failing?: readonly string[]
}

/** Runs the gate with an npm that does what it is told, and says what it was asked. */
function gate({ report: text, failing = [] }: Machine) {
  const npm = join(folder, 'bin', 'npm')
  if (text !== null) writeFileSync(join(folder, 'report'), text)
  writeFileSync(
    npm,
    `#!/usr/bin/env bash
echo "$*" >> "${folder}/asked"
for argument in "$@"; do case $argument in --outputFile.json=*)
  [ ! -f "${folder}/report" ] || cp "${folder}/report" "\${argument#*=}";; esac; done
case " $* " in ${failing.map((part) => `*" ${part} "*) exit 1;;`).join(' ')} esac
exit 0
`,
  )
  chmodSync(npm, 0o755)
  const path = [join(folder, 'bin'), process.env['PATH'] ?? ''].join(delimiter)
  const { stdout, status } = spawnSync(join(folder, '.ci', 'run'), [], {
    cwd: tmpdir(),
    encoding: 'utf8',
    env: { ...process.env, PATH: path },
  })
  return {
    last: stdout.trimEnd().split('\n').at(-1),
    status,
    asked: readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n'),
  }
}

const GOOD = report(['passed', 'passed', 'skipped'], ['passed'])

describe('.ci/run', () => {
  test('is executable and asks for the steps in order, each of which package.json knows', () => {
    expect(statSync(`${ROOT}.ci/run`).mode & 0o111).toBe(0o111)
    const { asked } = gate({ report: GOOD })
    const [install, lint, types, tests = '', demo] = asked
    expect([install, lint, types, demo]).toEqual([
      'ci',
      'run --silent lint',
      'run --silent typecheck',
      'run --silent demo -- --once',
    ])
    expect(tests).toMatch(/^test -- /)
    for (const script of ['lint', 'typecheck', 'test', 'demo']) {
      expect(PACKAGE.scripts).toHaveProperty(script)
    }
    expect(PACKAGE.scripts['typecheck']).toContain('tsconfig.json')
    expect(PACKAGE.scripts['typecheck']).toContain('tsconfig.appraiser.json')
  })

  test('counts tests and steps, and no skipped test as passed', () => {
    expect(gate({ report: GOOD })).toMatchObject({ last: '7 passed, 0 failed', status: 0 })
  })

  test('a failed test fails the gate, once', () => {
    const text = report(['passed', 'failed'], ['passed'])
    expect(gate({ report: text, failing: ['test'] })).toMatchObject({
      last: '6 passed, 1 failed',
      status: 1,
    })
  })

  test('a test file that cannot be loaded is a failure', () => {
    expect(gate({ report: report(['passed'], null), failing: ['test'] })).toMatchObject({
      last: '5 passed, 1 failed',
      status: 1,
    })
  })

  test('a runner that fails although every test passed is a failure', () => {
    expect(gate({ report: GOOD, failing: ['test'] })).toMatchObject({
      last: '7 passed, 1 failed',
      status: 1,
    })
  })

  test('a runner that dies without a report is a failure', () => {
    expect(gate({ report: null })).toMatchObject({ last: '4 passed, 1 failed', status: 1 })
  })

  test('a run in which no test ran is a failure', () => {
    expect(gate({ report: report(['skipped']) })).toMatchObject({
      last: '4 passed, 1 failed',
      status: 1,
    })
  })

  test.each(['lint', 'typecheck', 'demo'])('a failed step is one failure: %s', (step) => {
    expect(gate({ report: GOOD, failing: [step] })).toMatchObject({
      last: '6 passed, 1 failed',
      status: 1,
    })
  })

  test('without an installation nothing else is tried', () => {
    const { last, status, asked } = gate({ report: GOOD, failing: ['ci'] })
    expect({ last, status, asked }).toEqual({
      last: '0 passed, 1 failed',
      status: 1,
      asked: ['ci'],
    })
  })

  test('the README names the same test line', () => {
    expect(readText('README.md')).toContain('npm ci && npm test')
  })
})
