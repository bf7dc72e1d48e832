/**
 * Runs evidence collection one at a time: the TDX driver and the guest agent make one quote at a time anyway, and a
 * reply that belongs to another request's nonce cannot happen where there is no other request.
 *
 * The gate goes first, then shared rounds, then calls for a single client: those of the ACI door before those of older ones.
 * After a round one such call may go before the next round, so that rounds do not starve them and no number of them keeps a
 * round waiting for more than one. After a call of the ACI door one of an older door goes, so that neither starves the other.
 *
 * Within a lane clients take turns (start-time fair queueing): who asks for much waits behind who asks for little, and loses
 * its last place to them where all places are taken.
 *
 * @module
 */

/** First come first served within each, but for the turns of its clients; `aci` and `legacy` are for a single client. */
export type Lane = 'gate' | 'round' | 'aci' | 'legacy'

export interface TaskOptions {
  /** Asked when the task's turn comes; true: it is dropped without having run. Default: never. */
  readonly abandoned?: () => boolean
  /** Who takes turns with others in the lane. Default: one for all who name none. */
  readonly client?: string
  /** Tasks that may wait in the lane. Default: no bound. */
  readonly places?: number
}

export interface SerialQueue {
  /** @returns rejects with {@link NotRun} where it was dropped, or where there was no place for it */
  run<T>(lane: Lane, task: () => Promise<T>, options?: TaskOptions): Promise<T>
}

/** Nobody waits for the result any more, or all places are taken. */
export class NotRun extends Error {
  override readonly name = 'NotRun'
}

interface Job {
  readonly begin: () => Promise<void>
  readonly drop: () => void
  readonly abandoned: () => boolean
  readonly client: string
  /** Jobs of one lane are in this order. */
  readonly turn: number
}

interface Line {
  jobs: Job[]
  /** Of the job that began last. */
  turn: number
}

const order = (singles: readonly Lane[], singleIsDue: boolean): readonly Lane[] =>
  singleIsDue ? ['gate', ...singles, 'round'] : ['gate', 'round', ...singles]

/** A client's next turn comes after those it waits for, and never before the one that is being taken. */
function nextTurn({ jobs, turn }: Line, client: string): number {
  const own = jobs.findLast((job) => job.client === client)
  return Math.max(turn, own?.turn ?? 0) + 1
}

/** @returns whether there is a place, made by who has left or by the last in line whose turn comes later */
function makePlace(line: Line, turn: number, places: number): boolean {
  if (line.jobs.length < places) return true
  const left = line.jobs.filter((job) => job.abandoned())
  line.jobs = line.jobs.filter((job) => !left.includes(job))
  for (const job of left) job.drop()
  if (line.jobs.length < places) return true
  const last = line.jobs.at(-1)
  if (last === undefined || last.turn <= turn) return false
  line.jobs.pop()
  last.drop()
  return true
}

export function createSerialQueue(): SerialQueue {
  const line = (): Line => ({ jobs: [], turn: 0 })
  const lanes: Readonly<Record<Lane, Line>> = {
    gate: line(),
    round: line(),
    aci: line(),
    legacy: line(),
  }
  /** A round has been made since the last call for a single client. */
  let singleIsDue = false
  /** The last call for a single client was of the ACI door. */
  let legacyIsDue = false
  let running = false

  const take = (): Job | undefined => {
    const singles: readonly Lane[] = legacyIsDue ? ['legacy', 'aci'] : ['aci', 'legacy']
    for (const name of order(singles, singleIsDue)) {
      const lane = lanes[name]
      for (let job = lane.jobs.shift(); job !== undefined; job = lane.jobs.shift()) {
        if (job.abandoned()) {
          job.drop()
          continue
        }
        lane.turn = job.turn
        if (name !== 'gate') singleIsDue = name === 'round'
        if (name === 'aci' || name === 'legacy') legacyIsDue = name === 'aci'
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
    run: (name, task, { abandoned = () => false, client = '', places = Infinity } = {}) =>
      new Promise((resolve, reject) => {
        const lane = lanes[name]
        const turn = nextTurn(lane, client)
        if (!makePlace(lane, turn, places)) {
          reject(new NotRun('all places are taken'))
          return
        }
        const later = lane.jobs.findIndex((job) => job.turn > turn)
        lane.jobs.splice(later === -1 ? lane.jobs.length : later, 0, {
          abandoned,
          client,
          turn,
          begin: () => task().then(resolve, reject),
          drop: () => reject(new NotRun('it has left, or lost its place')),
        })
        if (running) return
        running = true
        // Not at once: who asks in the same turn shares the same round.
        queueMicrotask(() => void work())
      }),
  }
}
