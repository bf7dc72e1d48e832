/**
 * Tries a live node as its users will: 0G's acceptance probes for providers and ours, one row each.
 *
 * @module
 */
import type { Appraisal } from '../../attestation/appraiser/appraise-document.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex } from '../../attestation/protocol/hex.ts'
import { randomBytes, toBase64Url } from '../client/bytes.ts'
import { VerificationError } from '../client/verification-error.ts'
import type { ClientVerdict } from '../client/verification-error.ts'
import { openChannels } from '../channel/open-channels.ts'
import { CHALLENGE_BYTES } from '../client/create-client.ts'
import { fetchVerifying } from '../client/verified.ts'
import { CallFailure } from './call-node.ts'
import type { SmokeNode } from './call-node.ts'
import {
  judgeChat,
  pingStreamed,
  pingWhole,
  probeParameters,
  probeReasoning,
  probeTools,
} from './probe-chat.ts'
import type { Exchanged } from './probe-chat.ts'
import { probeErrors } from './probe-errors.ts'
import { probeModels } from './probe-models.ts'
import { probeNoSignature, probeSignature } from './probe-signatures.ts'
import { found, passed } from './smoke-codes.ts'
import type { SmokeRow } from './smoke-codes.ts'

export interface SmokeInput {
  readonly node: SmokeNode
  /** Null: the first that is listed. */
  readonly model: string | null
  readonly policy: AppraisalPolicy
  /** Evidence under a fresh nonce, judged. @throws CallFailure */
  readonly attest: () => Promise<Appraisal>
  /** Unix seconds. */
  readonly now: () => number
}

/** Rows of a probe, or of what kept it from an answer. */
async function attempt(
  probe: string,
  run: () => Promise<readonly SmokeRow[]>,
): Promise<readonly SmokeRow[]> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof CallFailure)) throw error
    return [found(probe, error.code, error.message)]
  }
}

/** The same where the exchange is needed afterwards. */
async function exchange(run: () => Promise<Exchanged>): Promise<Exchanged | CallFailure> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof CallFailure) return error
    throw error
  }
}

function attestationRow({ verdict }: Appraisal): SmokeRow {
  const probe = 'attestation.document'
  const good = verdict.verdict === 'accepted' || verdict.verdict === 'accepted-as-of'
  return good
    ? passed(probe, verdict.sentence)
    : found(probe, 'attestation_rejected', verdict.sentence)
}

/** One answer through the client that applications use, under the keyset that was accepted above. */
async function probeReceipt(
  { node, policy, now }: SmokeInput,
  { trusted, verdict }: Appraisal,
  model: string,
  stream: boolean,
): Promise<SmokeRow> {
  const probe = stream ? 'receipt.stream' : 'receipt.chat'
  if (trusted === null) return found(probe, 'not_tried', 'there is no accepted keyset')
  let judged: ClientVerdict | null = null
  const secret = randomBytes(CHALLENGE_BYTES)
  const known = () => Promise.resolve({ ok: true, trusted, checks: verdict.checks } as const)
  const unjudged = () => Promise.resolve({ ok: false, checks: [] } as const)
  const verifying = fetchVerifying({
    channels: openChannels({ fetch: node.fetch, observes: false, demand: 'any', now }),
    crypto: nodeCrypto,
    now,
    policy,
    level: 'bytes',
    throws: true,
    report(one) {
      judged = one
    },
    ownerHash: toHex(nodeCrypto.sha256(secret)),
    ownerSecret: toBase64Url(secret),
    // Whether receipts can be fetched is a part of what is tried.
    inline: false,
    httpSignature: false,
    // A service that restarts meanwhile has another keyset, which nobody judged.
    attestations: { get: known, beside: () => null, renew: unjudged, archived: unjudged },
  })
  const messages = [{ role: 'user', content: 'Reply with exactly: pong' }]
  try {
    const response = await verifying(`${node.base}/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(node.token === null ? {} : { authorization: `Bearer ${node.token}` }),
      },
      body: JSON.stringify({ model, messages, max_tokens: 64, ...(stream ? { stream } : {}) }),
      signal: AbortSignal.timeout(node.callMs),
    })
    await response.arrayBuffer()
    if (!response.ok) return found(probe, 'status_unexpected', `HTTP ${response.status}`)
  } catch (error) {
    if (error instanceof VerificationError) {
      return found(probe, 'receipt_rejected', error.code)
    }
    return found(probe, 'node_unreachable', 'the answer broke off')
  }
  const said: ClientVerdict | null = judged
  return said === null ? found(probe, 'receipt_rejected', 'no verdict') : receiptRow(probe, said)
}

function receiptRow(probe: string, { accepted, level, code }: ClientVerdict): SmokeRow {
  return accepted ? passed(probe, `level ${level}`) : found(probe, 'receipt_rejected', code)
}

const NEEDS_MODEL = [
  ...['chat.shape', 'chat.usage', 'stream.shape', 'stream.usage', 'chat.parameters'],
  ...['reasoning.switch', 'reasoning.leak', 'reasoning.budget', 'tools.chat', 'tools.stream'],
  ...['errors', 'signature', 'receipt.chat', 'receipt.stream'],
]

async function probeAnswers(
  input: SmokeInput,
  model: string,
  appraisal: Appraisal | null,
): Promise<readonly SmokeRow[]> {
  const { node } = input
  const trusted = appraisal?.trusted ?? null
  const rows: SmokeRow[] = []
  for (const [kind, run] of [
    ['chat', pingWhole],
    ['stream', pingStreamed],
  ] as const) {
    const done = await exchange(() => run(node, model))
    if (done instanceof CallFailure) {
      rows.push(found(`${kind}.shape`, done.code, done.message))
      continue
    }
    // At once: whoever checks an answer asks for its signature when it ends.
    for (const algo of ['ecdsa', 'ed25519'] as const) {
      const probe = `signature.${kind}.${algo}`
      rows.push(
        ...(await attempt(probe, async () => [
          await probeSignature(node, probe, algo, done.raw, trusted),
        ])),
      )
    }
    rows.push(...judgeChat(kind, done))
    if (kind === 'chat') {
      rows.push(
        ...(await attempt('reasoning.switch', () => probeReasoning(node, model, done.reading))),
      )
    }
  }
  rows.push(...(await attempt('chat.parameters', async () => [await probeParameters(node, model)])))
  for (const stream of [false, true]) {
    const probe = stream ? 'tools.stream' : 'tools.chat'
    rows.push(...(await attempt(probe, async () => [await probeTools(node, model, stream)])))
  }
  rows.push(...(await attempt('errors', () => probeErrors(node, model))))
  rows.push(...(await attempt('signature.unknown', async () => [await probeNoSignature(node)])))
  for (const stream of [false, true]) {
    const probe = stream ? 'receipt.stream' : 'receipt.chat'
    rows.push(
      appraisal === null
        ? found(probe, 'not_tried', 'there is no evidence')
        : await probeReceipt(input, appraisal, model, stream),
    )
  }
  return rows
}

export async function runSmoke(input: SmokeInput): Promise<readonly SmokeRow[]> {
  let appraisal: Appraisal | null = null
  const evidence = await attempt('attestation.document', async () => {
    appraisal = await input.attest()
    return [attestationRow(appraisal)]
  })
  let model = input.model
  const models = await attempt('models.list', async () => {
    const finding = await probeModels(input.node, input.model)
    model = finding.model
    return [finding.row]
  })
  const answers =
    model === null
      ? NEEDS_MODEL.map((probe) => found(probe, 'not_tried', 'no model to try'))
      : await probeAnswers(input, model, appraisal)
  return [...evidence, ...models, ...answers]
}
