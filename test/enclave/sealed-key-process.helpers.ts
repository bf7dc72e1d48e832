/**
 * A process that opens or rotates a sealed key and, if told so, kills itself at a call to the file system. Arguments: URL
 * of the built module, folder, sealing key in hex, `open`, `rotate` or `hold`, number of the call, `before` or `after`.
 * It prints generation and a hash of the key with the number of calls that were made, or the code of what was wrong.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const [url = '', folder = '', hex = '', verb = '', at = '0', when = ''] = process.argv.slice(2)
let calls = 0

/** What counts names something in the folder, or a file that is open. */
function watch(name: string): void {
  const real: unknown = Reflect.get(fs, name)
  if (typeof real !== 'function') throw new TypeError(name)
  const watched = (...args: readonly unknown[]): unknown => {
    const [first] = args
    const counts =
      first === 1 ? false : typeof first === 'number' || String(first).startsWith(folder)
    if (counts) calls++
    const here = counts && calls === Number(at)
    if (here && when === 'before') process.kill(process.pid, 'SIGKILL')
    try {
      return Reflect.apply(real, fs, args) as unknown
    } finally {
      if (here && when === 'after') process.kill(process.pid, 'SIGKILL')
    }
  }
  Reflect.set(fs, name, watched)
}

for (const name of ['open', 'write', 'fsync', 'close', 'link', 'unlink', 'rename']) {
  watch(`${name}Sync`)
}
syncBuiltinESMExports()

function print(value: object): void {
  fs.writeSync(1, `${JSON.stringify(value)}\n`)
}

interface Keyed {
  readonly key: Uint8Array
  readonly generation: number
}

interface Verbs {
  openSealedKey(folder: string, sealingKey: Uint8Array): Promise<Keyed>
  rotateSealedKey(folder: string, sealingKey: Uint8Array): Promise<{ readonly after: Keyed }>
}

const module = (await import(url)) as Verbs
const sealingKey = Uint8Array.from(Buffer.from(hex, 'hex'))
try {
  const { key, generation } =
    verb === 'rotate'
      ? (await module.rotateSealedKey(folder, sealingKey)).after
      : await module.openSealedKey(folder, sealingKey)
  print({ generation, name: createHash('sha256').update(key).digest('hex'), calls })
} catch (error) {
  print({ code: error instanceof Error && 'code' in error ? error.code : String(error) })
}
if (verb === 'hold') setInterval(() => {}, 1_000)
else process.exit(0)
