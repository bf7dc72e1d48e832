/**
 * What the demo does, and what must come of it.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type OpenAI from 'openai'
import { appraiseDocument } from '../../attestation/appraiser/appraise-document.ts'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import type { AppraisalPolicy } from '../../attestation/appraiser/policy.ts'
import type { Verdict } from '../../attestation/appraiser/verdict.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toHex32 } from '../../attestation/protocol/hex.ts'
import { Refusal } from '../cli/refusal.ts'
import { VerificationError, verified } from '../client/index.ts'
import type { ClientVerdict } from '../client/index.ts'
import type { SimulatedRoots } from '../service/open-simulation.ts'
import type { Service } from '../service/service.ts'
import type { BrokerHandle } from './broker/start-broker.ts'
import type { DemoModel } from './model/start-demo-model.ts'
import { DEFAULT_DEMO_MODEL } from './model/start-demo-model.ts'

export interface DemoStage {
  readonly service: Service
  readonly broker: BrokerHandle
  readonly model: DemoModel
  readonly roots: SimulatedRoots
  /** Bearer token of the demo's user, for the curl lines. */
  readonly token: string
}

export interface DemoAnswer {
  readonly name: string
  readonly expected: ClientVerdict['level']
  readonly verdict: ClientVerdict | null
  readonly ok: boolean
}

export interface DemoAttack {
  readonly name: string
  /** Code under which it must be caught. */
  readonly expected: string
  readonly code: string | null
  readonly ok: boolean
}

export interface DemoReport {
  readonly simulated: true
  readonly ok: boolean
  readonly answers: readonly DemoAnswer[]
  readonly attacks: readonly DemoAttack[]
  readonly attestation: Verdict
}

/** Milliseconds to wait for the verdict on a stream that the client dropped. */
const DROPPED_VERDICT_MS = 10_000

const WEATHER_TOOL: OpenAI.ChatCompletionTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
  },
}

async function loadOpenAI(): Promise<typeof OpenAI> {
  try {
    return (await import('openai')).default
  } catch {
    throw new Refusal('The demo drives the official client: npm install openai.')
  }
}

export function demoPolicy(roots: SimulatedRoots): AppraisalPolicy {
  return {
    ...DEFAULT_POLICY,
    allowSimulated: true,
    sgxRoots: [roots.sgx],
    nvidiaRoots: [roots.nvidia],
    kmsRoots: roots.kms === null ? [] : [roots.kms],
    gpu: { ...DEFAULT_POLICY.gpu, rimRoots: [roots.rim] },
  }
}

async function appraise(stage: DemoStage, policy: AppraisalPolicy): Promise<Verdict> {
  const nonce = toHex32(randomBytes(32))
  const answer = await fetch(`${stage.service.url}/attestation?nonce=${nonce}`)
  const bytes = new Uint8Array(await answer.arrayBuffer())
  const at = Math.floor(Date.now() / 1000)
  return appraiseDocument(bytes, { crypto: nodeCrypto, at, nonce, policy }).verdict
}

export async function driveDemo(stage: DemoStage): Promise<DemoReport> {
  const Client = await loadOpenAI()
  const policy = demoPolicy(stage.roots)
  const verdicts: ClientVerdict[] = []
  let arrived: () => void = () => {}
  const client = (baseURL: string, apiKey: string) =>
    new Client({
      baseURL,
      apiKey,
      maxRetries: 0,
      fetch: verified({
        policy,
        onVerdict: (verdict) => {
          verdicts.push(verdict)
          arrived()
        },
      }),
    })
  const direct = client(`${stage.service.url}/v1`, stage.token)
  // The broker drops the user's credential and puts its own in its place.
  const brokered = client(`${stage.broker.url}/v1/proxy`, 'app-sk-of-the-user')

  const ask = (content: string, seed = 7): OpenAI.ChatCompletionCreateParamsNonStreaming => ({
    model: DEFAULT_DEMO_MODEL,
    seed,
    messages: [{ role: 'user', content }],
  })
  const buffered = (openai: OpenAI) => async () => {
    await openai.chat.completions.create(ask('Say something.'))
  }
  const toolStream = async () => {
    const stream = await brokered.chat.completions.create({
      ...ask('What is the weather in Paris? [[tool]]'),
      tools: [WEATHER_TOOL],
      stream: true,
    })
    for await (const chunk of stream) void chunk
  }
  const droppedStream = async () => {
    const reported = new Promise<void>((resolve) => {
      arrived = resolve
      setTimeout(resolve, DROPPED_VERDICT_MS).unref()
    })
    const stream = await brokered.chat.completions.create({
      ...ask('Tell me a long story. [[tokens=60]]'),
      stream: true,
    })
    let chunks = 0
    for await (const chunk of stream) {
      void chunk
      if (++chunks === 3) break
    }
    await reported
  }

  const answers: DemoAnswer[] = []
  const answer = async (
    name: string,
    expected: ClientVerdict['level'],
    act: () => Promise<void>,
  ) => {
    const before = verdicts.length
    let failed = false
    try {
      await act()
    } catch {
      failed = true
    }
    const verdict = verdicts[before] ?? null
    const clean = verdict !== null && verdict.checks.every((check) => check.status !== 'fail')
    answers.push({ name, expected, verdict, ok: !failed && clean && verdict.level === expected })
  }

  const attacks: DemoAttack[] = []
  const attack = async (
    name: string,
    expected: string,
    hostility: Partial<BrokerHandle['hostile']>,
    act: () => Promise<void>,
  ) => {
    Object.assign(stage.broker.hostile, hostility)
    let code: string | null = null
    try {
      await act()
    } catch (error) {
      code = verificationCode(error)
    } finally {
      for (const name of Object.keys(hostility)) Reflect.deleteProperty(stage.broker.hostile, name)
    }
    attacks.push({ name, expected, code, ok: code === expected })
  }

  await answer('buffered, straight to the sidecar', 'bytes', buffered(direct))
  await answer('buffered, through the broker', 'content', buffered(brokered))
  await answer('stream with a tool call, through the broker', 'content', toolStream)
  await answer('stream that the client drops, through the broker', 'signer', droppedStream)

  await attack(
    'the broker adds logit_bias to the request',
    'request_member_added',
    { addMembers: { logit_bias: { '50256': -100 } } },
    buffered(brokered),
  )
  await attack(
    'the broker puts other words into the answer',
    'content_digest_mismatch',
    { swapAnswer: 'Send your savings to this address.' },
    buffered(brokered),
  )
  await attack(
    'the broker replays an earlier answer with its genuine receipt',
    'challenge_mismatch',
    { replay: 'last' },
    buffered(brokered),
  )
  await attack(
    'the broker cuts the stream and says it is done',
    'content_digest_mismatch',
    { cutAfterEvents: 3, cutWithDone: true },
    toolStream,
  )

  const attestation = await appraise(stage, policy)
  const ok =
    answers.every((item) => item.ok) &&
    attacks.every((item) => item.ok) &&
    attestation.verdict === 'accepted'
  return { simulated: true, ok, answers, attacks, attestation }
}

/** The SDK wraps what its fetch throws. */
function verificationCode(error: unknown): string | null {
  for (let e: unknown = error, depth = 0; e instanceof Error && depth < 5; e = e.cause, depth++) {
    if (e instanceof VerificationError) return e.code
  }
  return null
}
