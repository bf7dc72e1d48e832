// Reads streams in a process of its own, so that the gaps are those of the service and not of who asks beside it. Asked with the
// port, answers with the gaps.
import { STREAM_REQUEST } from './payload.mjs'
import { openStreams } from './stream-client.mjs'

const [count, token, chunks, ms] = process.argv.slice(2)

process.on('message', (port) => {
  const request = { body: STREAM_REQUEST, token, chunks: Number(chunks), ms: Number(ms) }
  openStreams(port, Number(count), request).then(({ gaps }) => {
    process.send({ p99: gaps.percentile(99) / 1000, longest: gaps.max / 1000 })
  })
})
