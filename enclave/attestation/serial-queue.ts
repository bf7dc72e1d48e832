/**
 * Runs evidence collection one at a time: the TDX driver and the guest agent make one quote at a time anyway, and a
 * reply that belongs to another request's nonce cannot happen where there is no other request.
 *
 * The gate goes first, then shared rounds, then calls for a single client: those of the ACI door before those of older ones.
 * After a round one such call may go before the next round, so that rounds do not starve them and no number of them keeps a
 * round waiting for more than one.
 *
 * @module
 */

/** First come first served within each; `aci` and `legacy` are for a single client. */
export type Lane = 'gate' | 'round' | 'aci' | 'legacy'

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

const ROUND_FIRST: readonly Lane[] = ['gate', 'round', 'aci', 'legacy']
const SINGLE_FIRST: readonly Lane[] = ['gate', 'aci', 'legacy', 'round']

export function createSerialQueue(): SerialQueue {
  const lanes: Readonly<Record<Lane, Job[]>> = { gate: [], round: [], aci: [], legacy: [] }
  /** A round has been made since the last call for a single client. */
  let singleIsDue = false
  let running = false

  const take = (): Job | undefined => {
    for (const lane of singleIsDue ? SINGLE_FIRST : ROUND_FIRST) {
      for (let job = lanes[lane].shift(); job !== undefined; job = lanes[lane].shift()) {
        if (job.abandoned()) {
          job.drop()
          continue
        }
        if (lane !== 'gate') singleIsDue = lane === 'round'
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
