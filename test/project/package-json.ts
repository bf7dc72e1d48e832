/**
 * package.json, read with its types checked.
 *
 * @module
 */
import { z } from 'zod'
import { readText } from './source-tree.ts'

const names = z.record(z.string(), z.string())

export const PACKAGE = z
  .object({
    name: z.string(),
    version: z.string(),
    license: z.string(),
    files: z.array(z.string()),
    bin: names,
    exports: z.record(
      z.string(),
      z.union([z.string(), z.object({ types: z.string(), default: z.string() })]),
    ),
    scripts: names,
    dependencies: names,
    optionalDependencies: names,
    devDependencies: names,
    peerDependencies: names.default({}),
  })
  .parse(JSON.parse(readText('package.json')))
