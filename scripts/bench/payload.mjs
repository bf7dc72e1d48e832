// What is asked and answered in the benchmark.
const text = 'The quick brown fox jumps over the lazy dog. '

export const REQUEST = Buffer.from(
  JSON.stringify({
    model: 'bench',
    messages: [
      { role: 'system', content: text.repeat(4) },
      { role: 'user', content: text.repeat(36) },
    ],
    temperature: 0.7,
    max_tokens: 256,
  }),
)

export const STREAM_REQUEST = Buffer.from(
  JSON.stringify({ model: 'bench', stream: true, messages: [{ role: 'user', content: text }] }),
)

export const BODY = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-0123456789abcdef0123456789abcdef',
    object: 'chat.completion',
    created: 1_795_000_000,
    model: 'bench',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: text.repeat(38), refusal: null, reasoning: null },
        logprobs: null,
        finish_reason: 'stop',
        stop_reason: null,
      },
    ],
    usage: { prompt_tokens: 400, total_tokens: 656, completion_tokens: 256 },
  }),
)

function chunk(delta, finish = null) {
  const event = {
    id: 'chatcmpl-0123456789abcdef0123456789abcdef',
    object: 'chat.completion.chunk',
    created: 1_795_000_000,
    model: 'bench',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  }
  return Buffer.from(`data: ${JSON.stringify(event)}\n\n`)
}

export const FIRST_CHUNK = chunk({ role: 'assistant', content: '' })
export const TEXT_CHUNK = chunk({ content: ' quick' })
export const STOP_CHUNK = chunk({}, 'stop')
export const DONE_CHUNK = Buffer.from('data: [DONE]\n\n')

/** A request of about so many bytes: one long prompt, or an image beside a short one. */
export function requestOf(bytes, kind = 'prompt') {
  const content =
    kind === 'prompt'
      ? text.repeat(Math.ceil(bytes / text.length))
      : [
          { type: 'text', text },
          { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(bytes)}` } },
        ]
  return Buffer.from(JSON.stringify({ model: 'bench', messages: [{ role: 'user', content }] }))
}
