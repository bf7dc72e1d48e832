/** The command blocks of a page. One that begins with `# needs hardware` is for readers with the machine at hand. */
import { readText } from '../project/source-tree.ts'

export interface CommandBlock {
  readonly text: string
  readonly needsHardware: boolean
}

/** Fenced blocks of a language, in order. */
export function blocksOf(page: string, language: string): string[] {
  const fences = [...readText(page).matchAll(/^```(\S*)\n([^]*?)^```$/gm)]
  return fences.filter(([, name]) => name === language).map(([, , text = '']) => text)
}

export function commandBlocks(page: string): readonly CommandBlock[] {
  return blocksOf(page, 'sh').map((text) => ({
    text,
    needsHardware: /^# needs hardware\b/.test(text),
  }))
}

/** Every language that the page's fences name. */
export function languagesOf(page: string): ReadonlySet<string> {
  const fences = [...readText(page).matchAll(/^```(\S*)\n[^]*?^```$/gm)]
  return new Set(fences.map(([, name = '']) => name))
}
