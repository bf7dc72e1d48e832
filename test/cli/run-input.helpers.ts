import { vi } from 'vitest'

export interface InputRun {
  readonly exit: number
  readonly verdict: string
  readonly code: string
  readonly printed: Readonly<Record<string, unknown>>
}

/** Runs a command that reads one document from standard input. */
export async function runInput(
  command: (input: AsyncIterable<unknown>) => Promise<number>,
  input: unknown,
): Promise<InputRun> {
  const text = typeof input === 'string' ? input : JSON.stringify(input)
  let out = ''
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    out += String(chunk)
    return true
  })
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text)
  }
  try {
    const exit = await command(bytes())
    const printed = JSON.parse(out) as Readonly<Record<string, unknown>>
    return { exit, verdict: String(printed['verdict']), code: String(printed['code']), printed }
  } finally {
    spy.mockRestore()
  }
}
