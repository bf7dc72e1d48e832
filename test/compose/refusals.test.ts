/** Every reason for which `countersign compose check` refuses the compose text, each from the shipped file with one thing changed. */
import { describe, expect, test } from 'vitest'
import { COMPOSE_REFUSALS } from '../../src/compose/compose-refusals.ts'
import { readText } from '../project/source-tree.ts'
import { FETCH_ROWS, FIT_MODELS, LOG_ROWS, SHELL_ROWS } from './model-rows.helpers.ts'
import {
  CONTAINER_ROWS,
  MODEL_ROWS,
  SIDECAR_ROWS,
  SIDECAR_START_ROWS,
  VARIABLE_ROWS,
  YAML_ROWS,
} from './refusals.helpers.ts'
import type { Row } from './refusals.helpers.ts'
import { AROUND_ROWS, FIT, MOUNT_ROWS, START_ROWS } from './sidecar-rows.helpers.ts'
import { WEIGHTS_ROWS } from './weights-rows.helpers.ts'

const sections: readonly (readonly [string, readonly Row[]])[] = [
  ['refuses as YAML', YAML_ROWS],
  ['refuses a variable as', VARIABLE_ROWS],
  ['refuses a container with', CONTAINER_ROWS],
  ['refuses a sidecar', SIDECAR_ROWS],
  ['refuses a sidecar that starts', SIDECAR_START_ROWS],
  ['refuses in the sidecar', MOUNT_ROWS],
  ['refuses weights behind', WEIGHTS_ROWS],
  ['refuses a sidecar started with', START_ROWS],
  ['refuses', AROUND_ROWS],
  ['refuses a model server', [...MODEL_ROWS, ...SHELL_ROWS, ...LOG_ROWS, ...FETCH_ROWS]],
]

describe.each(sections)('%s', (_section, rows) => {
  test.each(rows)('$what', ({ found, expected }) => {
    expect([...found()].sort()).toEqual([...expected].sort())
  })
})

describe('lets pass', () => {
  test.each([...FIT, ...FIT_MODELS])('%s', (_what, found) => {
    expect(found()).toEqual([])
  })
})

test('every code has a test of its own', () => {
  const expected = sections.flatMap(([, rows]) => rows.flatMap((row) => row.expected))
  const members = readText('test/compose/check-compose.test.ts')
  const untested = Object.keys(COMPOSE_REFUSALS).filter(
    (code) => !expected.some((one) => one.startsWith(`${code} `)) && !members.includes(`'${code} `),
  )
  expect(untested).toEqual([])
})
