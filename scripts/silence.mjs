// node scripts/silence.mjs [seconds]: waits for real, outside the test suite (which does it on a fake clock). The built
// sidecar, as users start it, in front of a model server that is silent for so long: before its headers, between headers
// and body, in mid-stream; beside them a client connection that idles as long. 5 minutes are the default of Node and
// undici for all of these, so the default here is beyond it, and beyond what Node grants a whole request (6 minutes).
import { Agent, createServer } from 'node:http'
import { TOKEN, ask as askChat, sleep as sleepMs, startSidecar } from './sidecar.mjs'

const SECONDS = Number(process.argv[2] ?? 400)
const EVENT =
  'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
const END =
  'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
const WHOLE = JSON.stringify({
  id: 'c',
  choices: [{ index: 0, message: { role: 'assistant', content: 'a' }, finish_reason: 'stop' }],
})

const sleep = (seconds) => sleepMs(seconds * 1000)

const model = createServer((req, res) => {
  let body = ''
  req.on('data', (chunk) => (body += chunk))
  req.on('end', async () => {
    if (req.url === '/health') return res.end()
    const { messages } = JSON.parse(body)
    const silence = messages[0].content
    const stream = silence.includes('stream')
    if (silence.includes('before')) await sleep(SECONDS)
    res.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' })
    res.flushHeaders()
    if (silence.includes('after headers')) await sleep(SECONDS)
    if (!stream) return res.end(WHOLE)
    res.write(EVENT)
    if (silence.includes('middle')) await sleep(SECONDS)
    res.end(END)
  })
})
model.timeout = 0
await new Promise((resolve) => model.listen(0, '127.0.0.1', resolve))

const upstream = `http://127.0.0.1:${model.address().port}`
const sidecar = await startSidecar({ upstreams: [{ name: 'silent', url: upstream }] })
const { url } = sidecar

const agent = new Agent({ keepAlive: true, timeout: 0, maxSockets: 1 })
const ask = (content, using) =>
  askChat(
    url,
    { messages: [{ role: 'user', content }], stream: content.includes('stream') },
    { agent: using ?? false },
  )

async function outcomeOf(id) {
  const answer = await fetch(`${url}/v1/signature/${id}`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  })
  return (await answer.json()).outcome
}

let failed = 0
async function report(name, asked, wanted) {
  const before = Date.now()
  const reply = await asked
  const outcome = reply.id === undefined ? null : await outcomeOf(reply.id)
  const ok =
    reply.status === 200 &&
    reply.whole &&
    outcome === 'complete' &&
    reply.body.toString() === wanted
  if (!ok) failed++
  const seconds = Math.round((Date.now() - before) / 1000)
  console.log(JSON.stringify({ name, ok, seconds, status: reply.status, outcome }))
}

const idle = async () => {
  await ask('x', agent)
  // Less than the 95 s that the service keeps an idle connection of a client.
  await sleep(Math.min(SECONDS, 90))
  const reply = await ask('x', agent)
  return reply.reused ? reply : { ...reply, status: 'a new connection' }
}
await Promise.all([
  report('silent before the headers of a buffered answer', ask('before'), WHOLE),
  report('silent before the headers of a stream', ask('stream before'), EVENT + END),
  report('silent between headers and body', ask('after headers'), WHOLE),
  report('silent in the middle of a stream', ask('stream middle'), EVENT + END),
  report('an idle client connection', idle(), WHOLE),
])
agent.destroy()
await sidecar.stop()
model.closeAllConnections()
model.close()
process.exitCode = failed === 0 ? 0 : 1
