/**
 * How long a service takes to leave, at the longest, with the limits as they are by default.
 *
 * @module
 */
import { DEFAULT_LIMITS } from '../limits.ts'

/** Milliseconds from SIGTERM to the last answer: the notice, then the time of open requests. */
export const DRAIN_MS = DEFAULT_LIMITS.drainNoticeMs + DEFAULT_LIMITS.drainMs
