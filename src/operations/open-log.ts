/**
 * The log: JSON lines on standard output, written off the request's path.
 *
 * Lines are collected and written {@link LOG_FLUSH_BYTES} at a time or after {@link LOG_FLUSH_MS}, and all of them when the
 * process ends by itself. SIGKILL and a crash of the machine lose what was collected, at most that much. A reader that
 * does not read loses what exceeds {@link LOG_BUFFER_BYTES}: the count of lost lines is a metric, and the relay never waits.
 *
 * @module
 */
import { destination, pino } from 'pino'

/** Bytes that are collected before they are written. */
export const LOG_FLUSH_BYTES = 4096
/** Milliseconds after which they are written anyhow. */
export const LOG_FLUSH_MS = 1_000
/** Bytes of lines that wait for a reader who is slow. */
export const LOG_BUFFER_BYTES = 8 * 1024 * 1024

export interface ServiceLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
  error(fields: Readonly<Record<string, unknown>>, message: string): void
}

export const SILENT_LOG: ServiceLog = { info: () => {}, warn: () => {}, error: () => {} }

export interface OpenLog {
  readonly log: ServiceLog
  /** Lines that were thrown away because nobody read. */
  readonly dropped: () => number
  /** Writes what was collected; call it before the process ends. */
  flush(): void
}

/** @param fd a file descriptor or a path; standard output by default */
export function openLog(fd: number | string = 1): OpenLog {
  const out = destination({
    dest: fd,
    sync: false,
    minLength: LOG_FLUSH_BYTES,
    maxLength: LOG_BUFFER_BYTES,
    periodicFlush: LOG_FLUSH_MS,
  })
  let dropped = 0
  out.on('drop', () => dropped++)
  // Neither the process id nor the host's name: the first is always the same in a container, the second is the host's.
  const log = pino({ base: { name: 'countersign' } }, out)
  return {
    log,
    dropped: () => dropped,
    flush() {
      try {
        out.flushSync()
      } catch {
        // The reader has gone: there is nobody left to tell.
      }
    },
  }
}
