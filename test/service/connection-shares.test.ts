/** One address that opens as many connections as it can, and clients of other addresses beside it. */
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { EventEmitter } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { DEFAULT_LIMITS } from '../../src/limits.ts'
import { createConnectionShares, REFUSED_PER_ADDRESS } from '../../src/service/share-connections.ts'
import { chat, chatBody, openRaw } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import { startTlsService } from '../tls/tls.helpers.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

const GET = Buffer.from('GET /version HTTP/1.1\r\nHost: x\r\n\r\n')

async function start(connectionsPerAddress: number) {
  const at = await startTestService({ limits: { connectionsPerAddress }, operations: true })
  closers.push(() => at.close())
  return at
}

async function hold(port: number, ...bytes: readonly Buffer[]) {
  const raw = await openRaw(port, ...bytes)
  closers.push(() => raw.socket.destroy())
  return raw
}

/** Status of `GET /version` from another address of this machine. */
function fromElsewhere(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(
      { host: '127.0.0.1', port, path: '/version', localAddress: '127.0.0.2', agent: false },
      (res) => {
        res.resume()
        resolve(res.statusCode)
      },
    )
      .on('error', reject)
      .end()
  })
}

describe('an address that has its share of the connections', () => {
  test('is told so by name, and others are served beside it', async () => {
    const at = await start(2)
    const [first] = [await hold(at.port, GET), await hold(at.port, GET)]
    await first.until('200 OK')
    const third = await hold(at.port, GET)
    await third.closed
    expect(third.received()).toMatch(/^HTTP\/1\.1 429 /)
    expect(third.received()).toMatch(/^Retry-After: 1\r$/im)
    expect(third.received()).toMatch(/^Connection: close\r$/im)
    expect(third.received()).toContain('"code":"too_many_connections"')
    expect(await fromElsewhere(at.port)).toBe(200)

    first.socket.destroy()
    await expect
      .poll(async () => {
        const again = await hold(at.port, GET)
        await Promise.race([again.until('200 OK'), again.closed])
        again.socket.destroy()
        return again.received()
      })
      .toContain('200 OK')
  })

  test('no request beyond it is admitted: nothing reaches the model', async () => {
    const at = await start(1)
    await (await hold(at.port, GET)).until('200 OK')
    const { status } = await chat(at, chatBody('x'))
    expect(status).toBe(429)
    expect(at.model.requests).toEqual([])
  })

  test('cannot hold many more by saying nothing on them, and these not for long', async () => {
    const at = await start(1)
    const silent = await Promise.all(Array.from({ length: 40 }, () => hold(at.port)))
    const open = () => silent.filter(({ socket }) => !socket.destroyed).length
    await expect.poll(open).toBe(1 + REFUSED_PER_ADDRESS)
    expect(await fromElsewhere(at.port)).toBe(200)
    await expect.poll(open, { timeout: 10_000 }).toBe(1)
  })

  test('is counted, with the listener that is full beside it', async () => {
    const at = await startTestService({
      limits: { connectionsPerAddress: 1, clientConnections: 2 },
      operations: true,
    })
    closers.push(() => at.close())
    await (await hold(at.port, GET)).until('200 OK')
    const beyond = await hold(at.port)
    await (
      await hold(at.port)
    ).closed
    const text = await (await fetch(`${at.service.operations?.url ?? ''}/metrics`)).text()
    expect(text).toContain('countersign_connections_refused_total{why="address"} 1')
    expect(text).toContain('countersign_connections_refused_total{why="listener"} 1')
    beyond.socket.destroy()
  })

  test('with TLS is closed before any handshake', async () => {
    const at = await startTlsService({ limits: { connectionsPerAddress: 1 } })
    closers.push(() => at.close())
    const first = connectTls({ port: at.securePort, host: '127.0.0.1', rejectUnauthorized: false })
    closers.push(() => first.destroy())
    await once(first, 'secureConnect')
    const second = connect(at.securePort, '127.0.0.1')
    closers.push(() => second.destroy())
    second.on('error', () => {})
    let received = 0
    second.on('data', (chunk) => (received += chunk.length))
    await once(second, 'close')
    expect(received).toBe(0)
    expect(first.destroyed).toBe(false)
  })
})

test('by default there is no share, and what is in force is attested', async () => {
  expect(DEFAULT_LIMITS.connectionsPerAddress).toBe(DEFAULT_LIMITS.clientConnections)
  const { limits } = (await start(7)).service.config
  expect(isJsonObject(limits) && limits['connectionsPerAddress']).toBe(7)
})

/** As far as a share looks at a socket. */
function socketFrom(remoteAddress: string | undefined) {
  const socket = new EventEmitter()
  return Object.assign(socket, {
    remoteAddress,
    destroy: () => socket.emit('close'),
  }) as unknown as Socket
}

test('an address is one of IPv4 in either spelling, and a /64 of IPv6', () => {
  const shares = createConnectionShares(1, false)
  const admit = (address: string | undefined) => shares.admit(socketFrom(address))
  expect(admit('192.0.2.1')).toBe(true)
  expect(admit('::ffff:192.0.2.1')).toBe(false)
  expect(admit('192.0.2.2')).toBe(true)
  expect(admit('2001:db8:0:1::1')).toBe(true)
  expect(admit('2001:db8:0:1:ffff::9')).toBe(false)
  expect(admit('2001:db8:0:2::1')).toBe(true)
  expect([admit(undefined), admit(undefined)]).toEqual([true, true])
})

test('what left makes room, and a connection that was refused takes none when it leaves', () => {
  const shares = createConnectionShares(1, true)
  const first = socketFrom('192.0.2.1')
  expect(shares.admit(first)).toBe(true)
  const refused = Array.from({ length: REFUSED_PER_ADDRESS + 3 }, () => socketFrom('192.0.2.1'))
  expect(refused.map((socket) => shares.admit(socket))).not.toContain(true)
  expect(refused.filter((socket) => shares.isRefused(socket))).toHaveLength(REFUSED_PER_ADDRESS)
  for (const socket of refused) socket.destroy()
  expect(shares.admit(socketFrom('192.0.2.1'))).toBe(false)
  first.destroy()
  expect(shares.admit(socketFrom('192.0.2.1'))).toBe(true)
})
