/**
 * Puts the service together and starts it: keys, attestation, receipts, relay, control plane, gate.
 *
 * @module
 */
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toSha256Digest } from '../../attestation/protocol/hex.ts'
import { canonicalBytes } from '../../attestation/protocol/jcs.ts'
import { createAttestor } from '../../enclave/attestation/attestor.ts'
import { createHttpSigner } from '../../enclave/http-signatures/http-signer.ts'
import { createBootKeys } from '../../enclave/keys/boot-keys.ts'
import { storeWarnings } from '../../enclave/store/store-warnings.ts'
import { attestedConfig } from '../config/attested-config.ts'
import { limitsOf } from '../config/config.ts'
import { relayRules } from '../config/relay-rules.ts'
import { createChatRecorder } from '../relay/chat-recorder.ts'
import { createBodyReader } from '../relay/large/body-reader.ts'
import { createByteBudget } from '../relay/byte-budget.ts'
import { createAuthenticator } from '../relay/principals.ts'
import { checkUpstreams } from '../relay/check-upstreams.ts'
import { createMetrics } from '../operations/metrics.ts'
import type { Metrics } from '../operations/metrics.ts'
import { readReadiness } from '../operations/readiness.ts'
import { createRequestLog } from '../operations/request-log.ts'
import { countUpstreams, readUpstreams } from '../operations/read-upstreams.ts'
import { openUpstreams } from '../relay/upstreams.ts'
import { createDoorLimits } from '../routes/door-limits.ts'
import { createControlPlane } from '../routes/control-plane.ts'
import { openDoors } from '../routes/open-doors.ts'
import { VERSION } from '../version.ts'
import { createAciHeaders } from './aci-headers.ts'
import { createClockFloor } from './clock-floor.ts'
import { createOperationsServer } from './create-operations-server.ts'
import { faultName } from './fault-name.ts'
import { attestItself } from './attest-itself.ts'
import type { SelfAttestation } from './attest-itself.ts'
import { createKeysets } from './keysets.ts'
import { openApiText } from './open-api-text.ts'
import { openReceipts } from './open-receipts.ts'
import { openListeners } from './open-listeners.ts'
import type { ListenersOptions } from './open-listeners.ts'
import type { Listeners } from './open-listeners.ts'
import type { Service, ServiceParts } from './service.ts'
import { createServiceState, refusalWarning } from './state.ts'
import { openTls } from './tls/open-tls.ts'

/** Milliseconds for the requests that a shutdown cut to be settled. */
export const SETTLE_MS = 2_000
const DAY_S = 86_400

export async function startService(parts: ServiceParts): Promise<Service> {
  const { config, principals, cpu, address, simulated, log } = parts
  const stapler = parts.stapler ?? null
  const nowMs = parts.nowMs ?? Date.now
  const now = () => Math.floor(nowMs() / 1000)
  const limits = limitsOf(config)
  const document = attestedConfig(config, {
    version: VERSION,
    simulated,
    platform: cpu.facts.platform,
    addressKeySource: address.source,
    addressKeyGeneration: address.generation,
    gpuRequired: parts.gpuRequired,
    stapled: stapler !== null,
    principals,
    weights: parts.weights,
  })
  const tls = await openTls(config.tls, { key: parts.tlsKey ?? null, simulated, nowMs })
  const lifetimeS = config.keyset_days * DAY_S
  const configDigest = toSha256Digest(nodeCrypto.sha256(canonicalBytes(document)))
  const keys = createBootKeys({
    now: now(),
    lifetimeS,
    subject: `${cpu.facts.platform}-app://${cpu.facts.appId}`,
    simulated,
    address,
    tls: tls?.key ?? null,
    crypto: nodeCrypto,
  })
  const source = parts.store ?? limits.receipts
  const receipts = await openReceipts({
    source,
    keys,
    configDigest,
    records: config.log,
    log,
    nowMs,
  })
  const { issuer, records } = receipts
  const { store, ...stored } = receipts.watched
  let metrics: Metrics | null = null
  let self: SelfAttestation | null = null
  const warnings = () => [
    ...(self?.warnings() ?? []),
    ...(stapler?.warnings() ?? []),
    ...(tls?.certificate.warnings() ?? []),
  ]
  const attestor = createAttestor({
    onRound: (kind, ok, seconds) => metrics?.round(kind, ok, seconds),
    keys,
    config: document,
    configDigest,
    cpu,
    gpu: parts.gpu,
    collateral: stapler === null ? null : () => stapler.entries(),
    warnings,
    refusal: () => refusalWarning(state),
    log: records === null ? null : () => records.head,
    onEvidence: ({ cpu: { quote }, gpu }) => stapler?.observe({ quote, gpu }),
    nowMs,
  })
  const durable = store.durable ?? null
  const keysets = createKeysets({ keys, lifetimeS, now, durable })
  const clockFloor = createClockFloor({ stapler, durable, now })
  const state = createServiceState({
    maxOpen: limits.openRequests,
    keysetNotAfter: () => keys.keyset.not_after,
    clockSetBack: () => clockFloor.ahead(),
    now,
    storeRefuses: stored.refusing,
  })
  const upstreams = openUpstreams(config.upstreams, limits)
  const authenticate = createAuthenticator(principals)
  const budget = createByteBudget(limits.requestBytesInFlight)
  const readiness = () =>
    readReadiness({
      state,
      upstreams: () => countUpstreams(upstreams),
      storeFailing: stored.failing,
      storeCause: stored.cause,
    })
  metrics = createMetrics({
    version: VERSION,
    bootId: keys.bootId,
    configDigest,
    keysetDigest: () => keys.keysetDigest,
    openRequests: () => state.open,
    requestBytesHeld: () => budget.taken,
    upstreams: () => readUpstreams(upstreams),
    store: () => store.usage(),
    storeFailures: stored.failures,
    storeRefused: () => durable?.refused() ?? 0,
    storeWarnings: () =>
      durable === null ? [] : storeWarnings(durable.found).map(({ cause }) => cause),
    readiness,
    warnings,
    logLinesDropped: parts.logLinesDropped ?? (() => 0),
  })
  const { request: countRequest, streamBegan, refused, connectionRefused } = metrics
  const logRequest = createRequestLog(log, config.logging.requests)
  const headers = createAciHeaders(keys)
  const controlPlane = createControlPlane({
    attestor,
    keys,
    facts: cpu.facts,
    doors: config.doors,
    doorLimits: createDoorLimits(limits, authenticate),
    archived: (digest) => keysets.document(digest),
    store,
    issuer,
    records,
    logSettings: config.log,
    authenticate,
    readiness,
    openapi: openApiText({ ...config, doors: openDoors(config.doors, cpu.facts.platform) }),
    version: VERSION,
    headers,
    onFault: (error) => log.error({ fault: faultName(error) }, 'a control-plane request failed'),
  })
  const bodies = createBodyReader(parts.bodyWorker)
  const server: ListenersOptions['server'] = {
    authenticate,
    upstreams,
    recorder: createChatRecorder({
      issuer,
      rules: relayRules(config),
      bodies,
      httpSigner: createHttpSigner(keys.http, keys.httpKeyId, now),
      sseLineBytes: limits.sseLineBytes,
    }),
    keepAliveMs: config.rewrites.keep_alive_ms,
    limits,
    budget,
    state,
    account: {
      streamBegan,
      over(summary) {
        countRequest(summary)
        logRequest(summary)
      },
    },
    onRefused: refused,
    onConnectionRefused: connectionRefused,
    headers,
    controlPlane,
  }
  const operationsServer =
    config.metrics === null
      ? null
      : createOperationsServer({
          metrics,
          upstreams,
          readiness,
          tlsKey: tls?.key ?? null,
          onFault: (error) =>
            log.error({ fault: faultName(error) }, 'an operations request failed'),
        })
  let listeners: Listeners
  try {
    listeners = await openListeners({ config, server, tls, operations: operationsServer, log })
  } catch (error) {
    await upstreams.close()
    await receipts.close()
    throw error
  }
  const { plain, tls: secure, operations } = listeners
  const bound = plain ?? secure
  if (bound === null) throw new TypeError('the schema wants a listener')

  const endChecks = checkUpstreams(upstreams, limits)
  const closing = new AbortController()
  self = attestItself({
    attestor,
    gate: parts.gate,
    state,
    stapler,
    keys,
    keysets,
    clockFloor,
    log,
    intervalMs: limits.gateMs,
    closing: closing.signal,
  })

  let closed: Promise<void> | null = null
  return {
    ...bound,
    tls: secure,
    operations,
    keys,
    config: document,
    records,
    ready: self.ready,
    leave: () => state.leave(),
    close: () =>
      (closed ??= (async () => {
        closing.abort()
        stapler?.close()
        state.drain()
        await state.idle(limits.drainMs)
        await listeners.closeClients()
        // What was cut is on record as cut by us before the upstreams are, not as a fault of theirs.
        await state.idle(SETTLE_MS)
        endChecks()
        await bodies.close()
        await upstreams.close()
        await receipts.close()
        await listeners.closeOperations()
      })()),
  }
}
