import type OpenAI from 'openai'
import { failures } from '../appraiser/document.helpers.ts'
import { caught, readAll } from './client.helpers.ts'
import type { User } from './client.helpers.ts'

/** A completion or chunk as an intermediary holds it. */
export interface Draft {
  id?: unknown
  object?: unknown
  model?: unknown
  created?: unknown
  choices: {
    index: number
    finish_reason?: string | null
    message?: object
    delta?: { role?: string; content?: string | null; tool_calls?: { index: number }[] }
  }[]
}

export function draftsOf(text: string): Draft[] {
  return [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json = '']) => JSON.parse(json) as Draft)
}

export function written(drafts: readonly Draft[]): string {
  const events = drafts.map((draft) => `data: ${JSON.stringify(draft)}\n\n`)
  return `${events.join('')}data: [DONE]\n\n`
}

/** The checks that fail when an answer is read to its end; an answer that is taken has none. */
export async function failing(
  me: User,
  ask: Omit<OpenAI.ChatCompletionCreateParamsStreaming, 'stream'>,
  stream: boolean,
): Promise<Record<string, string>> {
  const create = async (): Promise<void> => {
    if (stream) await readAll(await me.openai.chat.completions.create({ ...ask, stream }))
    else await me.openai.chat.completions.create(ask)
  }
  const error = await caught(create())
  return failures(error.verdict.checks)
}
