/**
 * Errors in OpenAI's shape: no token, no such model, no JSON, no such path, a body beyond all bounds (acceptance list of 0G,
 * section 4, and ours).
 *
 * @module
 */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
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
function announce(node: SmokeNode): Promise<ErrorAnswer> {
  const url = new URL(`${node.base}/chat/completions`)
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method: 'POST',
        agent: false,
        signal: AbortSignal.timeout(node.callMs),
        headers: {
          'content-type': 'application/json',
          'content-length': ANNOUNCED_BYTES,
          ...(node.token === null ? {} : { authorization: `Bearer ${node.token}` }),
        },
      },
      (response) => {
        const chunks: Buffer[] = []
        let length = 0
        response.on('data', (chunk: Buffer) => {
          length += chunk.length
          if (length <= MAX_ERROR_BYTES) chunks.push(chunk)
        })
        response.on('error', reject)
        response.on('end', () => {
          const parsed = parseJson(Buffer.concat(chunks))
          const json = parsed.ok && isJsonObject(parsed.value) ? parsed.value : null
          outgoing.destroy()
          resolve({ status: response.statusCode ?? 0, json })
        })
      },
    )
    outgoing.on('error', (error) => {
      const late = error.name === 'AbortError' || error.name === 'TimeoutError'
      reject(
        new CallFailure(late ? 'node_slow' : 'node_unreachable', 'no answer to an announced body'),
      )
    })
    // The first byte makes Node send the headers.
    outgoing.write('{')
  })
}

/** @param model that exists */
export async function probeErrors(node: SmokeNode, model: string): Promise<readonly SmokeRow[]> {
  const messages = [{ role: 'user', content: 'hi' }]
  const ask = async (
    probe: string,
    wanted: readonly number[],
    call: NodeCall,
  ): Promise<SmokeRow> => {
    try {
      return judge(probe, wanted, await callNode(node, call))
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error
      return found(probe, error.code, error.message)
    }
  }
  const path = '/chat/completions'
  const tooLarge = announce(node).then(
    (answer) => judge('errors.too_large', [413], answer),
    (error: unknown) => {
      if (!(error instanceof CallFailure)) throw error
      return found('errors.too_large', error.code, error.message)
    },
  )
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
