/**
 * The buffered answer: `ChatCompletionResponse.model_dump()` as JSON, every unset member as null.
 *
 * vllm/entrypoints/openai/chat_completion/serving.py @006c49d4, `chat_completion_full_generator`; member order of the
 * models in protocol.py @002032ee.
 *
 * @module
 */
import type { DemoChoice, Piece } from './generate-choices.ts'
import type { ChatCall } from './read-chat-call.ts'
import type { AnswerIdentity } from './wire.ts'
import { countMembers, DEMO_FINGERPRINT, reasoningMembers } from './wire.ts'

/** The body of a buffered completion. */
export function renderCompletion(
  call: ChatCall,
  choices: readonly DemoChoice[],
  identity: AnswerIdentity,
): string {
  const tokens = choices.flatMap((choice) => choice.pieces)
  const reasoningTokens = tokens.filter((piece) => piece.kind === 'reasoning').length
  return JSON.stringify({
    id: identity.id,
    object: 'chat.completion',
    created: identity.created,
    model: identity.model,
    choices: choices.map((choice) => choiceMembers(call, choice, identity)),
    service_tier: null,
    system_fingerprint: DEMO_FINGERPRINT,
    usage: {
      ...countMembers(call.promptTokens, tokens.length),
      prompt_tokens_details: null,
      ...reasoningMembers(reasoningTokens),
    },
    prompt_logprobs: null,
    prompt_token_ids: null,
    prompt_text: null,
    kv_transfer_params: null,
    ec_transfer_params: null,
    metrics: null,
  })
}

function choiceMembers(call: ChatCall, choice: DemoChoice, identity: AnswerIdentity): object {
  const isHidden = !call.includeReasoning
  return {
    index: choice.index,
    message: messageMembers(call, choice, identity),
    logprobs:
      call.logprobs && !isHidden ? { content: choice.pieces.map((piece) => piece.logprobs) } : null,
    finish_reason: finishReason(call, choice),
    stop_reason: choice.stopReason,
    token_ids: null,
    routed_experts: null,
  }
}

function messageMembers(call: ChatCall, choice: DemoChoice, identity: AnswerIdentity): object {
  const toolCalls = collectToolCalls(choice.pieces)
  const content = textOf(choice.pieces, 'content')
  const reasoning = call.includeReasoning ? textOf(choice.pieces, 'reasoning') : ''
  const isForced = call.toolChoice.kind === 'named' || call.toolChoice.kind === 'required'
  return {
    role: 'assistant',
    // A forced call has an empty text, an automatic one has none.
    content: content === '' && !isForced ? null : content,
    refusal: null,
    annotations: null,
    audio: null,
    function_call: null,
    ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }),
    [identity.reasoningField]: reasoning === '' ? null : reasoning,
  }
}

/** The finish reason on the wire, buffered or streamed. */
export function finishReason(call: ChatCall, choice: DemoChoice): string {
  const hasCalls = choice.pieces.some((piece) => piece.kind === 'tool_name')
  const isNamed = call.toolChoice.kind === 'named'
  return hasCalls && !isNamed && choice.finish === 'stop' ? 'tool_calls' : choice.finish
}

function textOf(pieces: readonly Piece[], kind: 'content' | 'reasoning'): string {
  return pieces.map((piece) => (piece.kind === kind ? piece.text : '')).join('')
}

function collectToolCalls(pieces: readonly Piece[]): readonly object[] {
  return pieces.flatMap((start) => {
    if (start.kind !== 'tool_name') return []
    const text = pieces
      .map((piece) =>
        piece.kind === 'tool_arguments' && piece.index === start.index ? piece.text : '',
      )
      .join('')
    return [{ id: start.id, type: 'function', function: { name: start.text, arguments: text } }]
  })
}
