/** The log of a running service: heads in statements, checkpoints, proofs, and who may ask for them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { isHex32, toHex } from '../../attestation/protocol/hex.ts'
import { isSignedCheckpoint, parseCheckpoint } from '../../attestation/protocol/log/checkpoint.ts'
import { parseBootRecord } from '../../attestation/protocol/log/leaves.ts'
import { chat, chatBody, get, header, jsonObject } from '../harness/chat.ts'
import { startTestService } from '../harness/service.ts'
import type { TestService } from '../harness/service.ts'
import { LACKS, askStranger } from './log.helpers.ts'

let at: TestService
beforeAll(async () => {
  at = await startTestService({ config: { log: { public: true, name: 'test/one' } } })
})
afterAll(() => at.close())

const publish = async (of: TestService = at) => {
  if (of.service.records === null) throw new Error('the service has a log')
  await of.service.records.publish()
}
const documentLog = async (of: TestService = at): Promise<JsonObject> => {
  const nonce = Buffer.from(nodeCrypto.sha256(Buffer.from(String(Math.random())))).toString('hex')
  const { log } = jsonObject((await get(of, `/attestation?nonce=${nonce}`)).body)
  if (!isJsonObject(log)) throw new Error('a head is in every statement')
  return log
}
const code = (body: Buffer | string): unknown => {
  const { error } = jsonObject(body)
  return isJsonObject(error) ? error['code'] : undefined
}

describe('heads', () => {
  test('the first is over the boot record alone, and names origin, configuration and keyset', async () => {
    const fresh = await startTestService({})
    const { keys, config } = fresh.service
    const log = await documentLog(fresh)
    expect(log).toMatchObject({ origin: `countersign/${keys.bootId}`, size: 1 })
    expect(config['log']).toEqual({
      name: 'countersign',
      public: false,
      interval_ms: 60_000,
      unit: 256,
    })
    const boot = jsonObject((await get(fresh, '/attestation/log/boot')).body)
    const record = parseBootRecord(String(boot['boot_record']))
    expect(record).toMatchObject({
      boot_id: keys.bootId,
      keyset_digest: keys.keysetDigest,
      generation: 1,
      predecessor: null,
    })
    expect(boot['path']).toEqual([])
    await fresh.close()
  })

  test('grow by whole tiles whether or not anything was asked, and stand in every statement', async () => {
    const before = Number((await documentLog())['size'])
    await publish()
    const idle = Number((await documentLog())['size'])
    expect(idle % 256).toBe(0)
    expect(idle).toBe(before === 1 ? 256 : before + 256)
    await chat(at, chatBody('one'))
    await chat(at, chatBody('two'))
    await at.settled(2)
    await publish()
    expect((await documentLog())['size']).toBe(idle + 256)
  })

  test.skipIf(LACKS !== null)('are signed as C2SP checkpoints, wrapped and bare', async () => {
    const bare = await get(at, '/attestation/log/checkpoint')
    expect(header(bare, 'content-type')).toMatch(/^text\/plain/)
    const note = bare.body.toString()
    const wrapped = jsonObject((await get(at, '/v1/attestation/log/checkpoint')).body)
    expect(wrapped).toEqual({ document: note })
    const checkpoint = parseCheckpoint(note)
    const { publicKey } = at.service.keys.log
    expect(checkpoint !== null && isSignedCheckpoint(checkpoint, publicKey, nodeCrypto)).toBe(true)
    expect(checkpoint?.head).toEqual(await documentLog())
    const [head] = askStranger([{ kind: 'checkpoint', note, public_key: toHex(publicKey) }])
    expect(head).toEqual(checkpoint?.head)
  })
})

test('who asks for a proof too early is told to wait for one interval of the log, not for the default', async () => {
  const config = { log: { interval_ms: 1_500_500 } }
  const slow = await startTestService({ config })
  const id = header(await chat(slow, chatBody('early')), 'x-receipt-id')
  const early = await get(slow, `/v1/attestation/log/inclusion/${id}`, { who: 'alice' })
  expect([code(early.body), header(early, 'retry-after')]).toEqual(['log_not_published', '1501'])
  await slow.close()
})

describe('proofs', () => {
  test.skipIf(LACKS !== null)('of a receipt and between heads verify in Python', async () => {
    await publish()
    const old = await documentLog()
    const answered = await chat(at, chatBody('proved'))
    const id = header(answered, 'x-receipt-id')
    const early = await get(at, `/v1/attestation/log/inclusion/${id}`, { who: 'alice' })
    expect([early.status, code(early.body)]).toEqual([404, 'log_not_published'])
    expect(header(early, 'retry-after')).toBe('60')
    await publish()
    await publish()
    const head = await documentLog()
    const reply = await get(at, `/v1/attestation/log/inclusion/${id}`, { who: 'alice' })
    expect(reply.status).toBe(200)
    const proof = jsonObject(String(jsonObject(reply.body)['document']))
    expect(proof['checkpoint']).toBe((await get(at, '/attestation/log/checkpoint')).body.toString())
    const record = at.receipts.at(-1)
    expect(proof).toMatchObject({
      origin: head['origin'],
      tree_size: head['size'],
      leaf_index: record?.record.sequence,
    })
    const from = Number(old['size'])
    const between = jsonObject(
      (await get(at, `/attestation/log/consistency?from=${String(from)}`)).body,
    )
    const boot = jsonObject((await get(at, '/attestation/log/boot')).body)
    const [root, roots, bootRoot] = askStranger([
      {
        kind: 'inclusion',
        leaf: record?.recordHash.slice('sha256:'.length),
        index: proof['leaf_index'],
        size: proof['tree_size'],
        path: proof['path'],
      },
      {
        kind: 'consistency',
        from,
        to: between['to'],
        from_root: old['root'],
        path: between['path'],
      },
      {
        kind: 'inclusion',
        leaf: toHex(nodeCrypto.sha256(Buffer.from(String(boot['boot_record'])))),
        index: 0,
        size: boot['tree_size'],
        path: boot['path'],
      },
    ])
    expect(root).toBe(head['root'])
    expect(roots).toEqual([old['root'], head['root']])
    expect(bootRoot).toBe(head['root'])
  })

  test('of a receipt are for those who may see it', async () => {
    const answered = await chat(at, chatBody('mine'))
    await publish()
    const path = `/attestation/log/inclusion/${header(answered, 'x-receipt-id')}`
    expect((await get(at, path, { who: 'alice' })).status).toBe(200)
    expect((await get(at, path)).status).toBe(401)
    expect((await get(at, path, { who: 'bob' })).status).toBe(404)
  })

  test.each([
    ['/attestation/log/consistency', 400, 'invalid_log_query'],
    ['/attestation/log/consistency?from=256&to=1', 400, 'invalid_log_query'],
    ['/attestation/log/consistency?from=1&from=1', 400, 'invalid_log_query'],
    ['/attestation/log/consistency?from=01', 400, 'invalid_log_query'],
    ['/attestation/log/consistency?from=2', 404, 'log_size_unknown'],
    ['/attestation/log/consistency?from=0', 404, 'log_size_unknown'],
    ['/attestation/log/consistency?from=1&to=256000000', 404, 'log_size_unknown'],
    ['/attestation/log/boot?size=3', 404, 'log_size_unknown'],
    [`/attestation/log/checkpoint?boot=${'0'.repeat(64)}`, 404, 'log_boot_unknown'],
    ['/attestation/log/checkpoint?boot=x', 400, 'invalid_log_query'],
    ['/attestation/log/tiles/x', 400, 'invalid_log_query'],
    ['/attestation/log/tiles/999', 404, 'log_size_unknown'],
  ])('%s is answered with %d %s', async (path, status, wanted) => {
    const reply = await get(at, path)
    expect([reply.status, code(reply.body)]).toEqual([status, wanted])
  })
})

describe('reading the whole', () => {
  test.skipIf(LACKS !== null)('gives leaf hashes that make the published root', async () => {
    const head = await documentLog()
    const tiles = Number(head['size']) / 256
    const leaves: unknown[] = []
    for (let i = 0; i < tiles; i++) {
      const tile = jsonObject((await get(at, `/attestation/log/tiles/${String(i)}`)).body)
      leaves.push(...(tile['leaves'] as unknown[]))
    }
    expect(leaves.every(isHex32)).toBe(true)
    expect(askStranger([{ kind: 'root_of_hashes', hashes: leaves }])).toEqual([head['root']])
  })

  test('is refused unless the configuration opens it', async () => {
    const closed = await startTestService({})
    await publish(closed)
    const reply = await get(closed, '/v1/attestation/log/tiles/0')
    expect([reply.status, code(reply.body)]).toEqual([403, 'log_not_public'])
    await closed.close()
  })
})

test('a service whose configuration says that there is no log says so everywhere', async () => {
  const off = await startTestService({ config: { log: null } })
  const document = jsonObject((await get(off, '/attestation')).body)
  expect(document['log']).toBeNull()
  expect(off.service.config['log']).toBeNull()
  const reply = await get(off, '/attestation/log/checkpoint')
  expect([reply.status, code(reply.body)]).toEqual([404, 'log_off'])
  await chat(off, chatBody('x'))
  await off.settled(1)
  expect(off.receipts.map(({ record }) => record.sequence)).toEqual([1])
  await off.close()
})
