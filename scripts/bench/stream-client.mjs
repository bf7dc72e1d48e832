// Many streams from bare sockets, so that the load generator takes as little as it can of the cores that it shares with
// what is measured. Gaps between arrivals go into a histogram.
import { connect } from 'node:net'
import { createHistogram } from 'node:perf_hooks'

const EVENT = Buffer.from('data: ')
const END = Buffer.from('0\r\n\r\n')

function events(bytes) {
  let count = 0
  for (let at = bytes.indexOf(EVENT); at !== -1; at = bytes.indexOf(EVENT, at + 6)) count++
  return count
}

/**
 * @param request {body, token, chunks, ms}
 * @returns {first, gaps, events}: milliseconds to the first byte of each stream, a histogram of gaps in microseconds
 */
export async function openStreams(port, count, request) {
  const { body, token, chunks, ms } = request
  const head =
    `POST /v1/chat/completions?chunks=${chunks}&ms=${ms} HTTP/1.1\r\nHost: bench\r\n` +
    `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  const message = Buffer.concat([Buffer.from(head), body])
  const gaps = createHistogram()
  const first = []
  let seen = 0
  const one = (index) =>
    new Promise((resolve, reject) => {
      let started = 0
      let last = 0
      const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => {
        // Spread over one interval, as real streams are.
        setTimeout(
          () => {
            started = performance.now()
            socket.write(message)
          },
          (index / count) * ms,
        )
      })
      socket.on('error', reject)
      socket.on('close', () => reject(new Error('the stream was cut')))
      socket.on('data', (bytes) => {
        const now = performance.now()
        if (last === 0) {
          if (!bytes.subarray(0, 12).equals(Buffer.from('HTTP/1.1 200')))
            reject(new Error(bytes.toString('latin1', 0, 200)))
          first.push(now - started)
        } else if (ms > 0) gaps.record(Math.max(1, Math.round((now - last) * 1000)))
        last = now
        seen += ms > 0 ? 1 : events(bytes)
        if (bytes.subarray(-END.length).equals(END)) {
          resolve()
          socket.end()
        }
      })
    })
  const began = performance.now()
  await Promise.all(Array.from({ length: count }, (_, index) => one(index)))
  return { first, gaps, events: seen, seconds: (performance.now() - began) / 1000 }
}
