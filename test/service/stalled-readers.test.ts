/** Clients without a credential that ask for something long and read nothing of it, as many as they like. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { capConnections, readMaxOpenFiles } from '../../src/service/cap-connections.ts'
import { get, openRaw } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { startTlsService } from '../tls/tls.helpers.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

/** Node cannot make its receive buffer small before it connects; without that the kernel would take the whole answer. */
const READERS = `
import select, socket, ssl, sys, time
port, count, secure, dribble = (int(arg) for arg in sys.argv[1:])
context = ssl._create_unverified_context()
open_sockets = []
for _ in range(count):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    s.connect(('127.0.0.1', port))
    if secure:
        s = context.wrap_socket(s)
    s.sendall(b'GET /openapi.json HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
    open_sockets.append(s)
print('open', flush=True)
while True:
    time.sleep(0.05)
    for s in open_sockets if dribble else []:
        try:
            s.send(b'G')
        except OSError:
            pass
`

async function stalledReaders(
  port: number,
  { count = 20, secure = false, dribble = false } = {},
): Promise<void> {
  const args = [port, count, Number(secure), Number(dribble)].map(String)
  const child = spawn('python3', ['-c', READERS, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  closers.push(() => child.kill('SIGKILL'))
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    child.once('error', reject)
    child.once('exit', () => reject(new Error('the readers ended')))
  })
}

/** Connections at a port that a process still holds: one that it let go of has inode 0 (proc_net_tcp). */
function heldAt(port: number): number {
  const place = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(place) === true && state !== '0A')
    .filter((columns) => columns[9] !== '0').length
}

async function start(options: Parameters<typeof startTestService>[0]): Promise<TestService> {
  const at = await startTestService(options)
  closers.push(() => at.close())
  return at
}

describe('anonymous readers that stand still in the longest public answer', () => {
  test('are all cut when their time is over, and are held until then', async () => {
    const at = await start({ limits: { clientStallMs: 1_000 } })
    await stalledReaders(at.port)
    await expect.poll(() => heldAt(at.port)).toBe(20)
    await expect.poll(() => heldAt(at.port), { timeout: 4_000 }).toBe(0)
    expect((await get(at, '/openapi.json')).status).toBe(200)
  })

  test('are cut also while they dribble a next request', async () => {
    const at = await start({ limits: { clientStallMs: 1_000 } })
    await stalledReaders(at.port, { dribble: true })
    await expect.poll(() => heldAt(at.port)).toBe(20)
    await expect.poll(() => heldAt(at.port), { timeout: 4_000 }).toBe(0)
  })

  test('are cut at the TLS listener too', async () => {
    const at = await startTlsService({ limits: { clientStallMs: 1_000 } })
    closers.push(() => at.close())
    await stalledReaders(at.securePort, { secure: true })
    await expect.poll(() => heldAt(at.securePort)).toBe(20)
    await expect.poll(() => heldAt(at.securePort), { timeout: 4_000 }).toBe(0)
  })
})

test.each(['CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 'no HTTP\r\n\r\n'])(
  'a client that never closes after the refusal of %j is not waited for',
  async (bytes) => {
    const at = await start({})
    const raw = await openRaw(at.port)
    raw.socket.allowHalfOpen = true
    raw.socket.write(bytes)
    await raw.until('"error"')
    await expect.poll(() => heldAt(at.port), { timeout: 4_000 }).toBe(0)
    raw.socket.destroy()
  },
)

describe('connections of clients', () => {
  test('beyond their number are closed as they come, and there is room again when one has left', async () => {
    const at = await start({ limits: { clientConnections: 2 } })
    const [first] = await Promise.all([openRaw(at.port), openRaw(at.port)])
    const third = await openRaw(at.port)
    await third.closed
    first.socket.destroy()
    await expect.poll(() => heldAt(at.port)).toBe(1)
    expect((await get(at, '/version')).status).toBe(200)
  })

  test('never take more than half of the files that may be open', () => {
    expect(capConnections(8_192, 1, 600)).toBe(300)
    expect(capConnections(8_192, 2, 600)).toBe(150)
    expect(capConnections(8_192, 2, 1_048_576)).toBe(8_192)
    expect(capConnections(8_192, 2, 1)).toBe(1)
    expect(capConnections(8_192, 2, null)).toBe(8_192)
    const limits = readFileSync('/proc/self/limits', 'utf8')
    const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1]
    expect(readMaxOpenFiles()).toBe(soft === 'unlimited' ? null : Number(soft))
  })
})
