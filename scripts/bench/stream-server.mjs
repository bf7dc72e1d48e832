// A model server for many streams, in a process of its own: bare sockets, one timer for all streams, no parsing beyond the
// request's length. `?chunks=N&ms=M` in the target asks for N events, one each M milliseconds; M = 0 as fast as they are
// taken. Without it the answer is a fixed 2 KB completion.
import { createServer } from 'node:net'
import { BODY, DONE_CHUNK, FIRST_CHUNK, STOP_CHUNK, TEXT_CHUNK } from './payload.mjs'

const framed = (bytes) =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
const [FIRST, TEXT, STOP, DONE] = [FIRST_CHUNK, TEXT_CHUNK, STOP_CHUNK, DONE_CHUNK].map(framed)
const END = Buffer.concat([STOP, DONE, Buffer.from('0\r\n\r\n')])
const HEAD = Buffer.from(
  'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n',
)
const BUFFERED = Buffer.concat([
  Buffer.from(
    `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n`,
  ),
  BODY,
])
/** Events written in one go where nobody paces them. */
const BURST = Buffer.concat(Array.from({ length: 64 }, () => TEXT))

const paced = new Set()
setInterval(() => {
  const now = performance.now()
  for (const stream of paced) {
    while (stream.due <= now && stream.left > 0) {
      stream.due += stream.ms
      stream.left--
      stream.socket.write(TEXT)
    }
    if (stream.left > 0) continue
    paced.delete(stream)
    stream.socket.write(END)
  }
}, 1)

function burst(socket, left) {
  while (left > 0) {
    left -= 64
    if (!socket.write(BURST)) {
      socket.once('drain', () => burst(socket, left))
      return
    }
  }
  socket.write(END)
}

function answer(socket, target) {
  const query = new URLSearchParams(target.split('?')[1] ?? '')
  const chunks = Number(query.get('chunks') ?? 0)
  if (chunks === 0) {
    socket.write(BUFFERED)
    return
  }
  socket.write(Buffer.concat([HEAD, FIRST]))
  const ms = Number(query.get('ms') ?? 0)
  if (ms === 0) burst(socket, chunks)
  else paced.add({ socket, ms, left: chunks, due: performance.now() + ms })
}

const server = createServer({ noDelay: true }, (socket) => {
  let head = null
  let target = ''
  let missing = 0
  let text = ''
  socket.on('error', () => socket.destroy())
  socket.on('data', (bytes) => {
    if (head === null) {
      text += bytes.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      if (end === -1) return
      head = text.slice(0, end)
      target = head.split(' ')[1]
      missing = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0) - (text.length - end - 4)
      text = ''
    } else {
      missing -= bytes.length
    }
    if (missing > 0) return
    head = null
    answer(socket, target)
  })
})
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
