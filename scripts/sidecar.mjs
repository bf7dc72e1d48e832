// The built sidecar as users start it, in a process of its own, for scripts that wait, abort and soak.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const TOKEN = 'script-token-0123456789'
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// Resolves when the sidecar serves: { url, operations, pid, sockets(), rssMb(), anonymousMb(), cpuSeconds(), stop() }.
export async function startSidecar(config) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-script-'))
  const file = join(folder, 'config.json')
  writeFileSync(file, JSON.stringify({ listen: { port: 0 }, gpu: { required: 0 }, ...config }))
  const main = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url))
  const child = spawn(process.execPath, [main, 'serve', '--simulate', '--config', file], {
    env: { ...process.env, COUNTERSIGN_TOKENS: `script:${TOKEN}` },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const { url, operations } = await new Promise((resolve, reject) => {
    let seen = ''
    child.once('exit', () => reject(new Error('the sidecar ended; is it built?')))
    child.stdout.on('data', (chunk) => {
      seen = (seen + chunk).slice(-8192)
      const line = seen.split('\n').find((text) => /"url":"http/.test(text))
      if (line !== undefined && line.endsWith('}')) resolve(JSON.parse(line))
    })
  })
  while (!(await fetch(`${url}/health/ready`)).ok) await sleep(100)
  const status = (name) =>
    Number(
      new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${child.pid}/status`))[1],
    )
  return {
    url,
    operations,
    pid: child.pid,
    sockets: () => readdirSync(`/proc/${child.pid}/fd`).length,
    rssMb: () => Math.round(status('VmRSS') / 1024),
    // Without the pages of files that are mapped: the store's are the kernel's to drop.
    anonymousMb: () => Math.round(status('RssAnon') / 1024),
    // User and system time so far; Linux counts it in hundredths of a second.
    cpuSeconds: () => {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ')
      return (Number(fields[11]) + Number(fields[12])) / 100
    },
    stop: async () => {
      child.kill('SIGTERM')
      const code = await exited
      rmSync(folder, { recursive: true })
      return code
    },
  }
}

// One chat request, read to its end unless the client leaves: at once with half of its body sent ('upload'), after so many
// milliseconds, or when what it has received says so. Either way by closing or by resetting its connection.
export function ask(
  url,
  body,
  { agent = false, leave = null, reset = false, bytesPerSecond = null } = {},
) {
  const text = JSON.stringify(body)
  return new Promise((resolve) => {
    const began = performance.now()
    const chunks = []
    let status = null
    let id
    let timer = null
    const done = (whole) => {
      clearTimeout(timer)
      const ms = performance.now() - began
      resolve({ status, id, whole, body: Buffer.concat(chunks), ms, reused: req.reusedSocket })
    }
    const req = request(`${url}/v1/chat/completions`, {
      method: 'POST',
      agent,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-length': Buffer.byteLength(text) },
    })
    const go = () => {
      if (reset) req.socket?.resetAndDestroy()
      req.destroy()
    }
    req.on('error', () => done(false))
    req.on('response', (res) => {
      status = res.statusCode
      id = res.headers['x-receipt-id']
      res.on('error', () => {})
      res.on('close', () => done(res.complete))
      if (bytesPerSecond === null) {
        res.on('data', (chunk) => {
          chunks.push(chunk)
          if (typeof leave === 'function' && leave(Buffer.concat(chunks))) go()
        })
        return
      }
      const drip = setInterval(() => {
        const chunk = res.read(Math.min(bytesPerSecond / 10, res.readableLength) || undefined)
        if (chunk !== null) chunks.push(chunk)
      }, 100)
      res.on('close', () => clearInterval(drip))
    })
    if (leave === 'upload') {
      req.write(text.slice(0, text.length / 2), go)
      return
    }
    req.end(text)
    if (typeof leave === 'number') timer = setTimeout(go, leave)
  })
}
