/**
 * Collects a request body, within its limit and its time.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'

export type BodyResult =
  | { readonly ok: true; readonly body: Buffer }
  /** `read` is what had arrived. */
  | { readonly ok: false; readonly why: 'too_large' | 'timeout' | 'closed'; readonly read: Buffer }

/**
 * @param done called once. After `too_large` the rest of the body is still coming: the caller answers and closes.
 */
export function readBody(
  req: IncomingMessage,
  limitBytes: number,
  limitMs: number,
  done: (result: BodyResult) => void,
): void {
  const declared = Number(req.headers['content-length'] ?? 0)
  if (declared > limitBytes) {
    done({ ok: false, why: 'too_large', read: Buffer.alloc(0) })
    return
  }
  const chunks: Buffer[] = []
  let size = 0
  const finish = (result: BodyResult) => {
    clearTimeout(timer)
    req.off('data', onData)
    req.off('end', onEnd)
    req.off('close', onClose)
    done(result)
  }
  const collected = () => {
    const [only] = chunks
    return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks)
  }
  const onData = (chunk: Buffer) => {
    size += chunk.length
    chunks.push(chunk)
    if (size > limitBytes) finish({ ok: false, why: 'too_large', read: collected() })
  }
  const onEnd = () => finish({ ok: true, body: collected() })
  const onClose = () => finish({ ok: false, why: 'closed', read: collected() })
  const timer = setTimeout(() => finish({ ok: false, why: 'timeout', read: collected() }), limitMs)
  req.on('data', onData)
  req.on('end', onEnd)
  req.on('close', onClose)
}
