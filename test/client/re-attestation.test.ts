/** A service that was accepted once, and is refused when it is asked again: what was known of it counts no more. */
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { openChannels } from '../../src/channel/open-channels.ts'
import { createAttestations } from '../../src/client/attestations.ts'
import { newFolder } from '../store/store.helpers.ts'
import { listenLocally } from '../harness/listen-locally.ts'
import { ASK, caught, openStage, user } from './client.helpers.ts'
import type { Stage } from './client.helpers.ts'

let own: Stage
let other: Stage
beforeAll(async () => {
  own = await openStage()
  other = await openStage()
})
afterAll(async () => {
  await own.close()
  await other.close()
})

/** What the base that the client knows leads to. */
let to: 'own' | 'other' | 'nobody'
let prompts: string[]
beforeEach(() => {
  to = 'own'
  prompts = []
})
const through: typeof fetch = (input, init) => {
  if (to === 'nobody') return Promise.reject(new Error('nobody answers'))
  if (init?.method === 'POST') prompts.push(to)
  return fetch(to === 'own' ? String(input) : String(input).replace(own.at.url, other.at.url), init)
}

describe('the verified fetch', () => {
  test.each(['whose roots the policy does not name', 'that is none of the log'])(
    'sends one prompt and no other to a service %s, and comes back to the one that is accepted',
    async (which) => {
      const policy = (name: 'sgxRoots' | 'nvidiaRoots') =>
        [own, other].flatMap((stage) => stage.policy[name] ?? [])
      const me = user(own, 'direct', {
        fetch: through,
        ...(which.includes('log')
          ? {
              logState: join(newFolder(), 'state'),
              policy: {
                ...own.policy,
                sgxRoots: policy('sgxRoots'),
                nvidiaRoots: policy('nvidiaRoots'),
              },
            }
          : {}),
      })
      await me.openai.chat.completions.create(ASK)
      to = 'other'
      for (let i = 0; i < 3; i++) await caught(me.openai.chat.completions.create(ASK))
      expect(prompts).toEqual(['own', 'other'])
      to = 'own'
      await me.openai.chat.completions.create(ASK)
      expect(prompts).toEqual(['own', 'other', 'own'])
      expect(me.verdicts.at(-1)).toMatchObject({ accepted: true, level: 'bytes' })
    },
  )

  test('follows no redirect with a prompt', async () => {
    const seen: string[] = []
    const server = createServer((req, res) => {
      seen.push(req.url ?? '')
      res.writeHead(307, { Location: '/elsewhere' }).end()
    })
    const at = await listenLocally(server)
    const me = user(own, 'direct', {
      fetch: (input, init) =>
        init?.method === 'POST' ? fetch(`${at}/first`, init) : fetch(input, init),
    })
    await me.openai.chat.completions.create(ASK).catch(() => undefined)
    expect(seen).toEqual(['/first'])
    expect(me.verdicts).toMatchObject([{ accepted: false }])
  })
})

describe('the keysets of a client', () => {
  test('a base that is refused is known no more, and its connections are not bound; one that is gone is as it was', async () => {
    const now = () => Math.floor(Date.now() / 1000)
    const channels = openChannels({ fetch: through, observes: false, demand: 'any', now })
    const unbound: string[] = []
    const attestations = createAttestations({
      channels: {
        ...channels,
        bind: (base, keyset) => {
          if (keyset === null) unbound.push(base)
        },
      },
      crypto: nodeCrypto,
      policy: { ...DEFAULT_POLICY, allowSimulated: true, ...rootsOf(own) },
      now,
    })
    const base = `${own.at.url}/v1`
    const found = await attestations.get(base, null)
    if (!found.ok) throw new Error('the service was not accepted')
    unbound.length = 0
    to = 'nobody'
    expect(await attestations.renew(base, null, found.trusted)).toMatchObject({ ok: false })
    expect(unbound).toEqual([])
    expect(await attestations.get(base, null)).toBe(found)
    to = 'other'
    expect(await attestations.renew(base, null, found.trusted)).toMatchObject({ ok: false })
    expect(unbound).toEqual([base])
    expect(await attestations.get(base, null)).toMatchObject({ ok: false })
  })

  test('of a replica stays beside the one in force, until it has expired, its name has another one, or the base is refused', async () => {
    const named = (name: string) => ({
      config: { log: { name, public: false, interval_ms: 60_000 } },
    })
    const stages = [
      await openStage(named('replica2')),
      await openStage(named('replica2')),
      await openStage(),
    ] as const
    const [second, again, stranger] = stages
    onTestFinished(() => Promise.all(stages.map((one) => one.close())).then(() => undefined))
    const roots = [own, second, again].map(rootsOf)
    let time = Math.floor(Date.now() / 1000)
    const now = () => time
    let at: Stage = own
    const balanced: typeof fetch = (input, init) =>
      fetch(String(input).replace(own.at.url, at.at.url), init)
    const attestations = createAttestations({
      channels: openChannels({ fetch: balanced, observes: false, demand: 'any', now }),
      crypto: nodeCrypto,
      policy: {
        ...DEFAULT_POLICY,
        allowSimulated: true,
        sgxRoots: roots.flatMap(({ sgxRoots }) => sgxRoots),
        nvidiaRoots: roots.flatMap(({ nvidiaRoots }) => nvidiaRoots),
      },
      now,
    })
    const base = `${own.at.url}/v1`
    const digestOf = ({ at: { service } }: Stage) => service.keys.keysetDigest
    const beside = (stage: Stage) =>
      attestations.beside(base, digestOf(stage))?.trusted.keysetDigest
    const attest = async (stage: Stage) => {
      const known = await attestations.get(base, null)
      at = stage
      if (known.ok) await attestations.renew(base, null, known.trusted)
    }
    expect(beside(own)).toBeUndefined()
    await attest(second)
    expect([own, second].map(beside)).toEqual([own, second].map(digestOf))
    expect(attestations.beside(`${base}/elsewhere`, digestOf(second))).toBeNull()
    await attest(again)
    expect([own, second, again].map(beside)).toEqual([digestOf(own), undefined, digestOf(again)])
    const found = attestations.beside(base, digestOf(own))
    time = (found?.trusted.notAfter ?? 0) + 1
    expect(beside(own)).toBeUndefined()
    time = Math.floor(Date.now() / 1000)
    expect(beside(own)).toBe(digestOf(own))
    await attest(stranger)
    expect([own, again].map(beside)).toEqual([undefined, undefined])
    await attest(own)
    await attest(own)
    expect([own, again].map(beside)).toEqual([digestOf(own), undefined])
  })

  test('are proved over connections that are used once, where a balancer is to choose anew', async () => {
    let connections = 0
    const server = createServer((_req, res) => res.end('{}')).on('connection', () => connections++)
    const at = await listenLocally(server)
    const channels = openChannels({ fetch, observes: true, demand: 'any', now: () => 0 })
    const request = { authorization: null, maxBytes: 100, timeoutMs: 10_000, once: true }
    for (let i = 0; i < 4; i++) {
      await channels.evidence(`${at}/`, request)
    }
    expect(connections).toBe(4)
  })
})

function rootsOf({ policy: { sgxRoots = [], nvidiaRoots = [] } }: Stage) {
  return { sgxRoots, nvidiaRoots }
}
