/**
 * Errors in OpenAI's shape: no token, no such model, no JSON, no such path, a body beyond all bounds (acceptance list of 0G,
 * section 4, and ours).
 *
 * @module
 */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { awaitAnswer } from '../../attestation/http/await-answer.ts'
import { readAnswer } from '../../attestation/http/read-answer.ts'
import { isJsonObject, parseJson } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { callNode, CallFailure } from './call-node.ts'
import type { NodeCall, SmokeNode } from './call-node.ts'
import { found, passed } from './smoke-codes.ts'
import type { SmokeRow } from './smoke-codes.ts'

/** Names nobody has. */
const NO_TOKEN = 'sk-smoke-not-a-token-0000000000'
const NO_MODEL = 'smoke/no-such-model'
/** Bytes that are announced and never sent. */
const ANNOUNCED_BYTES = 2 ** 40
/** Of an error's body. */
const MAX_ERROR_BYTES = 64 * 1024

interface ErrorAnswer {
  readonly status: number
  readonly json: JsonObject | null
}

function judge(probe: string, wanted: readonly number[], { status, json }: ErrorAnswer): SmokeRow {
  if (!wanted.includes(status)) {
    return found(probe, 'status_unexpected', `HTTP ${status} where ${wanted.join(' or ')} is right`)
  }
  const error = json?.['error']
  const whole =
    isJsonObject(error) &&
    typeof error['message'] === 'string' &&
    error['message'] !== '' &&
    typeof error['type'] === 'string' &&
    error['code'] !== undefined
  return whole ? passed(probe, `HTTP ${status}`) : found(probe, 'error_shape', `HTTP ${status}`)
}

/** Announces a body and waits for the answer, which must come before the body does. */
async function announce(node: SmokeNode): Promise<ErrorAnswer> {
  const url = new URL(`${node.base}/chat/completions`)
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  const signal = AbortSignal.timeout(node.callMs)
  const outgoing = request(url, {
    method: 'POST',
    agent: false,
    signal,
    headers: {
      'content-type': 'application/json',
      'content-length': ANNOUNCED_BYTES,
      ...(node.token === null ? {} : { authorization: `Bearer ${node.token}` }),
    },
  })
  try {
    const answered = awaitAnswer(outgoing, signal)
    // The first byte makes Node send the headers.
    outgoing.write('{')
    const response = await answered
    const body = await readAnswer(response, MAX_ERROR_BYTES)
    if (body === null) throw new CallFailure('answer_too_long', `over ${MAX_ERROR_BYTES} bytes`)
    const parsed = parseJson(body)
    const json = parsed.ok && isJsonObject(parsed.value) ? parsed.value : null
    return { status: response.statusCode ?? 0, json }
  } catch (error) {
    if (error instanceof CallFailure) throw error
    const code = signal.aborted ? 'node_slow' : 'node_unreachable'
    throw new CallFailure(code, 'no answer to an announced body')
  } finally {
    outgoing.destroy()
  }
}

/** @param model that exists */
export async function probeErrors(node: SmokeNode, model: string): Promise<readonly SmokeRow[]> {
  const messages = [{ role: 'user', content: 'hi' }]
  const tell = async (
    probe: string,
    wanted: readonly number[],
    answer: Promise<ErrorAnswer>,
  ): Promise<SmokeRow> => {
    try {
      return judge(probe, wanted, await answer)
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error
      return found(probe, error.code, error.message)
    }
  }
  const ask = (probe: string, wanted: readonly number[], call: NodeCall): Promise<SmokeRow> =>
    tell(probe, wanted, callNode(node, call))
  const path = '/chat/completions'
  const tooLarge = tell('errors.too_large', [413], announce(node))
  return [
    await ask('errors.wrong_token', [401], { path, body: { model, messages }, token: NO_TOKEN }),
    await ask('errors.no_token', [401], { path, body: { model, messages }, token: null }),
    await ask('errors.unknown_model', [404, 400], { path, body: { model: NO_MODEL, messages } }),
    await ask('errors.not_json', [400], { path, body: Buffer.from('{"model":') }),
    await ask('errors.malformed', [400, 422], { path, body: { model, messages: 'hi' } }),
    await ask('errors.unknown_path', [404], { path: '/smoke/no-such-path' }),
    await tooLarge,
  ]
}
