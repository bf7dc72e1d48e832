/**
 * A socket from which only guarded bytes are read: the stream that the client library is given.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { ReplyGuard } from './reply-guard.ts'

/** @param refused called once where the guard refused; the socket is destroyed then */
export function guardedSocket(socket: Socket, guard: ReplyGuard, refused: () => void): Duplex {
  const stream = new Duplex({
    read: () => void socket.resume(),
    write: (chunk: Uint8Array, _encoding, done) => void socket.write(chunk, done),
    final: (done) => void socket.end(done),
    destroy(error, done) {
      socket.destroy()
      done(error)
    },
  })
  socket.on('data', (chunk: Buffer) => {
    if (stream.destroyed) return
    if (!guard.admits(chunk)) {
      refused()
      stream.destroy()
    } else if (!stream.push(chunk)) socket.pause()
  })
  socket.once('end', () => stream.destroy())
  socket.on('error', () => stream.destroy())
  socket.once('close', () => stream.destroy())
  return stream
}
