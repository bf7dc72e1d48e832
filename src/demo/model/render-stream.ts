/**
 * The streamed answer as the list of its events, in the order of `chat_completion_stream_generator`
 * (vllm/entrypoints/openai/chat_completion/serving.py @006c49d4).
 *
 * @module
 */
import { errorMembers, GENERATION_ERROR } from './error-body.ts'
import type { DemoChoice, Piece } from './generate-choices.ts'
import type { ChatCall } from './read-chat-call.ts'
import { finishReason } from './render-completion.ts'
import type { AnswerIdentity } from './wire.ts'
import {
  countMembers,
  DEMO_FINGERPRINT,
  DONE_EVENT,
  pythonJson,
  reasoningMembers,
  sseEvent,
} from './wire.ts'

interface Progress {
  tokens: number
  reasoningTokens: number
}

/** All events of a stream, the terminator included. */
export function renderStream(
  call: ChatCall,
  choices: readonly DemoChoice[],
  identity: AnswerIdentity,
): readonly Buffer[] {
  const events = choices.map((choice) => roleEvent(call, choice, identity))
  const progress = choices.map((): Progress => ({ tokens: 0, reasoningTokens: 0 }))
  const longest = Math.max(...choices.map((choice) => choice.pieces.length))
  for (let step = 0; step < longest; step++) {
    for (const [i, choice] of choices.entries()) {
      const piece = choice.pieces[step]
      const counts = progress[i]
      if (piece === undefined || counts === undefined) continue
      counts.tokens++
      if (piece.kind === 'reasoning') counts.reasoningTokens++
      const isLast = step === choice.pieces.length - 1 && choice.finish !== 'abort'
      const event = pieceEvent(call, choice, piece, isLast, counts, identity)
      if (event !== null) events.push(event)
    }
  }
  for (const [i, choice] of choices.entries()) {
    const counts = progress[i]
    if (choice.finish === 'error') {
      // The generator raises: no usage chunk, nothing more of the other choices, but still the terminator.
      return [...events, sseEvent(pythonJson(errorMembers(GENERATION_ERROR))), DONE_EVENT]
    }
    // The engine reports an abort by an output without tokens.
    if (choice.finish === 'abort' && counts !== undefined) {
      const logprobs = call.logprobs ? { content: [] } : null
      events.push(chunk(call, identity, finished(call, choice, emptyDelta(call), logprobs), counts))
    }
  }
  if (call.includeUsage) events.push(usageEvent(call, progress, identity))
  return [...events, DONE_EVENT]
}

function roleEvent(call: ChatCall, choice: DemoChoice, identity: AnswerIdentity): Buffer {
  const members = {
    index: choice.index,
    delta: { role: 'assistant', content: '' },
    logprobs: null,
    finish_reason: null,
  }
  // Both are passed explicitly, so that exclude_unset keeps their null; no other chunk has them.
  const promptMembers = { prompt_token_ids: null, prompt_text: null }
  return chunk(call, identity, members, { tokens: 0, reasoningTokens: 0 }, promptMembers)
}

/** Null when nothing is sent for the token: its reasoning is hidden. */
function pieceEvent(
  call: ChatCall,
  choice: DemoChoice,
  piece: Piece,
  isLast: boolean,
  counts: Progress,
  identity: AnswerIdentity,
): Buffer | null {
  const isHidden = piece.kind === 'reasoning' && !call.includeReasoning
  if (isHidden && !isLast) return null
  const delta = isHidden ? {} : deltaMembers(call, piece, identity)
  // Hidden reasoning would show through the tokens of its log probabilities.
  const logprobs =
    piece.logprobs === null || !call.includeReasoning ? null : { content: [piece.logprobs] }
  if (isLast && choice.finish !== 'error') {
    return chunk(call, identity, finished(call, choice, delta, logprobs), counts)
  }
  const members = { index: choice.index, delta, logprobs, finish_reason: null, token_ids: null }
  return chunk(call, identity, members, counts)
}

function finished(
  call: ChatCall,
  choice: DemoChoice,
  delta: object,
  logprobs: object | null,
): { readonly finish_reason: string } {
  return {
    ...{ index: choice.index, delta, logprobs },
    finish_reason: finishReason(call, choice),
    ...{ stop_reason: choice.stopReason, token_ids: null },
  }
}

function deltaMembers(call: ChatCall, piece: Piece, identity: AnswerIdentity): object {
  switch (piece.kind) {
    case 'content':
      return { content: piece.text }
    case 'reasoning':
      return { [identity.reasoningField]: piece.text }
    case 'end':
      return emptyDelta(call)
    case 'tool_name': {
      const { id, index, text } = piece
      return { tool_calls: [{ id, type: 'function', index, function: { name: text } }] }
    }
    case 'tool_arguments':
      return { tool_calls: [{ index: piece.index, function: { arguments: piece.text } }] }
  }
}

/** A token without text: the output parser, when there is work for one, has nothing to say; without it the text is ''. */
function emptyDelta(call: ChatCall): object {
  const isParsed = call.toolChoice.kind !== 'none' || call.markers.reasoning
  return isParsed ? {} : { content: '' }
}

function chunk(
  call: ChatCall,
  identity: AnswerIdentity,
  choice: { readonly finish_reason: string | null },
  counts: Progress,
  more: object = {},
): Buffer {
  const isFinal = choice.finish_reason !== null
  return sseEvent(
    JSON.stringify({
      ...head(identity),
      choices: [choice],
      ...(call.continuousUsage
        ? {
            usage: {
              ...countMembers(call.promptTokens, counts.tokens),
              ...reasoningMembers(counts.reasoningTokens),
            },
          }
        : {}),
      ...(isFinal && !call.includeUsage ? { system_fingerprint: DEMO_FINGERPRINT } : {}),
      ...more,
    }),
  )
}

/** A content delta of choice 0 outside the generated text; the oversize line is one. */
export function contentEvent(identity: AnswerIdentity, content: string): Buffer {
  const choice = { index: 0, delta: { content }, logprobs: null, finish_reason: null }
  return sseEvent(JSON.stringify({ ...head(identity), choices: [{ ...choice, token_ids: null }] }))
}

function usageEvent(
  call: ChatCall,
  progress: readonly Progress[],
  identity: AnswerIdentity,
): Buffer {
  const sum = (member: keyof Progress) => progress.reduce((all, counts) => all + counts[member], 0)
  return sseEvent(
    JSON.stringify({
      ...head(identity),
      choices: [],
      usage: {
        ...countMembers(call.promptTokens, sum('tokens')),
        ...reasoningMembers(sum('reasoningTokens')),
      },
      system_fingerprint: DEMO_FINGERPRINT,
    }),
  )
}

function head(identity: AnswerIdentity): object {
  return {
    id: identity.id,
    object: 'chat.completion.chunk',
    created: identity.created,
    model: identity.model,
  }
}
