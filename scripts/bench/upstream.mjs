// The model server of the benchmark, in a process of its own: a fixed 2 KB completion and a paced stream.
import { startDemoModel } from '../../dist/src/demo/model/start-demo-model.js'
import { BODY, STREAM_CHUNKS, STREAM_INTERVAL_MS } from './payload.mjs'

const buffered = await startDemoModel({ fixedBody: BODY })
const streamed = await startDemoModel({
  fixedStream: { chunks: STREAM_CHUNKS, intervalMs: STREAM_INTERVAL_MS },
})
process.send({ buffered: buffered.url, streamed: streamed.url })
