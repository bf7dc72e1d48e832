/**
 * Collects a request body, within its limit, its time and the memory that all bodies share.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import type { Limits } from '../limits.ts'
import type { ByteBudget } from './byte-budget.ts'
import { createGather, smallBody } from './large/gather.ts'
import type { Gathered } from './large/gather.ts'

export type BodyResult =
  | { readonly ok: true; readonly body: Gathered }
  | {
      readonly ok: false
      readonly why: 'too_large' | 'no_room' | 'timeout' | 'closed'
      /** What had arrived. */
      readonly read: Gathered
    }

export interface Body {
  /** Gives back the memory; call it when nothing refers to the body any more. */
  release(): void
}

export interface BodyBounds {
  readonly maxBytes: number
  readonly limits: Limits
  /** Memory that all bodies share. */
  readonly budget: ByteBudget
}

/**
 * @param done called once. After `too_large` and `no_room` the rest of the body is still coming: the caller answers and
 *   closes
 */
export function readBody(
  req: IncomingMessage,
  { maxBytes, limits, budget }: BodyBounds,
  done: (result: BodyResult) => void,
): Body {
  let reserved = 0
  const body: Body = {
    release() {
      budget.give(reserved)
      reserved = 0
    },
  }
  const reserve = (bytes: number): boolean => {
    if (bytes <= reserved) return true
    if (!budget.take(bytes - reserved)) return false
    reserved = bytes
    return true
  }
  const declared = Number(req.headers['content-length'] ?? 0)
  if (declared > maxBytes) {
    // After this function has returned, as in all other cases: the caller's callback uses what it returns.
    queueMicrotask(() => done({ ok: false, why: 'too_large', read: smallBody(Buffer.alloc(0)) }))
    return body
  }
  const gather = createGather()
  let over = false
  const finish = (result: BodyResult) => {
    if (over) return
    over = true
    clearTimeout(whole)
    clearTimeout(idle)
    req.off('data', onData)
    req.off('end', onEnd)
    req.off('close', onClose)
    done(result)
  }
  const fail = (why: 'too_large' | 'no_room' | 'timeout' | 'closed') =>
    finish({ ok: false, why, read: gather.end() })
  const onData = (chunk: Buffer) => {
    gather.add(chunk)
    idle.refresh()
    if (gather.length > maxBytes) fail('too_large')
    else if (!reserve(gather.length)) fail('no_room')
  }
  const onEnd = () => finish({ ok: true, body: gather.end() })
  const onClose = () => fail('closed')
  const whole = setTimeout(() => fail('timeout'), limits.requestBodyMs)
  // A sender of one byte a minute would hold its place for as long as a large upload may take.
  const idle = setTimeout(() => fail('timeout'), limits.requestIdleMs)
  req.on('data', onData)
  req.on('end', onEnd)
  req.on('close', onClose)
  return body
}
