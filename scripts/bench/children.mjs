// Processes of a benchmark: started by script, asked by message, ended together.
import { execFileSync, fork, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const children = []
const folders = []

export function start(script, ...args) {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), args, {
    stdio: 'inherit',
    execArgv: ['--expose-gc'],
  })
  children.push(child)
  return child
}

/** @throws where the child ends first: nothing would ever come of it */
export const message = (child) =>
  new Promise((resolve, reject) => {
    const ended = (code, signal) => reject(new Error(`a process ended with ${code ?? signal}`))
    if (child.exitCode !== null || child.signalCode !== null) {
      ended(child.exitCode, child.signalCode)
      return
    }
    child.once('exit', ended)
    child.once('message', (value) => {
      child.off('exit', ended)
      resolve(value)
    })
  })

export function ask(child, question) {
  const answer = message(child)
  child.send(question)
  return answer
}

export function endAll() {
  for (const child of children) child.kill()
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
}

/** nginx as a plain proxy, for comparison. @returns its port; null where it is not installed */
export async function startNginx(upstreamPort, port) {
  try {
    execFileSync('nginx', ['-v'], { stdio: ['ignore', 'pipe', 'pipe'] })
  } catch {
    return null
  }
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'))
  folders.push(folder)
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off; client_max_body_size 64m; client_body_buffer_size 16m; client_body_temp_path ${folder};
  proxy_temp_path ${folder}; fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  keepalive_requests 1000000;
  upstream model { server 127.0.0.1:${upstreamPort}; keepalive 2048; keepalive_requests 1000000; }
  server { listen 127.0.0.1:${port}; location / {
    proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
  } }
}`,
  )
  children.push(spawn('nginx', ['-c', file], { stdio: ['ignore', 'inherit', 'inherit'] }))
  for (let tries = 0; tries < 100; tries++) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.end(() => resolve(true)))
      socket.on('error', () => resolve(false))
    })
    if (open) return port
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return null
}
