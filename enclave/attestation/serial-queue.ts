/**
 * Runs evidence collection one at a time: the TDX driver and the guest agent make one quote at a time anyway, and a
 * reply that belongs to another request's nonce cannot happen where there is no other request.
 *
 * Shared rounds and calls for a single client take turns, so that no number of the second keeps the first waiting for
 * more than one of them, and none starves.
 *
 * @module
 */

export type Lane = 'round' | 'single'

export interface SerialQueue {
  /** Tasks of that lane that wait. */
  waiting(lane: Lane): number
  /**
   * @param abandoned asked when the task's turn comes; true: it is dropped without having run
   * @returns rejects with {@link Abandoned} where it was dropped
   */
  run<T>(lane: Lane, task: () => Promise<T>, abandoned?: () => boolean): Promise<T>
}

/** Nobody waits for the result any more. */
export class Abandoned extends Error {
  override readonly name = 'Abandoned'
}

interface Job {
  readonly begin: () => Promise<void>
  readonly drop: () => void
  readonly abandoned: () => boolean
}

export function createSerialQueue(): SerialQueue {
  const lanes: Readonly<Record<Lane, Job[]>> = { round: [], single: [] }
  let last: Lane = 'single'
  let running = false

  const take = (): Job | undefined => {
    const other: Lane = last === 'round' ? 'single' : 'round'
    for (const lane of [other, last]) {
      for (let job = lanes[lane].shift(); job !== undefined; job = lanes[lane].shift()) {
        if (job.abandoned()) {
          job.drop()
          continue
        }
        last = lane
        return job
      }
    }
    return undefined
  }

  const work = async () => {
    for (let job = take(); job !== undefined; job = take()) await job.begin()
    running = false
  }

  return {
    waiting: (lane) => lanes[lane].length,
    run: (lane, task, abandoned = () => false) =>
      new Promise((resolve, reject) => {
        lanes[lane].push({
          abandoned,
          begin: () => task().then(resolve, reject),
          drop: () => reject(new Abandoned('nobody waits for it')),
        })
        if (running) return
        running = true
        // Not at once: who asks in the same turn shares the same round.
        queueMicrotask(() => void work())
      }),
  }
}
