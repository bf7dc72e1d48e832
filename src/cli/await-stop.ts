/**
 * SIGTERM and SIGINT.
 *
 * @module
 */

export interface Stop {
  /** Resolves with the first signal. */
  readonly stopped: Promise<void>
  /** Aborted by the second: whoever sends it does not want to wait any more. */
  readonly hurried: AbortSignal
}

export function awaitStop(): Stop {
  const hurried = new AbortController()
  const stopped = new Promise<void>((resolve) => {
    let signals = 0
    const stop = () => {
      if (++signals > 1) hurried.abort()
      resolve()
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
  return { stopped, hurried: hurried.signal }
}
