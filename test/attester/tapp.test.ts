import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import type { sendUnaryData, ServerUnaryCall, ServiceDefinition } from '@grpc/grpc-js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { openTapp } from '../../attestation/attester/tapp/open-tapp.ts'
import type { Tapp } from '../../attestation/attester/tapp/open-tapp.ts'
import { TappError } from '../../attestation/attester/tapp/tapp-error.ts'
import { decodeFields, encodeFields } from '../../attestation/attester/tapp/tapp-wire.ts'
import type { Field } from '../../attestation/attester/tapp/tapp-wire.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { addressOf } from '../../attestation/protocol/legacy-text.ts'
import { createIntelPki } from '../../attestation/simulator/intel/create-intel-pki.ts'
import { makeQuote } from '../../attestation/simulator/intel/make-quote.ts'

const APP = 'countersign'
const pki = createIntelPki({ now: new Date() })
const zero = new Uint8Array(48)
const sha512 = (data: Uint8Array) => Uint8Array.from(createHash('sha512').update(data).digest())
const pointOf = (key: Uint8Array) => secp256k1.getPublicKey(key, false).slice(1)
const SECRET = Uint8Array.from(randomBytes(32))
const ADDRESS = addressOf(pointOf(SECRET), nodeCrypto)
const addressBytes = Uint8Array.from(Buffer.from(ADDRESS.slice(2), 'hex'))

/** Evidence as TAPP 0.9 makes it. */
function evidenceOf(
  nonce: Uint8Array,
  changes: Readonly<Record<string, unknown>> = {},
  runtime: Readonly<Record<string, unknown>> = {},
  over?: Uint8Array,
): Uint8Array {
  const said = { nonce: `0x${Buffer.from(nonce).toString('hex')}`, signer: ADDRESS, ...runtime }
  const runtimeData = Buffer.from(JSON.stringify(said))
  const quote = makeQuote({
    pki,
    reportData: over ?? sha512(runtimeData),
    mrTd: zero,
    rtmrs: [zero, zero, zero, zero],
  })
  return Buffer.from(
    JSON.stringify({
      cc_eventlog: Buffer.from('log').toString('base64'),
      gpu_evidence: null,
      quote: Buffer.from(quote).toString('base64'),
      runtime_data: runtimeData.toString('base64'),
      ...changes,
    }),
  )
}

interface Asked {
  readonly appId: string
  readonly nonce: Uint8Array
}
type Reply = Uint8Array | { readonly code: number } | 'silence'

describe('TAPP', () => {
  let folder: string
  let socketPath: string
  let server: Server
  let evidence: (asked: Asked) => Reply
  let key: () => Reply
  /** Of TAPP, or of the app. */
  let about: () => Reply
  const asked: Asked[] = []
  const open: Tapp[] = []
  const answered = (bytes: Uint8Array) =>
    encodeFields([
      [1, true],
      [3, bytes],
      [4, 'TDX'],
    ])
  const good = ({ nonce }: Asked): Reply => answered(evidenceOf(nonce))
  const goodKey = (): Reply =>
    encodeFields([
      [1, true],
      [3, SECRET],
      [5, addressBytes],
    ])

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-tapp-'))
    socketPath = join(folder, 'tapp.sock')
    const raw = {
      requestStream: false,
      responseStream: false,
      requestSerialize: (value: Uint8Array) => Buffer.from(value),
      requestDeserialize: (value: Buffer) => Uint8Array.from(value),
      responseSerialize: (value: Uint8Array) => Buffer.from(value),
      responseDeserialize: (value: Buffer) => Uint8Array.from(value),
    }
    const definition: ServiceDefinition = {
      GetEvidence: { path: '/tapp_service.TappService/GetEvidence', ...raw },
      GetAppSecretKey: { path: '/tapp_service.TappService/GetAppSecretKey', ...raw },
      GetTappInfo: { path: '/tapp_service.TappService/GetTappInfo', ...raw },
      GetAppInfo: { path: '/tapp_service.TappService/GetAppInfo', ...raw },
    }
    const reply = (answer: Reply, done: sendUnaryData<Uint8Array>) => {
      if (answer === 'silence') return
      if (answer instanceof Uint8Array) done(null, answer)
      else done({ code: answer.code, details: 'a text that nobody should see' })
    }
    type Call = ServerUnaryCall<Uint8Array, Uint8Array>
    server = new Server()
    server.addService(definition, {
      GetEvidence: (call: Call, done: sendUnaryData<Uint8Array>) => {
        const fields = decodeFields(call.request)
        const [appId, nonce] = [fields?.get(1), fields?.get(2)]
        if (!(appId instanceof Uint8Array) || !(nonce instanceof Uint8Array))
          throw new Error('fields')
        const one = { appId: Buffer.from(appId).toString(), nonce }
        asked.push(one)
        reply(evidence(one), done)
      },
      GetAppSecretKey: (_call: Call, done: sendUnaryData<Uint8Array>) => reply(key(), done),
      GetTappInfo: (_call: Call, done: sendUnaryData<Uint8Array>) => reply(about(), done),
      GetAppInfo: (_call: Call, done: sendUnaryData<Uint8Array>) => reply(about(), done),
    })
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix://${socketPath}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      )
    })
  })
  afterEach(() => {
    asked.length = 0
    for (const one of open.splice(0)) one.close()
  })
  afterAll(async () => {
    server.forceShutdown()
    await rm(folder, { recursive: true })
  })

  const tapp = (at = socketPath): Tapp => {
    const one = openTapp({
      socketPath: at,
      appId: APP,
      crypto: nodeCrypto,
      pointOf,
      deadlineMs: 1_000,
    })
    open.push(one)
    return one
  }
  const failure = async (work: Promise<unknown>): Promise<TappError> => {
    const error: unknown = await work.then(
      () => null,
      (thrown: unknown) => thrown,
    )
    if (error instanceof TappError) return error
    throw new Error('it did not fail as TAPP does', { cause: error })
  }
  const nonce = sha512(Buffer.from('a statement'))
  const code = async (answer: (asked: Asked) => Reply) => {
    evidence = answer
    return (await failure(tapp().evidence(nonce))).code
  }

  test('evidence is over the nonce, which is sent whole with the app id', async () => {
    evidence = good
    const found = await tapp().evidence(nonce)
    expect(asked).toEqual([{ appId: APP, nonce }])
    expect(found.signer).toBe(ADDRESS)
    expect(Buffer.from(found.eventLog).toString()).toBe('log')
    expect(JSON.parse(Buffer.from(found.runtimeData).toString())).toEqual({
      nonce: `0x${Buffer.from(nonce).toString('hex')}`,
      signer: ADDRESS,
    })
  })

  test('runtime data may name a TLS key', async () => {
    evidence = (one) =>
      answered(evidenceOf(one.nonce, {}, { tls_public_key: `0x${'ab'.repeat(32)}` }))
    expect((await tapp().evidence(nonce)).signer).toBe(ADDRESS)
  })

  test.each([
    [
      'a replayed nonce',
      () => answered(evidenceOf(sha512(Buffer.from('another')))),
      'tapp_nonce_ignored',
    ],
    ['no nonce', () => answered(evidenceOf(nonce, {}, { nonce: undefined })), 'tapp_nonce_ignored'],
    [
      'a server before 0.4',
      () => answered(evidenceOf(nonce, { runtime_data: undefined })),
      'tapp_nonce_ignored',
    ],
    [
      'a quote over other bytes',
      () => answered(evidenceOf(nonce, {}, {}, new Uint8Array(64))),
      'tapp_wrong_report_data',
    ],
    [
      'runtime data that was written anew',
      () => {
        const said = JSON.stringify(
          { nonce: `0x${Buffer.from(nonce).toString('hex')}`, signer: ADDRESS },
          null,
          1,
        )
        return answered(evidenceOf(nonce, { runtime_data: Buffer.from(said).toString('base64') }))
      },
      'tapp_wrong_report_data',
    ],
    [
      'a signer that is no address',
      () => answered(evidenceOf(nonce, {}, { signer: '0x00' })),
      'tapp_malformed',
    ],
    [
      'runtime data with a member that no verifier knows',
      () => answered(evidenceOf(nonce, {}, { more: 1 })),
      'tapp_malformed',
    ],
    ['no quote', () => answered(evidenceOf(nonce, { quote: '' })), 'tapp_malformed'],
    [
      'a quote that is none',
      () => answered(evidenceOf(nonce, { quote: 'AAAA' })),
      'tapp_malformed',
    ],
    ['no event log', () => answered(evidenceOf(nonce, { cc_eventlog: null })), 'tapp_malformed'],
    ['no JSON', () => answered(Buffer.from('quote')), 'tapp_malformed'],
    ['nothing', () => answered(new Uint8Array(0)), 'tapp_malformed'],
    [
      'a field of another type',
      () =>
        encodeFields([
          [1, true],
          [3, true],
        ]),
      'tapp_malformed',
    ],
    ['a message that is cut', () => answered(evidenceOf(nonce)).slice(0, -30), 'tapp_malformed'],
    ['a refusal', () => encodeFields([[2, 'no such app']]), 'tapp_refused'],
    ['an error', () => ({ code: status.PERMISSION_DENIED }), 'tapp_refused'],
    ['silence', () => 'silence' as const, 'tapp_timeout'],
    ['too much', () => answered(new Uint8Array(5 * 1024 * 1024)), 'tapp_too_large'],
    [
      'long runtime data',
      () => answered(evidenceOf(nonce, {}, { more: 'x'.repeat(2_000) })),
      'tapp_too_large',
    ],
  ] as readonly (readonly [string, () => Reply, string])[])(
    '%s is refused',
    async (_, answer, expected) => {
      expect(await code(answer)).toBe(expected)
    },
  )

  test('nobody on the socket; what TAPP writes is in no error', async () => {
    expect((await failure(tapp(join(folder, 'no.sock')).evidence(nonce))).code).toBe(
      'tapp_unreachable',
    )
    evidence = () => ({ code: status.NOT_FOUND })
    const { message } = await failure(tapp().evidence(nonce))
    expect(message).not.toContain('nobody should see')
    expect(message).toContain('GetEvidence: gRPC status 5')
  })

  test('the version, and one whose evidence is over no nonce is refused by name', async () => {
    const version = (text: string) => {
      about = () =>
        encodeFields([
          [1, true],
          [4, text],
        ])
      return tapp().version()
    }
    expect([await version('0.4.0'), await version('v1.0.0-rc.1')]).toEqual(['0.4.0', 'v1.0.0-rc.1'])
    const old = await failure(version('0.3.12'))
    expect([old.code, old.message]).toEqual([
      'tapp_too_old',
      expect.stringContaining('0.3.12: This TAPP is older than 0.4'),
    ])
    for (const text of ['', 'newest', '0.4', `0.4.0${'x'.repeat(99)}`]) {
      expect((await failure(version(text))).code).toBe('tapp_malformed')
    }
  })

  test('the app as it was asked for: text as it was given, and no other app', async () => {
    const app = (id: string, hash: string, text: string | Uint8Array) => {
      about = () =>
        encodeFields([
          [1, true],
          [3, id],
          [5, hash],
          [7, text],
        ])
      return tapp().app()
    }
    const hash = 'ab'.repeat(48)
    const composeText = '\ufeffservices: {}\r\n'
    expect(await app(APP, hash, composeText)).toEqual({ composeText, composeHash: hash })
    expect((await failure(app('another', hash, composeText))).code).toBe('tapp_other_app')
    for (const [text, digest] of [
      ['', hash],
      [Uint8Array.of(0xff), hash],
      [composeText, hash.slice(2)],
      [composeText, hash.toUpperCase()],
    ] as const) {
      expect((await failure(app(APP, digest, text))).code).toBe('tapp_malformed')
    }
  })

  test('a failure does not stay: the next call is answered', async () => {
    const one = tapp()
    evidence = () => ({ code: status.ABORTED })
    await failure(one.evidence(nonce))
    evidence = good
    expect((await one.evidence(nonce)).signer).toBe(ADDRESS)
  })

  test('one call at a time', async () => {
    const one = tapp()
    evidence = (each) => {
      // A second question would stand here while the first is not answered yet.
      expect(asked.length - answers).toBe(1)
      answers++
      return good(each)
    }
    let answers = 0
    await Promise.all([one.evidence(nonce), one.evidence(nonce), one.evidence(nonce)])
    expect(answers).toBe(3)
  })

  test('the optional package that is not installed is named', async () => {
    vi.resetModules()
    vi.doMock('@grpc/grpc-js', () => {
      throw new Error('Cannot find package')
    })
    const { openTapp: without } = await import('../../attestation/attester/tapp/open-tapp.ts')
    const one = without({ socketPath, appId: APP, crypto: nodeCrypto, pointOf })
    await expect(one.evidence(nonce)).rejects.toMatchObject({ code: 'tapp_binding_missing' })
    vi.doUnmock('@grpc/grpc-js')
  })

  test('a nonce of any other length is our own mistake', async () => {
    await expect(tapp().evidence(new Uint8Array(32))).rejects.toThrow(TypeError)
  })

  test('the key of this boot, held to its address', async () => {
    key = goodKey
    expect(await tapp().secretKey()).toEqual({ key: SECRET, address: ADDRESS })
    const keyCode = async (fields: readonly Field[]) => {
      key = () => encodeFields(fields)
      return (await failure(tapp().secretKey())).code
    }
    expect(
      await keyCode([
        [1, true],
        [3, randomBytes(32)],
        [5, addressBytes],
      ]),
    ).toBe('tapp_wrong_key')
    expect(
      await keyCode([
        [1, true],
        [3, new Uint8Array(32)],
        [5, addressBytes],
      ]),
    ).toBe('tapp_malformed')
    expect(
      await keyCode([
        [1, true],
        [3, SECRET.slice(1)],
        [5, addressBytes],
      ]),
    ).toBe('tapp_malformed')
    expect(
      await keyCode([
        [1, true],
        [3, SECRET],
      ]),
    ).toBe('tapp_malformed')
    expect(
      await keyCode([
        [3, SECRET],
        [5, addressBytes],
      ]),
    ).toBe('tapp_refused')
    const hex = Buffer.from(SECRET).toString('hex')
    key = () =>
      encodeFields([
        [1, true],
        [3, SECRET],
        [5, new Uint8Array(20).fill(1)],
      ])
    expect((await failure(tapp().secretKey())).message).not.toContain(hex)
  })
})

describe('messages of TAPP', () => {
  test('what is written is read, whatever stands in it', () => {
    const value = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.constant(true))
    const fields = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 2_000 }), value), {
      selector: ([number]) => number,
    })
    fc.assert(
      fc.property(fields, (all) => {
        const read = decodeFields(encodeFields(all))
        expect(read?.size).toBe(all.length)
        for (const [number, one] of all) expect(read?.get(number)).toEqual(one === true ? 1n : one)
      }),
    )
  })

  test('no bytes make the reader throw or take what is not there', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const read = decodeFields(bytes)
        const taken = [...(read?.values() ?? [])].map((one) =>
          typeof one === 'bigint' ? 0 : one.length,
        )
        expect(taken.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(bytes.length)
      }),
    )
  })

  test.each([
    ['field zero', [0x02, 0x00]],
    ['a group', [0x0b]],
    ['a length beyond the end', [0x1a, 0x05, 0x00]],
    ['a varint without end', [0x08, ...Array.from({ length: 11 }, () => 0xff)]],
    ['a fixed value that is cut', [0x09, 0x00]],
  ])('%s is no message', (_, bytes) => {
    expect(decodeFields(Uint8Array.from(bytes))).toBeNull()
  })

  test('unknown fields are skipped, and of two the last counts', () => {
    const fields = [
      [9, Uint8Array.of(1)],
      [3, Uint8Array.of(2)],
      [3, Uint8Array.of(3)],
    ] as const
    expect(decodeFields(encodeFields(fields))?.get(3)).toEqual(Uint8Array.of(3))
  })
})
