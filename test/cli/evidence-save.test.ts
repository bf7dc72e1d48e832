/** To whom `evidence save` shows a token, what it says where it has none, and how the file that it wrote is judged. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { evidenceSave } from '../../src/cli/evidence-save.ts'
import { verify } from '../../src/cli/verify.ts'
import { bootedMachine, TOKEN } from './evidence.helpers.ts'

test.each(['http://192.0.2.1', 'http://service.example/v1', 'http://127.0.0.1.example'])(
  'receipts of %s are not asked for: the token could be read on the way',
  async (url) => {
    const connect = vi.spyOn(Socket.prototype, 'connect').mockImplementation(() => {
      throw new Error('something was sent')
    })
    onTestFinished(() => connect.mockRestore())
    const saved = evidenceSave(url, { receipt: ['one'] }, { COUNTERSIGN_TOKEN: TOKEN })
    await expect(saved).rejects.toThrow('could be read on the way over plain http')
    expect(connect).not.toHaveBeenCalled()
  },
)

describe('of a service that answers', () => {
  const here = bootedMachine()

  /** Saves, and gives what was said about it. */
  async function saved(out: string, options: { receipt?: string[]; roots?: string } = {}) {
    let said = ''
    const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      said += String(text)
      return true
    })
    try {
      await evidenceSave(here.boot.url, { out, ...options }, { COUNTERSIGN_TOKEN: TOKEN })
      return said
    } finally {
      stderr.mockRestore()
    }
  }

  /** Runs the `verify` that was named. */
  async function followed(said: string): Promise<number> {
    const [, file = '', at = '', roots] =
      /countersign verify (\S+) --at (\d+) --allow-simulated(?: --roots (\S+))? judges/.exec(
        said,
      ) ?? []
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation(() => true)
    try {
      return await verify(file, {
        at,
        allowSimulated: true,
        ...(roots === undefined ? {} : { roots }),
      })
    } finally {
      stdout.mockRestore()
    }
  }

  test('a receipt without a token names the variable and the flag', async () => {
    const { id } = await here.boot.ask()
    await expect(evidenceSave(here.boot.url, { receipt: [id] }, {})).rejects.toThrow(
      /answered 401.* no token.*COUNTERSIGN_TOKEN.*--token-env/,
    )
    const wrong = evidenceSave(here.boot.url, { receipt: [id] }, { COUNTERSIGN_TOKEN: `${TOKEN}x` })
    await expect(wrong).rejects.toThrow(/the service answered 401\.$/)
  })

  test('the command that it names judges a simulation, and says where its roots are', async () => {
    const folder = dirname(here.machine.file('x', ''))
    const said = await saved(join(folder, 'any.json'))
    expect(said).toMatch(/SIMULATED.*save with --roots FILE.*a copy is then kept/)
    expect(await followed(said)).toBe(0)
  })

  test('roots that were named are kept beside the file, for its eyes alone', async () => {
    const folder = dirname(here.machine.file('x', ''))
    const roots = join(folder, 'roots.json')
    const out = join(folder, 'rooted.json')
    const said = await saved(out, { roots })
    const copy = `${out}.roots.json`
    expect(said).toContain(`--roots ${copy} judges`)
    expect(readFileSync(copy)).toEqual(readFileSync(roots))
    expect(statSync(copy).mode & 0o777).toBe(0o600)
    expect(await followed(said)).toBe(0)
    // What is there already is not written over, and not named as if it were this one's.
    const taken = join(folder, 'taken.json')
    here.machine.file('taken.json.roots.json', '{}')
    expect(await saved(taken, { roots })).toContain(`--roots ${roots} judges`)
    expect(readFileSync(`${taken}.roots.json`, 'utf8')).toBe('{}')
    expect(existsSync(taken)).toBe(true)
  })
})
