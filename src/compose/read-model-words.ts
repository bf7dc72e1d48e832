/**
 * The command of a model server as Python's argparse reads it, where nothing but plain words is written.
 *
 * Where a shell or another language reads a word, no list of flags says what runs. One text for a shell is known: that of the
 * shipped file, which removes the socket of a process that was killed.
 *
 * @module
 */

export interface ModelFlag {
  /** With `-` for `_`, as vLLM's command line reads it, and without what follows a dot. */
  readonly name: string
  /** null: none follows. */
  readonly value: string | null
}

export interface ModelWords {
  /** Every word is plain text or JSON, or belongs to the one text for a shell. */
  readonly plain: boolean
  readonly flags: readonly ModelFlag[]
  /** Named by a flag, or after `serve` and `download`. */
  readonly model: string | null
  /** It is told to serve. */
  readonly serves: boolean
}

const PLAIN = /^[\w./:=,@%+~-]*$/
const SHELL_TEXT =
  /^(?:rm -f \/[\w./-]+ && )?exec ([\w./:=,@%+~-]+(?: [\w./:=,@%+~-]+)*)(?: "\$\$@")?$/

/** Of one line, and without what a shell would still look into between its quotes. */
function isJson(text: string): boolean {
  if (!/^[[{]/.test(text) || /[`$\n]/.test(text)) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function isPlain(word: string): boolean {
  const [, value] = /^--[\w.-]+=([^]*)$/.exec(word) ?? []
  return PLAIN.test(word) || isJson(value ?? word)
}

const SHELL = /(?:^|\/)(?:ba|da|a)?sh$/

/** All words with a shell's text taken apart, and whether it is the one that is known. */
function spread(words: readonly string[]): {
  readonly plain: boolean
  readonly all: readonly string[]
} {
  const [program = '', flag, text] = words
  const [, command] = flag === '-c' ? (SHELL_TEXT.exec(text ?? '') ?? []) : []
  if (SHELL.test(program) && command !== undefined) {
    // The word after the text is the name that the shell goes by.
    const rest = words.slice(3)
    return { plain: rest.every(isPlain), all: [...command.split(' '), ...rest.slice(1)] }
  }
  return {
    plain: words.every(isPlain),
    // Another text of a shell is refused where a model server has it, and looked through elsewhere.
    all: words.some((word) => SHELL.test(word))
      ? words.flatMap((word) => (isPlain(word) ? [word] : word.split(/[\s;&|"'`()]+/)))
      : words,
  }
}

export function readModelWords(words: readonly string[]): ModelWords {
  const { plain, all } = spread(words)
  const flags = all.flatMap((word, at): ModelFlag[] => {
    const [, flag, set, value] = /^(--[\w-]+)[^=]*(=)?([^]*)$/.exec(word) ?? []
    if (flag === undefined) return []
    const next = all[at + 1]
    const following = next === undefined || next.startsWith('-') ? null : next
    const name = flag.replaceAll('_', '-')
    return [{ name, value: set === undefined ? following : (value ?? '') }]
  })
  const named = flags.find(({ name }) => ['--model', '--model-path', '--repo'].includes(name))
  const verb = all.findIndex((word) => word === 'serve' || word === 'download')
  const after = verb === -1 ? undefined : all[verb + 1]
  return {
    plain,
    flags,
    model: named?.value ?? (after === undefined || after.startsWith('-') ? null : after),
    serves: all.includes('serve'),
  }
}
