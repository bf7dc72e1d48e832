/** Servers that answer every connection in a way that no client library waits for. */
import { createServer } from 'node:net'
import type { Socket } from 'node:net'

export const SWITCHED = 'HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'

/** Unix sockets know no reset; there a close with bytes unread is one. */
function reset(socket: Socket): void {
  if (socket.remoteFamily === undefined) socket.destroy()
  else socket.resetAndDestroy()
}

/** What is written to a connection after its first bytes, by the name of the attack. */
export const HOSTILE_ANSWERS: Readonly<Record<string, (socket: Socket) => void>> = {
  'a switched protocol': (socket) => socket.end(SWITCHED),
  'a switched protocol, the connection left open': (socket) => socket.write(SWITCHED),
  'a switched protocol that nobody named': (socket) => socket.end('HTTP/1.1 101 x\r\n\r\n'),
  'interim answers without end': (socket) => {
    const more = () => {
      if (!socket.destroyed)
        socket.write('HTTP/1.1 103 x\r\n\r\n'.repeat(64), () => setImmediate(more))
    }
    more()
  },
  'an interim answer and the end': (socket) => socket.end('HTTP/1.1 103 x\r\n\r\n'),
  'the end': (socket) => socket.end(),
  'a reset': reset,
  'half of a head': (socket) => socket.end('HTTP/1.1 200 x\r\nContent-'),
  'one byte of a hundred': (socket) => socket.end('HTTP/1.1 413 x\r\nContent-Length: 100\r\n\r\nx'),
  'one byte of a hundred and a reset': (socket) =>
    socket.write('HTTP/1.1 413 x\r\nContent-Length: 100\r\n\r\nx', () => {
      setTimeout(() => reset(socket), 20)
    }),
  'half of a chunk': (socket) =>
    socket.end('HTTP/1.1 413 x\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nx'),
  'a body without end': (socket) => {
    socket.write('HTTP/1.1 413 x\r\nTransfer-Encoding: chunked\r\n\r\n')
    const more = () => {
      if (!socket.destroyed) {
        socket.write(`1000\r\n${'x'.repeat(0x1000)}\r\n`, () => setImmediate(more))
      }
    }
    more()
  },
  'no HTTP': (socket) => socket.end('SSH-2.0-x\r\n'),
}

export interface HostileServer {
  readonly port: number
  close(): Promise<void>
}

/** @param at path of a unix socket; absent: a port of the loopback @param act once for each connection that sent something */
export async function startHostile(
  act: (socket: Socket, first: Buffer) => void,
  at?: string,
): Promise<HostileServer> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('data', (first: Buffer) => act(socket, first))
  })
  await new Promise<void>((resolve) => {
    if (at === undefined) server.listen(0, '127.0.0.1', resolve)
    else server.listen(at, resolve)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
