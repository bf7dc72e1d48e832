// The model server of the benchmark's completions, in a process of its own: a fixed answer of 2 KB.
import { startDemoModel } from '../../dist/src/demo/model/start-demo-model.js'
import { BODY } from './payload.mjs'

const { url } = await startDemoModel({ fixedBody: BODY })
process.send({ buffered: url })
