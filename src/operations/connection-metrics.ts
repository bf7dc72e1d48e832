/**
 * Connections of clients that were not taken.
 *
 * @module
 */
import { Counter } from 'prom-client'
import type { Registry } from 'prom-client'

/** Of whose connections there are too many. */
export const CONNECTION_REFUSALS = ['address', 'listener'] as const
export type ConnectionRefusal = (typeof CONNECTION_REFUSALS)[number]

/** @returns counts one; both kinds are there from the start, with 0 */
export function countRefusedConnections(registers: Registry[]): (why: ConnectionRefusal) => void {
  const counter = new Counter({
    name: 'countersign_connections_refused_total',
    help: 'Connections of clients that were not taken: their address has its share, or the listener is full.',
    labelNames: ['why'],
    registers,
  })
  for (const why of CONNECTION_REFUSALS) counter.inc({ why }, 0)
  return (why) => counter.inc({ why })
}
