// One relay in a process of its own, for the benchmark: signed as it ships, or with a recorder that reads and signs
// nothing. The second exists here alone; nothing in the package can be configured into it.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createHash, randomBytes } from 'node:crypto'
import { nodeCrypto } from '../../dist/attestation/crypto/node.js'
import { createEphemeralAddressKey } from '../../dist/enclave/keys/address-key.js'
import { createBootKeys } from '../../dist/enclave/keys/boot-keys.js'
import { createReceiptIssuer } from '../../dist/enclave/receipts/receipt-issuer.js'
import { openLmdbStore } from '../../dist/enclave/store/lmdb-store.js'
import { createMemoryStore } from '../../dist/enclave/receipts/memory-store.js'
import { DEFAULT_LIMITS } from '../../dist/src/limits.js'
import { createMetrics } from '../../dist/src/operations/metrics.js'
import { createHttpSigner } from '../../dist/enclave/http-signatures/http-signer.js'
import { createChatRecorder } from '../../dist/src/relay/chat-recorder.js'
import { NO_REWRITES } from '../../dist/src/relay/rewrite-request.js'
import { DEFAULT_REJECTED_MEMBERS } from '../../dist/src/relay/request-policy.js'
import { createBodyReader } from '../../dist/src/relay/large/body-reader.js'
import { createByteBudget } from '../../dist/src/relay/byte-budget.js'
import { createAuthenticator } from '../../dist/src/relay/principals.js'
import { openUpstreams } from '../../dist/src/relay/upstreams.js'
import { createServer } from '../../dist/src/service/create-server.js'
import { createServiceState } from '../../dist/src/service/state.js'
import { sharedAt } from './redis.mjs'

const [kind, upstreamUrl, token, folder, redis] = process.argv.slice(2)
const now = () => Math.floor(Date.now() / 1000)

const address = createEphemeralAddressKey(nodeCrypto)
let keys = null

/** @param store of the boot whose keys are made here */
async function signedRecorder(open) {
  keys = createBootKeys({
    now: now(),
    subject: null,
    simulated: true,
    address,
    crypto: nodeCrypto,
  })
  const store = await open(keys)
  const configDigest = `sha256:${'00'.repeat(32)}`
  const issuer = createReceiptIssuer({ keys, configDigest, store, now })
  const rules = {
    policy: { rejected: new Set(DEFAULT_REJECTED_MEMBERS), stateful: 'refuse' },
    rewrites: NO_REWRITES,
  }
  const bodies = createBodyReader()
  const httpSigner = createHttpSigner(keys.http, keys.httpKeyId, now)
  const { sseLineBytes } = DEFAULT_LIMITS
  return createChatRecorder({ issuer, rules, bodies, httpSigner, sseLineBytes })
}

const inMemory = () => createMemoryStore(20_000)

/** In the folder that comes last on the command line. */
const onDisk =
  (durability, share = (local) => local) =>
  async ({ bootId, keysetDigest, receiptKeyId }) => {
    const options = {
      durability,
      retention: { days: 30, bytes: 8 * 1024 ** 3 },
      rootKey: randomBytes(32),
      ephemeral: false,
      bootId,
      boot: { keysetDigest, receiptKeyId, address: address.address },
      now,
      onFailure: () => process.exit(1),
    }
    return share(await openLmdbStore({ ...options, path: folder }), options)
  }

const RECORDERS = {
  unsigned: () => unsignedRecorder,
  signed: () => signedRecorder(inMemory),
  'stored-group': () => signedRecorder(onDisk('group')),
  'stored-async': () => signedRecorder(onDisk('async')),
  'shared-group': () =>
    signedRecorder(onDisk('group', (local, options) => sharedAt(redis, local, options))),
}

const bytesOf = (body) => (body.large ? Buffer.concat(body.pieces) : body.bytes)

const unsignedRecorder = {
  admit: () => ({
    receiptId: '',
    responseBytes: 0,
    headers: [],
    readRequest: (body) => ({ ok: true, facts: { model: null, forward: bytesOf(body) } }),
    cutRequest() {},
    digestRequest() {},
    pass: () => true,
    sent() {},
    terminated: false,
    buffered: bytesOf,
    complete: true,
    settle: () => null,
    inline: false,
    inlineReceipt: null,
    wishedHeaders: () => [],
  }),
}

// As `serve` has it by default: every request counted, none logged.
const metrics = createMetrics({
  version: '',
  bootId: '',
  configDigest: '',
  keysetDigest: () => '',
  openRequests: () => 0,
  requestBytesHeld: () => 0,
  upstreams: () => [],
  store: () => ({ receipts: 0, bytes: 0 }),
  storeFailures: () => 0,
  storeRefused: () => 0,
  readiness: () => ({}),
  warnings: () => [],
  logLinesDropped: () => 0,
})
const state = createServiceState({
  clockSetBack: () => false,
  maxOpen: 100_000,
  keysetNotAfter: () => Infinity,
  now,
  storeRefuses: () => false,
})
state.attested()
const aciHeaders = ['X-ACI-Version', 'aci/1', 'X-ACI-Keyset-Digest', `sha256:${'00'.repeat(32)}`]
const { server } = createServer({
  authenticate: createAuthenticator([
    { name: 'bench', relay: false, tokenHash: createHash('sha256').update(token).digest() },
  ]),
  upstreams: openUpstreams(
    [{ name: 'bench', urls: [upstreamUrl], models: [], health: null }],
    DEFAULT_LIMITS,
  ),
  recorder: await RECORDERS[kind](),
  limits: DEFAULT_LIMITS,
  budget: createByteBudget(DEFAULT_LIMITS.requestBytesInFlight),
  state,
  keepAliveMs: null,
  account: {
    streamBegan: () => metrics.streamBegan(),
    over: (summary) => metrics.request(summary),
  },
  onRefused: (code) => metrics.refused(code),
  headers: () => aciHeaders,
  controlPlane: (_req, res) => res.writeHead(404).end(),
})
const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()
// What the two signatures of an answer cost here and now, over messages as long as real ones.
function signaturesUs() {
  const receipt = Buffer.alloc(2200, 65)
  const text = `${'a'.repeat(64)}:${'b'.repeat(64)}`
  const before = process.cpuUsage()
  const times = 1000
  for (let i = 0; i < times; i++) {
    keys.receipt.sign(receipt)
    address.signText(text)
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / times
}

process.on('message', (message) => {
  if (message === 'signatures') {
    process.send({ signaturesUs: signaturesUs() })
    return
  }
  if (message === 'reset') delay.reset()
  if (message === 'gc') globalThis.gc?.()
  const { user, system } = process.cpuUsage()
  process.send({
    cpuUs: user + system,
    loopDelayP99Ms: delay.percentile(99) / 1e6,
    rss: process.memoryUsage.rss(),
  })
})
server.listen({ host: '127.0.0.1', port: 0 }, () => process.send({ port: server.address().port }))
