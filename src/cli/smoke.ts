/**
 * `countersign smoke <url>`: a live node tried as its users will use it.
 *
 * Exit codes: 0, every row is `pass` or `warn`; 10, a row is `fail`; 20, none is, and something was not tried.
 *
 * @module
 */
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import type { Appraisal } from '../../attestation/appraiser/appraise-document.ts'
import { POLICIES } from '../../attestation/appraiser/policies.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { randomBytes } from '../client/bytes.ts'
import { CALL_MS, CallFailure, causeOf } from '../smoke/call-node.ts'
import { runSmoke } from '../smoke/run-smoke.ts'
import { SMOKE_CODES } from '../smoke/smoke-codes.ts'
import type { SmokeRow, SmokeStatus } from '../smoke/smoke-codes.ts'
import { VERSION } from '../version.ts'
import { EXIT } from './exit-codes.ts'
import { loadPolicy } from './load-policy.ts'
import type { PolicyOptions } from './load-policy.ts'
import { refuseUnreadSettings } from './obtain-collateral.ts'
import type { CollateralOptions } from './obtain-collateral.ts'
import { obtainGpuCollateral } from './obtain-gpu-collateral.ts'
import type { GpuCollateralOptions } from './obtain-gpu-collateral.ts'
import { printable, printableJson } from './printable.ts'
import { Refusal } from './refusal.ts'
import { fetchDocument } from './fetch-document.ts'
import type { FetchedDocument } from './fetch-document.ts'
import { collateralFor } from './verify.ts'

export interface SmokeOptions
  extends Omit<PolicyOptions, 'require'>, CollateralOptions, GpuCollateralOptions {
  /** Name of the variable that holds the bearer token. */
  readonly tokenEnv?: string
  readonly model?: string
  readonly json?: boolean
}

export const DEFAULT_TOKEN_ENV = 'SMOKE_TOKEN'
const STATUSES: readonly SmokeStatus[] = ['pass', 'warn', 'fail', 'skip']

/** Arguments of a process are for all to read; its environment is not. */
function tokenOf(name: string | undefined, environment: NodeJS.ProcessEnv): string | null {
  const token = environment[name ?? DEFAULT_TOKEN_ENV]
  if (token === undefined || token === '') {
    if (name === undefined) return null
    throw new Refusal(`--token-env: there is no variable ${name}, or it is empty.`)
  }
  if (!/^[\x21-\x7e]{1,4096}$/.test(token)) {
    throw new Refusal('The token is not printable ASCII without spaces.')
  }
  return token
}

/** Without `/v1` it is added, as `verify` does. @throws Refusal */
function baseOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new Refusal('smoke takes the http or https URL of a service.')
  }
  if (url.username !== '' || url.password !== '') {
    throw new Refusal('A token goes into the environment (--token-env), not into the URL.')
  }
  const path = url.pathname.replace(/\/+$/, '')
  return `${url.origin}${path === '' ? '/v1' : path}`
}

async function attest(
  url: string,
  options: SmokeOptions,
  policy: AppraisalPolicy,
): Promise<Appraisal> {
  const nonce = toHex32(randomBytes(32))
  let fetched: FetchedDocument
  try {
    fetched = await fetchDocument(url, nonce)
  } catch (error) {
    if (error instanceof Refusal) throw new CallFailure('status_unexpected', error.message)
    throw new CallFailure('node_unreachable', causeOf(error))
  }
  const { bytes, channel } = fetched
  const collateral = await collateralFor(bytes, 'countersign', options, policy)
  const gpuCollateral = await obtainGpuCollateral(bytes, 'countersign', options, policy)
  const at = Math.floor(Date.now() / 1000)
  return appraiseDocument(bytes, {
    crypto: nodeCrypto,
    at,
    nonce,
    policy,
    channel,
    collateral,
    gpuCollateral,
  })
}

export function smokeExit(rows: readonly SmokeRow[]): number {
  if (rows.some(({ status }) => status === 'fail')) return EXIT.rejected
  return rows.some(({ status }) => status === 'skip') ? EXIT.unsupported : EXIT.accepted
}

function meaningOf(code: string): string {
  const known = Object.entries(SMOKE_CODES).find(([name]) => name === code)
  return known === undefined ? '' : known[1].meaning
}

/** What fails is told first; what was not tried is told together, by what kept it. */
function ordered(rows: readonly SmokeRow[]): readonly SmokeRow[] {
  const skipped = new Map<string, SmokeRow[]>()
  for (const row of rows.filter(({ status }) => status === 'skip')) {
    const key = `${row.code} ${row.seen}`
    skipped.set(key, [...(skipped.get(key) ?? []), row])
  }
  return [
    ...(['fail', 'warn', 'pass'] as const).flatMap((wanted) =>
      rows.filter(({ status }) => status === wanted),
    ),
    ...[...skipped.values()].flatMap((group) => {
      const [first] = group
      if (first === undefined) return []
      return [
        {
          ...first,
          seen: `${first.seen}: ${group.map(({ probe }) => probe).join(', ')}`,
          probe: '',
        },
      ]
    }),
  ]
}

function render(rows: readonly SmokeRow[]): string {
  const width = Math.max(...rows.map(({ probe }) => probe.length))
  const below = ' '.repeat(6 + width + 2)
  const lines = ordered(rows).flatMap(({ probe, status, code, seen, action }) => [
    `${status.padEnd(6)}${probe.padEnd(width)}  ${printable(seen)}`,
    ...(status === 'pass'
      ? []
      : [`${below}${code}: ${meaningOf(code)}`, `${below}next: ${action}`]),
  ])
  const counts = STATUSES.map(
    (name) => `${rows.filter(({ status }) => status === name).length} ${name}`,
  )
  return [...lines, '', `${counts.join(', ')}.`, ''].join('\n')
}

/** @param url base of the service, or of what stands before it; ends in `/v1` or gets it @returns the exit code */
export async function smoke(
  url: string,
  options: SmokeOptions,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  await refuseUnreadSettings(options)
  const base = baseOf(url)
  const token = tokenOf(options.tokenEnv, environment)
  const policy = await loadPolicy(options, POLICIES['relying-party'])
  const rows = await runSmoke({
    node: { base, token, fetch: (input, init) => fetch(input, init), callMs: CALL_MS },
    model: options.model ?? null,
    policy,
    attest: () => attest(base, options, policy),
    now: () => Math.floor(Date.now() / 1000),
  })
  process.stdout.write(
    options.json === true ? `${printableJson({ version: VERSION, rows })}\n` : render(rows),
  )
  return smokeExit(rows)
}
