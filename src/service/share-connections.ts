/**
 * A share of a listener's connections for each client address, so that one cannot take all of them.
 *
 * A few connections beyond the share are kept for a moment, to be told why by an answer to their request; all others are closed as
 * they come, and those of TLS before their handshake, which would cost more than the connection does.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { clientNetwork } from '../relay/client-network.ts'
import { LINGER_MS } from '../relay/reply.ts'

/** Connections of one address that are told why, at once. */
export const REFUSED_PER_ADDRESS = 8
/** Milliseconds that such a connection has for its request. */
export const REFUSAL_MS = LINGER_MS

export interface ConnectionShares {
  /** @returns false where the connection is beyond the share of its address: it is closed, now or soon */
  admit(socket: Socket): boolean
  /** Whether a request on this connection is to be refused. */
  isRefused(socket: Socket): boolean
}

interface Held {
  within: number
  refused: number
}

/**
 * @param perAddress connections of one address, of IPv6 of one /64
 * @param answers whether a request can be read and answered on the connections; false: they are closed at once
 */
export function createConnectionShares(perAddress: number, answers: boolean): ConnectionShares {
  const held = new Map<string, Held>()
  const refused = new WeakSet<Socket>()

  const keep = (network: string, of: Held, kind: keyof Held, socket: Socket): void => {
    of[kind]++
    held.set(network, of)
    socket.once('close', () => {
      of[kind]--
      if (of.within === 0 && of.refused === 0) held.delete(network)
    })
  }

  return {
    admit(socket) {
      // Without an address it is closed already.
      const { remoteAddress } = socket
      if (remoteAddress === undefined) return true
      const network = clientNetwork(remoteAddress)
      const of = held.get(network) ?? { within: 0, refused: 0 }
      if (of.within < perAddress) {
        keep(network, of, 'within', socket)
        return true
      }
      if (!answers || of.refused >= REFUSED_PER_ADDRESS) {
        socket.destroy()
        return false
      }
      keep(network, of, 'refused', socket)
      refused.add(socket)
      const timer = setTimeout(() => socket.destroy(), REFUSAL_MS)
      timer.unref()
      socket.once('close', () => clearTimeout(timer))
      return false
    },
    isRefused: (socket) => refused.has(socket),
  }
}
