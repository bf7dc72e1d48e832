/**
 * Audio and images. Transcription and translation as vLLM answers them (vllm/entrypoints/speech_to_text/transcription/
 * protocol.py @04e47dbe and the stream generator of the copy of speech_to_text.py with 37,142 characters): multipart in; JSON,
 * plain text or a stream of `transcription.chunk` and `[DONE]` out. Images as vLLM-Omni does
 * (vllm_omni/entrypoints/openai/protocol/images.py @00a3619b): `b64_json` in `data`; edits are multipart. Stored copies read on 2026-11-26.
 *
 * What is heard are words drawn from the file, and every image is one grey pixel.
 *
 * @module
 */
import type { JsonObject, JsonValue } from '../../../../attestation/protocol/json.ts'
import type { DemoError } from '../error-body.ts'
import { badShape, unknownModel } from '../error-body.ts'
import { integer } from '../members.ts'
import type { Reply } from '../reply.ts'
import { errorReply, jsonReply, streamReply } from '../reply.ts'
import { DONE_EVENT, sseEvent } from '../wire.ts'
import type { RouteContext } from './route.ts'
import { generate, readRequest, tokensOf } from './route.ts'

/** A PNG of one pixel. */
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=='
const MAX_IMAGES = 10

type Form =
  | { readonly ok: true; readonly form: FormData; readonly file: File }
  | { readonly ok: false; readonly error: DemoError }

function field(form: FormData, name: string): string {
  const value = form.get(name)
  return typeof value === 'string' ? value : ''
}

async function readForm(body: Buffer, context: RouteContext, fileField: string): Promise<Form> {
  const bad = { ok: false, error: badShape('missing', `body.${fileField}`, 'Field required', {}) }
  let form: FormData
  try {
    const headers = { 'content-type': context.contentType }
    form = await new Response(Uint8Array.from(body), { headers }).formData()
  } catch {
    return { ...bad, ok: false }
  }
  const model = field(form, 'model')
  if (model !== '' && !context.models.includes(model)) {
    return { ok: false, error: unknownModel(model) }
  }
  const file = form.get(fileField) ?? form.get(`${fileField}[]`)
  return file === null || typeof file === 'string'
    ? { ...bad, ok: false }
    : { ok: true, form, file }
}

/** Words for a file: the same for equal bytes. */
async function hear(file: File, context: RouteContext): Promise<readonly string[]> {
  const bytes = Buffer.from(await file.arrayBuffer())
  const message: JsonValue = { role: 'user', content: bytes.toString('base64').slice(0, 4096) }
  const request: JsonObject = { messages: [message], seed: bytes.length }
  const generated = generate(request, context.models)
  if (!generated.ok) return []
  const [choice] = generated.choices
  return (choice?.pieces ?? []).flatMap((piece) => (piece.kind === 'content' ? [piece.text] : []))
}

async function answerSpeech(
  body: Buffer,
  context: RouteContext,
  kind: 'transcription' | 'translation',
): Promise<Reply> {
  const read = await readForm(body, context, 'file')
  if (!read.ok) return errorReply(read.error)
  const { form, file } = read
  const words = await hear(file, context)
  const text = words.join('')
  const format = field(form, 'response_format')
  if (field(form, 'stream') === 'true') return speechStream(words, context, kind)
  if (format === 'text') {
    const parts = [Buffer.from(`${text}\n`)]
    return { status: 200, contentType: 'text/plain; charset=utf-8', parts, isStream: false }
  }
  if (format === 'verbose_json') {
    const members = { duration: '1.0', language: 'en', text, segments: [], words: null }
    return jsonReply(200, JSON.stringify(members))
  }
  const usage = kind === 'transcription' ? { usage: { type: 'duration', seconds: 1 } } : {}
  return jsonReply(200, JSON.stringify({ text, ...usage }))
}

function speechStream(
  words: readonly string[],
  context: RouteContext,
  kind: 'transcription' | 'translation',
): Reply {
  const prefix = kind === 'transcription' ? 'trsc' : 'trsl'
  const chunk = (choice: object): Buffer =>
    sseEvent(
      JSON.stringify({
        id: `${prefix}-${context.requestId}`,
        object: `${kind}.chunk`,
        created: context.created,
        model: context.model,
        choices: [choice],
      }),
    )
  const events = words.map((content) => chunk({ delta: { content } }))
  const last = { delta: { content: '' }, finish_reason: 'stop', stop_reason: null }
  return streamReply([...events, chunk(last), DONE_EVENT])
}

export function answerTranscription(body: Buffer, context: RouteContext): Promise<Reply> {
  return answerSpeech(body, context, 'transcription')
}

export function answerTranslation(body: Buffer, context: RouteContext): Promise<Reply> {
  return answerSpeech(body, context, 'translation')
}

function images(count: number, size: string, context: RouteContext): Reply {
  const data = Array.from({ length: Math.min(Math.max(count, 1), MAX_IMAGES) }, () => ({
    b64_json: PIXEL,
    url: null,
    revised_prompt: null,
  }))
  const members = { created: context.created, data, output_format: 'png', size }
  return jsonReply(200, JSON.stringify({ ...members, cot_output: null, metrics: null }))
}

export function answerImages(body: Buffer, context: RouteContext): Reply {
  const read = readRequest(body, context.models)
  if (!read.ok) return errorReply(read.error)
  const { n, prompt, size } = read.request
  if (typeof prompt !== 'string' || tokensOf(prompt) === 0) {
    return errorReply(badShape('missing', 'body.prompt', 'Field required', read.request))
  }
  return images(integer(n) ?? 1, typeof size === 'string' ? size : '1x1', context)
}

export async function answerImageEdits(body: Buffer, context: RouteContext): Promise<Reply> {
  const read = await readForm(body, context, 'image')
  if (!read.ok) return errorReply(read.error)
  return images(Number(field(read.form, 'n')) || 1, field(read.form, 'size') || '1x1', context)
}
