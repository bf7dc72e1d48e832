/** Where the service listens, as the configuration and the flags say it. */
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/cli/serve.ts'
import { parseConfig } from '../../src/config/config.ts'

const UPSTREAMS = [{ name: 'a', url: 'unix:/run/vllm.sock' }]
const read = (members: object) => {
  const parsed = parseConfig({ upstreams: UPSTREAMS, ...members })
  return parsed.ok ? { listen: parsed.config.listen, tls: parsed.config.tls } : parsed.problems
}
const TLS = { host: '127.0.0.1', port: 8443, key: 'boot', names: [], certificate_file: null }

describe('the configuration', () => {
  test('serves plain HTTP to this machine alone where nothing is said', () => {
    expect(read({})).toEqual({ listen: { host: '127.0.0.1', port: 8080 }, tls: null })
  })

  test('with TLS serves no plain HTTP unless it says so', () => {
    expect(read({ tls: {} })).toEqual({ listen: null, tls: TLS })
    expect(read({ tls: {}, listen: { host: '0.0.0.0' } })).toEqual({
      listen: { host: '0.0.0.0', port: 8080 },
      tls: TLS,
    })
  })

  test.each([
    ['nowhere', { listen: null }, /nowhere to listen/],
    ['a name in capitals', { tls: { names: ['Node.example'] } }, /tls\.names\.0/],
    ['a name with a path', { tls: { names: ['node.example/x'] } }, /tls\.names\.0/],
    ['another source of the key', { tls: { key: 'file' } }, /tls\.key/],
    ['a key from a file', { tls: { key_file: '/data/key.pem' } }, /tls: /],
    ['a certificate at no absolute path', { tls: { certificate_file: 'chain.pem' } }, /tls\.cert/],
  ])('refuses %s', (_, members, problem) => {
    const problems = read(members)
    expect(Array.isArray(problems) ? problems.join() : 'accepted').toMatch(problem)
  })
})

test('all of it can be said in flags, above what the file says', async () => {
  const config = await loadConfig({
    upstream: ['unix:/run/vllm.sock'],
    tls: '0.0.0.0:443',
    tlsNames: 'node.example,*.node.example',
    tlsCertificate: '/data/tls/chain.pem',
    tlsKey: 'agent',
  })
  expect(config.listen).toBeNull()
  expect(config.tls).toEqual({
    host: '0.0.0.0',
    port: 443,
    key: 'agent',
    names: ['node.example', '*.node.example'],
    certificate_file: '/data/tls/chain.pem',
  })
  const both = await loadConfig({
    upstream: ['unix:/run/vllm.sock'],
    tls: '127.0.0.1:8443',
    listen: '127.0.0.1:8080',
  })
  expect([both.listen?.port, both.tls?.port]).toEqual([8080, 8443])
  await expect(loadConfig({ upstream: ['unix:/run/vllm.sock'], tls: '8443' })).rejects.toThrow(
    '--tls takes host:port',
  )
})
