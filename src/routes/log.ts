/**
 * The log: checkpoints, proofs, and where the configuration opens it, its leaves.
 *
 * Heads, proofs between heads and boot records are for everybody, as the attestation document is. That a receipt is in the log is for
 * those who may see the receipt.
 *
 * @module
 */
import { Router } from 'express'
import type { Request, Response } from 'express'
import { isHex32 } from '../../attestation/protocol/hex.ts'
import type { BootLog } from '../../enclave/log/boot-log.ts'
import { TILE_LEAVES } from '../../enclave/log/leaf-keeper.ts'
import type { ServedLog } from '../../enclave/log/served-log.ts'
import type { ServiceErrorCode } from '../errors.ts'
import type { DoorLimits } from './door-limits.ts'
import { receiptReader } from './receipts.ts'
import type { ReceiptRoutesOptions } from './receipts.ts'
import { readable, sendBytes, sendError, sendText, wrapDocument } from './reply.ts'

export interface LogRoutesOptions extends Pick<ReceiptRoutesOptions, 'store' | 'authenticate'> {
  /** Proofs are for everybody and take the loop's time, those of earlier boots most of all. */
  readonly doorLimits: DoorLimits
  /** Null where the configuration says that there is no log. */
  readonly records: BootLog | null
  /** Whether everybody may read the leaves, and milliseconds from one published head to the next; null where there is no log. */
  readonly logSettings: { readonly public: boolean; readonly interval_ms: number } | null
}

const WHOLE_NUMBER = /^(?:0|[1-9]\d{0,14})$/

type Answer =
  | { readonly text: string; readonly code?: undefined }
  | {
      readonly code: ServiceErrorCode
      /** Seconds, in place of the code's own Retry-After. */
      readonly waitS?: number
      readonly text?: undefined
    }

/** Bare, and below `/v1` inside JSON that intermediaries may write anew. */
function spelled(path: string): { readonly bare: string[]; readonly wrapped: string[] } {
  return { bare: [path], wrapped: [`/v1${path}`, `/v1/proxy${path}`] }
}

/** @returns null for what is no whole number */
function numberOf(value: unknown, absent: number | null): number | null {
  if (value === undefined) return absent
  return typeof value === 'string' && WHOLE_NUMBER.test(value) ? Number(value) : null
}

export function logRoutes(options: LogRoutesOptions): Router {
  const { records, logSettings, doorLimits } = options
  const router = Router({ caseSensitive: true, strict: true })
  const withReceipt = receiptReader(options)

  const send = (res: Response, answer: Answer, wrapped: boolean, plain = false) => {
    if (answer.code !== undefined) sendError(res, answer.code, answer.waitS)
    else if (wrapped) sendText(res, 200, wrapDocument(answer.text))
    else if (plain) sendBytes(res, 'text/plain; charset=utf-8', Buffer.from(answer.text))
    else sendText(res, 200, answer.text)
  }

  /** Of the boot that the query names, by default this one. */
  const ofBoot = (query: unknown, use: (log: ServedLog) => Answer): Answer => {
    if (records === null) return { code: 'log_off' }
    if (query !== undefined && !isHex32(query)) return { code: 'invalid_log_query' }
    const log = query === undefined ? records : records.of(query)
    return log === null ? { code: 'log_boot_unknown' } : use(log)
  }

  const open = (
    path: string,
    answer: (log: ServedLog, req: Request) => Answer,
    plain = false,
  ): void => {
    const { bare, wrapped } = spelled(path)
    const handler = (wrap: boolean) => (req: Request, res: Response) => {
      const waitS = doorLimits.take('canonical', req)
      if (waitS !== null) return sendError(res, 'attestation_rate_limited', waitS)
      const found = ofBoot(req.query['boot'], (log) => answer(log, req))
      return send(res, found, wrap, plain)
    }
    readable(router, bare, handler(false))
    readable(router, wrapped, handler(true))
  }

  open('/attestation/log/checkpoint', ({ checkpoint }) => ({ text: checkpoint }), true)

  open('/attestation/log/consistency', (log, { query }) => {
    const from = numberOf(query['from'], null)
    const to = numberOf(query['to'], log.last.size)
    if (from === null || to === null || from > to) return { code: 'invalid_log_query' }
    if (!log.hasSize(from) || !log.hasSize(to)) return { code: 'log_size_unknown' }
    const path = log.consistency(from, to)
    if (path === null) return { code: 'log_proof_gone' }
    return { text: JSON.stringify({ from, origin: log.origin, path, to }) }
  })

  open('/attestation/log/boot', (log, { query }) => {
    const size = numberOf(query['size'], log.last.size)
    if (size === null) return { code: 'invalid_log_query' }
    if (!log.hasSize(size)) return { code: 'log_size_unknown' }
    const path = log.inclusion(0, size)
    if (path === null) return { code: 'log_proof_gone' }
    const { bootRecord: boot_record, origin } = log
    return { text: JSON.stringify({ boot_record, origin, path, tree_size: size }) }
  })

  open('/attestation/log/tiles/:tile', (log, { params }) => {
    if (logSettings?.public !== true) return { code: 'log_not_public' }
    const tile = numberOf(params['tile'], null)
    if (tile === null) return { code: 'invalid_log_query' }
    if (!log.hasSize((tile + 1) * TILE_LEAVES)) return { code: 'log_size_unknown' }
    const leaves = log.tile(tile)
    if (leaves === null) return { code: 'log_proof_gone' }
    return { text: JSON.stringify({ leaves, origin: log.origin, tile }) }
  })

  const inclusion = (wrap: boolean) =>
    withReceipt(({ record }, _owner, req, res) => {
      const answer = ofBoot(record.boot_id, (log): Answer => {
        const { sequence } = record
        const usual = sequence < log.head.size ? log.head.size : log.last.size
        const size = numberOf(req.query['size'], usual)
        if (size === null) return { code: 'invalid_log_query' }
        if (sequence >= log.last.size) {
          // Without settings there is no log to ask.
          const { interval_ms = 0 } = logSettings ?? {}
          return { code: 'log_not_published', waitS: Math.ceil(interval_ms / 1_000) }
        }
        if (!log.hasSize(size) || sequence >= size) return { code: 'log_size_unknown' }
        const path = log.inclusion(sequence, size)
        if (path === null) return { code: 'log_proof_gone' }
        // The note of that very head, where it is the last that the boot signed.
        const checkpoint = size === log.head.size ? log.checkpoint : null
        const { origin } = log
        return {
          text: JSON.stringify({ checkpoint, leaf_index: sequence, origin, path, tree_size: size }),
        }
      })
      send(res, answer, wrap)
    })
  const { bare, wrapped } = spelled('/attestation/log/inclusion/:id')
  readable(router, bare, inclusion(false))
  readable(router, wrapped, inclusion(true))
  return router
}
