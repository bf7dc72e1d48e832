/**
 * Lets go of a client that takes nothing of what waits for it. Each such connection holds a file and its answer in memory, and
 * needs no credential: enough of them would leave none for honest clients, nor for the sockets to the guest agent.
 *
 * @module
 */
import type { Socket } from 'node:net'

/** Looks at a connection within the time that it may stand still: it is cut after 1 to 1 + 1 / LOOKS of it. */
const LOOKS = 2

/**
 * What the client sends does not count, so that nobody keeps a stalled connection by dribbling a next request.
 *
 * @param stallMs milliseconds in which no waiting write was taken whole
 */
export function cutStalled(socket: Socket, stallMs: number): void {
  let before = -1
  let still = 0
  const timer = setInterval(() => {
    const waiting = socket.writableLength
    const taken = socket.bytesWritten - waiting
    still = waiting > 0 && taken === before ? still + 1 : 0
    before = waiting > 0 ? taken : -1
    if (still >= LOOKS) socket.destroy()
  }, stallMs / LOOKS)
  timer.unref()
  socket.once('close', () => clearInterval(timer))
}
