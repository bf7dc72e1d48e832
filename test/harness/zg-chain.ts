/**
 * A chain for `@0gfoundation/0g-compute-ts-sdk` 0.9.0 that knows one contract call: `getService`. Just enough JSON-RPC
 * for the SDK's own `createInferenceBroker`, so that its `processResponse` and `verifyService` run unchanged against
 * a server on this machine. Nothing leaves 127.0.0.1.
 */
import { createInferenceBroker, type InferenceBroker } from '@0gfoundation/0g-compute-ts-sdk'
import { ethers } from 'ethers'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { readAll } from './zg-upstream.ts'

/** hardhat's chain id, which the SDK knows. */
const CHAIN_ID = '0x7a69'
/** Where the SDK expects the inference contract on that chain; the mock answers at any address. */
const CONTRACT = '0x0165878A594ca255338adfa4d48449f69242Eb8F'
const METHOD_NOT_FOUND = -32601
const EXECUTION_REVERTED = 3

/** What the contract says of one provider; `InferenceService.sol`. Change any member between two calls. */
export interface ZgService {
  provider: string
  serviceType: string
  url: string
  inputPrice: bigint
  outputPrice: bigint
  updatedAt: bigint
  model: string
  /** `TeeML` is what the SDK verifies. */
  verifiability: string
  /** Encoded as JSON: `VerifierURL`, `TEEVerifier`, `TargetSeparated`, `TargetTeeAddress`, `ProviderType`, … */
  additionalInfo: Record<string, unknown>
  teeSignerAddress: string
  teeSignerAcknowledged: boolean
}

export interface ZgChain {
  readonly rpcUrl: string
  readonly service: ZgService
  /** JSON-RPC methods that were asked for and not known. */
  readonly unknownCalls: readonly string[]
  /** A new SDK broker each time: the SDK caches the service for ten minutes. */
  createBroker(): Promise<InferenceBroker>
  close(): Promise<void>
}

export interface ZgChainOptions {
  readonly service: Pick<ZgService, 'url' | 'teeSignerAddress'> & Partial<ZgService>
}

/** The ABI that the SDK ships, loaded by file because its exports map hides it. */
function contractInterface(): ethers.Interface {
  const require = createRequire(import.meta.url)
  const root = dirname(require.resolve('@0gfoundation/0g-compute-ts-sdk'))
  const file = 'inference/contract/typechain/factories/InferenceServing__factory.js'
  const loaded = require(join(root, file)) as {
    readonly InferenceServing__factory: { readonly abi: ethers.InterfaceAbi }
  }
  return new ethers.Interface(loaded.InferenceServing__factory.abi)
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return (value as Record<string, unknown>)[name]
}

export async function startZgChain(options: ZgChainOptions): Promise<ZgChain> {
  const abi = contractInterface()
  const service: ZgService = {
    provider: '0x1111111111111111111111111111111111111111',
    serviceType: 'chatbot',
    inputPrice: 1n,
    outputPrice: 1n,
    updatedAt: 1n,
    model: 'demo',
    verifiability: 'TeeML',
    additionalInfo: { TargetSeparated: false, TEEVerifier: 'dstack' },
    teeSignerAcknowledged: true,
    ...options.service,
  }
  const unknownCalls: string[] = []

  function answer(call: unknown): Record<string, unknown> {
    const id = field(call, 'id')
    const method = String(field(call, 'method'))
    const reply = (rest: Record<string, unknown>) => ({ jsonrpc: '2.0', id, ...rest })
    if (method === 'eth_chainId') return reply({ result: CHAIN_ID })
    if (method === 'eth_blockNumber') return reply({ result: '0x1' })
    const params = field(call, 'params')
    const data = field(Array.isArray(params) ? params[0] : undefined, 'data')
    const parsed = typeof data === 'string' ? abi.parseTransaction({ data }) : null
    if (method !== 'eth_call' || parsed?.name !== 'getService') {
      unknownCalls.push(parsed === null ? method : `${method} ${parsed.name}`)
      return reply({ error: { code: METHOD_NOT_FOUND, message: `not on this chain: ${method}` } })
    }
    if (String(parsed.args[0]).toLowerCase() !== service.provider.toLowerCase()) {
      return reply({ error: { code: EXECUTION_REVERTED, message: 'execution reverted' } })
    }
    const struct = { ...service, additionalInfo: JSON.stringify(service.additionalInfo) }
    return reply({ result: abi.encodeFunctionResult('getService', [struct]) })
  }

  const server = createServer((request, response) => {
    readAll(request)
      .then((body) => {
        const calls: unknown = JSON.parse(body.toString('utf8'))
        const replies = Array.isArray(calls) ? calls.map(answer) : answer(calls)
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify(replies))
      })
      .catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the chain has no port')
  const rpcUrl = `http://127.0.0.1:${String(address.port)}`
  const providers: ethers.JsonRpcProvider[] = []

  return {
    rpcUrl,
    service,
    unknownCalls,
    createBroker: async () => {
      const provider = new ethers.JsonRpcProvider(rpcUrl, Number(CHAIN_ID), {
        staticNetwork: true,
        cacheTimeout: -1,
      })
      providers.push(provider)
      // A fresh key without funds: the SDK wants a signer, none of the calls here signs anything.
      const wallet = new ethers.Wallet(ethers.hexlify(ethers.randomBytes(32)), provider)
      // The ledger is for payments only, which these tests never make; the SDK stores it and does not look.
      const ledger = {} as Parameters<typeof createInferenceBroker>[2]
      // ethers declares its classes once for ESM and once for CommonJS, and private members keep the two apart.
      const signer = wallet as unknown as Parameters<typeof createInferenceBroker>[0]
      return createInferenceBroker(signer, CONTRACT, ledger)
    },
    close: async () => {
      for (const provider of providers) provider.destroy()
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

/** The SDK's verdict on one answer: true, false, or null where it had no chat id; throws what the SDK throws. */
export async function processResponse(
  chain: ZgChain,
  provider: string,
  chatId: string | undefined,
): Promise<boolean | null> {
  const broker = await chain.createBroker()
  return broker.processResponse(provider, chatId)
}

export interface ZgVerification {
  readonly result: NonNullable<Awaited<ReturnType<InferenceBroker['verifyService']>>>
  /** The lines the SDK reported, `type: message`. */
  readonly log: readonly string[]
}

/** The SDK's check of a provider; writes `*_attestation_report.json` into `outDir`, which has to exist. */
export async function verifyService(
  chain: ZgChain,
  provider: string,
  outDir: string,
): Promise<ZgVerification> {
  const broker = await chain.createBroker()
  const log: string[] = []
  const result = await broker.verifyService(provider, outDir, (step) => {
    log.push(`${step.type}: ${step.message}`)
  })
  if (result === null) throw new Error('the SDK gave no verification result')
  return { result, log }
}
