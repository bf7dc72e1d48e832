/**
 * Runs evidence collection one at a time: the TDX driver and the guest agent make one quote at a time anyway, and a
 * reply that belongs to another request's nonce cannot happen where there is no other request.
 *
 * @module
 */

export interface SerialQueue {
  /** Tasks that run or wait. */
  readonly length: number
  run<T>(task: () => Promise<T>): Promise<T>
}

export function createSerialQueue(): SerialQueue {
  let tail: Promise<unknown> = Promise.resolve()
  let length = 0
  return {
    get length() {
      return length
    },
    run(task) {
      length++
      const result = tail.then(task)
      tail = result.then(
        () => length--,
        () => length--,
      )
      return result
    },
  }
}
