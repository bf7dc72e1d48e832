/**
 * The logs in the store: leaf hashes in tiles, the roots of whole tiles, and of each log its boot record and last head.
 *
 * What a log appended since the last commit that succeeded goes into the next one, with the receipts it is of: a store that holds a
 * receipt holds its leaf and every leaf before. So a boot that was killed leaves a log that can be closed. Rows are sealed; a volume can
 * withhold them, and give older ones in their place, and then the roots do not come out.
 *
 * @module
 */
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import { readLogHead } from '../../attestation/protocol/log/leaves.ts'
import { HASH_BYTES } from '../../attestation/protocol/merkle-hash.ts'
import type { LogHead } from '../../attestation/protocol/statement.ts'
import { TILE_BYTES, TILE_LEAVES } from '../log/leaf-keeper.ts'
import type { EarlierLog, LeafKeeper, LogFacts } from '../log/leaf-keeper.ts'
import { rootOfKept } from '../log/served-log.ts'
import type { Boots } from './boots.ts'
import { logRowKey, numberKey } from './boots.ts'
import { TIME_BYTES } from './open-tables.ts'
import type { Change, Tables } from './open-tables.ts'
import type { Sealer } from './sealer.ts'

const NO_HEADER = new Uint8Array(0)

export interface LogTables {
  readonly leaves: LeafKeeper
  /** What is to be written with the next commit, and what to call when it was. */
  take(): { readonly changes: readonly Change[]; readonly done: () => void }
}

export interface LogTablesOptions {
  readonly tables: Tables
  readonly sealer: Sealer
  readonly boots: Boots
  readonly refuse: () => void
  /** Unix seconds. */
  readonly now: () => number
  /** Resolves when a commit that holds these changes was flushed. */
  readonly flushed: (changes: readonly Change[]) => Promise<void>
}

function encodeFacts({ origin, generation, bootRecord, head, checkpoint }: LogFacts): Buffer {
  return Buffer.from(JSON.stringify({ origin, generation, bootRecord, head, checkpoint }))
}

/** @throws TypeError for what {@link encodeFacts} did not write: a bug, as it is sealed */
function decodeFacts(plain: Buffer): LogFacts {
  const parsed = parseJsonText(plain.toString('utf8'))
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new TypeError('not a log')
  const { origin, generation, bootRecord, checkpoint } = parsed.value
  const head = readLogHead(parsed.value['head'])
  if (typeof origin !== 'string' || typeof generation !== 'number' || head === null) {
    throw new TypeError('not a log')
  }
  if (typeof bootRecord !== 'string' || typeof checkpoint !== 'string') {
    throw new TypeError('not a log')
  }
  return { origin, generation, bootRecord, head, checkpoint }
}

export function openLogTables(options: LogTablesOptions): LogTables {
  const { tables, sealer, boots, refuse, now } = options
  const own = boots.number

  const open = (
    table: 'roots' | 'tiles',
    number: number,
    bootId: Hex32,
    index: number,
  ): Buffer | null => {
    const key = logRowKey(number, index)
    const value = tables[table].get(key)
    if (value === undefined) return null
    const plain = sealer.open(table, key, NO_HEADER, bootId, value)
    if (plain !== null && plain.length % HASH_BYTES === 0 && plain.length <= TILE_BYTES)
      return plain
    refuse()
    return null
  }

  const factsOf = (number: number, bootId: Hex32): LogFacts | null => {
    const key = numberKey(number)
    const value = tables.logs.get(key)
    if (value === undefined) return null
    const time = value.subarray(0, TIME_BYTES)
    const plain = sealer.open('logs', key, time, bootId, value.subarray(TIME_BYTES))
    if (plain === null) refuse()
    return plain === null ? null : decodeFacts(plain)
  }

  /** Roots of the whole tiles, as far as they follow one another. */
  const rootsOf = (number: number, bootId: Hex32): Buffer => {
    const rows: Buffer[] = []
    for (;;) {
      const row = open('roots', number, bootId, rows.length)
      if (row !== null) rows.push(row)
      if (row === null || row.length < TILE_BYTES) return Buffer.concat(rows)
    }
  }

  const earlierLog = (number: number, bootId: Hex32): EarlierLog | null => {
    const facts = factsOf(number, bootId)
    if (facts === null) return null
    const { head, origin } = facts
    const tileRoots = rootsOf(number, bootId)
    const tile = (index: number) => open('tiles', number, bootId, index)
    const whole = tileRoots.length / HASH_BYTES
    const size = whole * TILE_LEAVES + (tile(whole)?.length ?? 0) / HASH_BYTES
    /** What was published stands, unless more leaves follow on it. */
    const closed = (): LogHead => {
      if (size <= head.size) return head
      const trimmed = tileRoots.subarray(0, Math.floor(head.size / TILE_LEAVES) * HASH_BYTES)
      if (rootOfKept(trimmed, head.size, tile) !== head.root) return head
      const root = rootOfKept(tileRoots, size, tile)
      return root === null ? head : { origin, root, size }
    }
    return { ...facts, closed: closed(), tileRoots, tile }
  }

  const predecessor = (): LeafKeeper['predecessor'] => {
    for (const [number, { bootId }] of [...boots.known()].reverse()) {
      const log = number === own ? null : earlierLog(number, bootId)
      if (log !== null) return { head: log.closed, generation: log.generation }
    }
    return null
  }

  /** Whole tiles that are not known to be on the disk. */
  const tiles = new Map<number, Buffer>()
  const rootRows = new Map<number, Buffer>()
  let filling: { index: number; leaves: Buffer; used: number } | null = null
  let roots = Buffer.alloc(0)
  let rootRow = 0
  const row = (table: 'roots' | 'tiles', index: number, plain: Uint8Array): Change => {
    const key = logRowKey(own, index)
    return { table: tables[table], key, value: sealer.seal(table, key, NO_HEADER, plain) }
  }

  return {
    leaves: {
      predecessor: predecessor(),
      grew(index, leaves, used) {
        filling = { index, leaves, used }
      },
      filled(index, leaves, root) {
        filling = null
        tiles.set(index, leaves)
        roots = Buffer.concat([roots, root])
        rootRows.set(rootRow, roots)
        if (roots.length < TILE_BYTES) return
        roots = Buffer.alloc(0)
        rootRow++
      },
      tile: (index) => tiles.get(index) ?? open('tiles', own, boots.bootId, index),
      publish(facts) {
        const key = numberKey(own)
        const time = Buffer.alloc(TIME_BYTES)
        time.writeUInt32BE(now())
        const sealed = sealer.seal('logs', key, time, encodeFacts(facts))
        return options.flushed([{ table: tables.logs, key, value: Buffer.concat([time, sealed]) }])
      },
      earlier(bootId) {
        for (const [number, boot] of boots.known()) {
          if (boot.bootId === bootId && number !== own) return earlierLog(number, bootId)
        }
        return null
      },
    },
    take() {
      const [takenTiles, takenRoots, partial] = [[...tiles], [...rootRows], filling]
      const changes = [
        ...takenTiles.map(([index, leaves]) => row('tiles', index, leaves)),
        ...takenRoots.map(([index, hashes]) => row('roots', index, hashes)),
        ...(partial === null
          ? []
          : [row('tiles', partial.index, partial.leaves.subarray(0, partial.used))]),
      ]
      return {
        changes,
        done() {
          for (const [index] of takenTiles) tiles.delete(index)
          for (const [index, hashes] of takenRoots) {
            // It may have grown meanwhile.
            if (rootRows.get(index) === hashes) rootRows.delete(index)
          }
          if (filling === partial) filling = null
        },
      }
    },
  }
}
