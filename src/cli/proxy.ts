/**
 * `countersign proxy`: the verified fetch behind a port of this machine, for clients in any language.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { POLICIES } from '../../attestation/appraiser/policies.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { isLoopback } from '../channel/is-loopback.ts'
import { isPlainBase, parsePassedRoute } from '../client/proxy/find-route.ts'
import type { PassedRoute } from '../client/proxy/find-route.ts'
import { startProxy } from '../client/proxy/start-proxy.ts'
import type { Proxy, ProxyOptions } from '../client/proxy/start-proxy.ts'
import type { CollateralOf } from '../client/attestations.ts'
import { OWNER_SECRET_BYTES } from '../client/create-client.ts'
import { openLog } from '../operations/open-log.ts'
import { awaitStop } from './await-stop.ts'
import { loadPolicy } from './load-policy.ts'
import type { PolicyOptions } from './load-policy.ts'
import { refuseUnreadSettings } from './obtain-collateral.ts'
import type { CollateralOptions } from './obtain-collateral.ts'
import { obtainGpuCollateral } from './obtain-gpu-collateral.ts'
import type { GpuCollateralOptions } from './obtain-gpu-collateral.ts'
import { parseListen } from './parse-flags.ts'
import { readOwnerSecret } from './read-owner-secret.ts'
import { readSecret } from './read-secret.ts'
import { Refusal } from './refusal.ts'
import { logNamesOf } from './service-log.ts'
import { collateralFor } from './verify.ts'

export interface ProxyCommandOptions
  extends PolicyOptions, CollateralOptions, GpuCollateralOptions {
  readonly upstream: string
  readonly listen?: string
  readonly requireLevel?: string
  readonly stream?: string
  readonly state?: string
  readonly logName?: readonly string[]
  readonly passUnverified?: readonly string[]
  readonly allowOrigin?: readonly string[]
  readonly allowHost?: readonly string[]
  readonly allowRemoteClients?: boolean
  readonly allowPlainUpstream?: boolean
  readonly apiKeyEnv?: string
  readonly apiKeyFile?: string
  readonly tokenEnv?: string
  readonly tokenFile?: string
  readonly ownerSecretEnv?: string
}

export const DEFAULT_PROXY_LISTEN = '127.0.0.1:4180'

const SIMULATION_NOTICE =
  'SIMULATED services are accepted: whatever answers may be made up on any machine, and a verdict proves nothing.'

function oneOf<T extends string>(text: string, flag: string, values: readonly T[]): T {
  const value = values.find((each) => each === text)
  if (value === undefined) throw new Refusal(`${flag} takes ${values.join(' or ')}.`)
  return value
}

/** Without a path `/v1` is added, as `verify` does. @throws Refusal */
function upstreamOf(text: string, allowPlain: boolean): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new Refusal('--upstream takes the http or https URL of a service.')
  }
  if (url.username !== '' || url.password !== '') {
    throw new Refusal(
      'A key goes into the environment or a file (--api-key-env), not into the URL.',
    )
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && !allowPlain) {
    throw new Refusal(
      '--upstream is plain http, over which keys and prompts can be read on the way; --allow-plain-upstream says that this is meant.',
    )
  }
  const path = url.pathname.replace(/\/+$/, '')
  if (!isPlainBase(path)) throw new Refusal('--upstream has a path that is not plain.')
  return `${url.origin}${path === '' ? '/v1' : path}`
}

function passedOf(texts: readonly string[]): readonly PassedRoute[] {
  return texts.map((text) => {
    const route = parsePassedRoute(text)
    if (route !== null) return route
    throw new Refusal(
      `--pass-unverified takes a method and a path, for example "GET /v1/models", of a route that is not verified; got ${text}.`,
    )
  })
}

function originsOf(texts: readonly string[]): readonly string[] {
  return texts.map((text) => {
    // The URL standard lets a host have a star in it; nobody has such a page, and who writes it means a pattern.
    if (!text.includes('*') && URL.canParse(text) && new URL(text).origin === text) return text
    throw new Refusal(
      `--allow-origin takes an origin as browsers spell it, for example https://app.example; got ${text}.`,
    )
  })
}

function hostsOf(texts: readonly string[]): readonly string[] {
  return texts.map((text) => {
    if (/^(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/.test(text)) return text
    throw new Refusal(`--allow-host takes a name as clients send it, with its port; got ${text}.`)
  })
}

/** Nothing is fetched or read from disk unless an option says so. */
function collateralOf(
  options: ProxyCommandOptions,
  policy: AppraisalPolicy,
): CollateralOf | undefined {
  const { collateral, gpuCollateral, fetchCollateral = false } = options
  if (collateral === undefined && gpuCollateral === undefined && !fetchCollateral) return undefined
  return async (document) => ({
    collateral: await collateralFor(document, 'countersign', options, policy),
    gpuCollateral: await obtainGpuCollateral(document, 'countersign', options, policy),
  })
}

interface Secrets {
  readonly key: string | null
  readonly token: string | null
  readonly owner: Uint8Array | null
}

/** What the flags ask for. @throws Refusal where they contradict each other or would open a door that nobody asked for */
async function readOptions(
  options: ProxyCommandOptions,
  secrets: Secrets,
): Promise<Omit<ProxyOptions, 'log'>> {
  await refuseUnreadSettings(options)
  const { key, token, owner } = secrets
  const at = parseListen(options.listen ?? DEFAULT_PROXY_LISTEN)
  if (!isLoopback(at.host)) {
    if (options.allowRemoteClients !== true) {
      throw new Refusal(
        `--listen ${at.host}: other machines would reach the port; --allow-remote-clients says that they may.`,
      )
    }
    if (key !== null && token === null) {
      throw new Refusal(
        'Other machines would use the key of this proxy: give it a token of its own (--token-env or --token-file).',
      )
    }
  }
  const policy = await loadPolicy(options, POLICIES['relying-party'])
  const collateral = collateralOf(options, policy)
  const logName = logNamesOf(options)
  return {
    upstream: upstreamOf(options.upstream, options.allowPlainUpstream === true),
    listen: at,
    policy,
    level: oneOf(options.requireLevel ?? 'content', '--require-level', ['content', 'bytes']),
    stream: oneOf(options.stream ?? 'pass', '--stream', ['hold', 'pass']),
    hosts: hostsOf(options.allowHost ?? []),
    origins: originsOf(options.allowOrigin ?? []),
    passed: passedOf(options.passUnverified ?? []),
    ...(token === null ? {} : { tokenHash: createHash('sha256').update(token).digest() }),
    ...(key === null ? {} : { key }),
    ...(owner === null ? {} : { ownerSecret: owner }),
    ...(collateral === undefined ? {} : { collateralOf: collateral }),
    ...(options.state === undefined ? {} : { logState: resolve(options.state) }),
    ...(logName === null ? {} : { logName }),
  }
}

function notices(options: Omit<ProxyOptions, 'log'>): readonly string[] {
  return [
    ...(options.policy.allowSimulated === true ? [`*** ${SIMULATION_NOTICE} ***`] : []),
    ...(options.key !== undefined && options.tokenHash === undefined
      ? [
          'Every program and user of this machine can use the key through the port; --token-env asks them for a token.',
        ]
      : []),
    ...(options.passed ?? []).map(
      ({ method, path }) => `Not verified, and passed all the same: ${method} ${path}`,
    ),
  ]
}

/** Runs until SIGTERM or SIGINT. */
export async function proxy(
  options: ProxyCommandOptions,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const { stopped, hurried } = awaitStop()
  const secrets: Secrets = {
    key: await readSecret(
      'api-key',
      { name: options.apiKeyEnv, path: options.apiKeyFile },
      environment,
    ),
    token: await readSecret(
      'token',
      { name: options.tokenEnv, path: options.tokenFile },
      environment,
    ),
    owner: await readOwnerSecret(options.ownerSecretEnv, environment, OWNER_SECRET_BYTES.min),
  }
  const settings = await readOptions(options, secrets)
  const { log, flush } = openLog()
  let running: Proxy
  try {
    running = await startProxy({ ...settings, log })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EADDRINUSE') throw new Refusal('The address to listen on is in use (--listen).')
    throw error
  }
  for (const notice of notices(settings)) process.stderr.write(`${notice}\n`)
  log.info(
    {
      url: running.url,
      upstream: settings.upstream,
      require_level: settings.level,
      stream: settings.stream,
    },
    'listening',
  )
  // Only told: the service may start after its proxy, and each request asks again.
  void running.attest().then((code) => {
    if (code === 'ok') log.info({ code }, 'the service is verified')
    else log.warn({ code }, 'the service is not verified: its answers are refused')
  })
  await stopped
  log.info({}, 'draining: new requests are refused')
  await running.close(hurried)
  log.info({}, 'drained')
  flush()
}
