/**
 * Two sidecars, each a process, on one guest agent and so under one address, with a Redis server over TLS behind a password: what one
 * answers is fetched and verified at the other.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { startDemoModel } from '../../src/demo/model/start-demo-model.ts'
import { verify } from '../../src/cli/verify.ts'
import { openSimulation } from '../../src/service/open-simulation.ts'
import { chatBody, jsonObject } from '../harness/chat.ts'
import { buildServe } from '../harness/serve-process.ts'
import { MODEL, TOKENS } from '../harness/service.ts'
import { freePort, startSidecar } from '../harness/sidecar-process.ts'
import type { Transpiled } from '../harness/transpile.ts'
import { OPENSSL, certify, tlsArguments } from '../store/redis-tls.helpers.ts'
import { SERVER, startRedis } from '../store/redis.helpers.ts'
import { newFolder } from '../store/store.helpers.ts'

const PASSWORD = 'a-password-of-no-use-elsewhere'
const SERVING = 'attested to itself; serving'

describe.skipIf(SERVER === null || !OPENSSL)('replicas of one app', () => {
  let built: Transpiled
  beforeAll(async () => {
    built = await buildServe()
  }, 180_000)
  afterAll(() => built.remove())

  async function stage() {
    const simulation = await openSimulation({
      composeText: '{"name":"replicas"}',
      gpus: 1,
      addressKey: 'derived',
    })
    onTestFinished(() => simulation.close())
    const model = await startDemoModel({ models: [MODEL] })
    onTestFinished(() => model.close())
    const certificates = certify('DNS:localhost')
    const port = await freePort()
    const redis = await startRedis({ arguments: tlsArguments(certificates, port) })
    redis.cli('ACL', 'SETUSER', 'replica', 'on', `>${PASSWORD}`, 'resetkeys', '~countersign:1:*')
    redis.cli('ACL', 'SETUSER', 'replica', '-@all', '+get', '+set', '+exists', '+auth')
    const start = async (password: string, store = newFolder()) => {
      const sidecar = await startSidecar(built, {
        socketPath: simulation.socketPath,
        addressKey: 'derived',
        folder: newFolder(),
        upstream: model.url,
        store,
        shared: {
          url: `rediss://replica@localhost:${port}`,
          ca: join(certificates, 'ca.pem'),
        },
        environment: { COUNTERSIGN_SHARED_STORE_PASSWORD: password },
      })
      onTestFinished(() => sidecar.end('SIGKILL'))
      return sidecar
    }
    return { simulation, redis, start }
  }

  test('have one address; a receipt made at one verifies at the other, and no password is told', async () => {
    const { simulation, redis, start } = await stage()
    const [a, b] = [await start(PASSWORD), await start(PASSWORD)]
    await Promise.all([a.logged(SERVING), b.logged(SERVING)])
    expect(a.address()).toBe(b.address())

    const authorization = `Bearer ${TOKENS.alice}`
    const body = chatBody('which of the two')
    const answer = await fetch(`${a.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body,
    })
    const text = await answer.text()
    const id = answer.headers.get('x-receipt-id') ?? ''
    const fetched = await fetch(`${b.url}/v1/attestation/receipts/${id}`, {
      headers: { authorization },
    })
    expect(fetched.status).toBe(200)

    const folder = newFolder()
    const file = (name: string, content: string) => {
      writeFileSync(join(folder, name), content)
      return join(folder, name)
    }
    let out = ''
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
      out += String(part)
      return true
    })
    onTestFinished(() => stdout.mockRestore())
    const code = await verify(b.url, {
      allowSimulated: true,
      roots: file('roots.json', JSON.stringify(simulation.roots)),
      receipt: file('receipt.json', await fetched.text()),
      request: file('request.json', body),
      response: file('response.json', text),
      json: true,
    })
    stdout.mockRestore()
    const report = jsonObject(out)
    expect([code, report['verdict'], report['receipt']]).toMatchObject([
      0,
      'accepted-as-of',
      { accepted: true, level: 'bytes' },
    ])

    const document = await (await fetch(`${a.url}/attestation`)).text()
    expect(jsonObject(document)['config']).toMatchObject({
      store: { shared: { allow_plaintext: false, password_file: null } },
    })
    // The server has it only as its own list of users.
    const told = [a.log(), b.log(), document, ...redis.keys()]
    for (const one of told) expect(one).not.toContain(PASSWORD)
  })

  test('one is killed under load: every answer that was received whole has its one receipt, at the other and at the next boot', async () => {
    const { start } = await stage()
    const folder = newFolder()
    const [a, b] = [await start(PASSWORD, folder), await start(PASSWORD)]
    await Promise.all([a.logged(SERVING), b.logged(SERVING)])
    const headers = {
      authorization: `Bearer ${TOKENS.alice}`,
      'content-type': 'application/json',
    }
    const whole: string[] = []
    let going = true
    const ask = async (): Promise<void> => {
      while (going) {
        try {
          const body = chatBody('x', { stream: true })
          const url = `${a.url}/v1/chat/completions`
          const answer = await fetch(url, { method: 'POST', headers, body })
          const text = await answer.text()
          const id = answer.headers.get('x-receipt-id')
          if (text.includes('[DONE]') && id !== null) whole.push(id)
        } catch {
          return
        }
      }
    }
    const asking = Array.from({ length: 8 }, ask)
    while (whole.length < 40) await new Promise((resolve) => setTimeout(resolve, 5))
    await a.end('SIGKILL')
    going = false
    await Promise.all(asking)
    const again = await start(PASSWORD, folder)
    await again.logged(SERVING)
    for (const id of whole) {
      const texts = await Promise.all(
        [again, b].map(async ({ url }) => {
          const found = await fetch(`${url}/v1/aci/receipts/${id}`, { headers })
          return `${found.status} ${await found.text()}`
        }),
      )
      expect(texts[0]).toMatch(/^200 /)
      expect(texts[1]).toBe(texts[0])
    }
  })

  test('one that is given a wrong password does not serve, says why, and tells nobody what it tried', async () => {
    const { start } = await stage()
    const wrong = await start('another-password-of-no-use')
    await wrong.logged('"cause":"shared_store_refused"')
    const { status, body } = await wrong.get('/health/ready')
    expect([status, jsonObject(body)]).toMatchObject([
      503,
      { store: { ready: false, cause: 'shared_store_refused' } },
    ])
    expect(wrong.log()).not.toContain('another-password')
  })
})
