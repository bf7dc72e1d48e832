/** `serve --simulate --simulate-gpus M`: a machine that has another number of GPUs than it must have, rehearsed. */
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { openMachine } from '../../src/cli/open-machine.ts'
import { loadConfig, serve } from '../../src/cli/serve.ts'
import { simulatedGpusNotice } from '../../src/cli/simulated-gpus.ts'
import { SILENT_LOG } from '../../src/operations/open-log.ts'
import { startService } from '../../src/service/start-service.ts'
import { jsonObject } from '../harness/chat.ts'

const POLL = { timeout: 20_000, interval: 50 }

/** A service over what the flags make up. */
async function started(shown: string | undefined) {
  const options = {
    ...{ simulate: true, requireGpu: '8', addressKey: 'ephemeral' },
    ...{ listen: '127.0.0.1:0', metrics: '127.0.0.1:0', upstream: ['http://127.0.0.1:9'] },
    ...(shown === undefined ? {} : { simulateGpus: shown }),
  }
  const config = await loadConfig(options)
  const machine = await openMachine({ kind: 'own', tappAppId: null }, config, options)
  const service = await startService({
    ...{ config, principals: [], log: SILENT_LOG, weights: null },
    ...machine.parts,
  })
  onTestFinished(async () => {
    await service.close()
    await machine.close()
  })
  const read = async (url: string) => (await fetch(url)).text()
  return {
    cause: async () => {
      const { attested } = jsonObject(await read(`${service.url}/health/ready`))
      return isJsonObject(attested) ? [attested['ready'], attested['cause']] : []
    },
    metrics: () => read(`${service.operations?.url}/metrics`),
    document: async () => jsonObject(await read(`${service.url}/attestation`)),
  }
}

afterEach(() => vi.unstubAllEnvs())

describe('a simulated machine with a GPU less than is required', () => {
  test('is not ready, and readiness, metrics and document name the cause', async () => {
    const { cause, metrics, document } = await started('7')
    await expect.poll(cause, POLL).toEqual([false, 'gpu_count_mismatch'])
    expect(await metrics()).toContain('countersign_attestation_cause{code="gpu_count_mismatch"} 1')
    const { warnings, evidence } = await document()
    expect(warnings).toContainEqual(expect.objectContaining({ code: 'gpu_count_mismatch' }))
    expect(isJsonObject(evidence) ? evidence['gpu'] : null).toHaveLength(7)
  })

  test('is ready with the number that is required, which it has where nothing is said', async () => {
    const { cause, document } = await started(undefined)
    await expect.poll(cause, POLL).toEqual([true, null])
    expect((await document())['warnings']).not.toContainEqual(
      expect.objectContaining({ code: 'gpu_count_mismatch' }),
    )
  })

  test('is said to be one where the simulation is announced', () => {
    expect(simulatedGpusNotice({ simulate: true, simulateGpus: '7' }, 8)).toContain('shows 7')
    expect(simulatedGpusNotice({ simulate: true, simulateGpus: '8' }, 8)).toBe('')
    expect(simulatedGpusNotice({ simulate: true }, 8)).toBe('')
  })

  test('is no real one: without --simulate the flag is refused, whatever else is asked', async () => {
    vi.stubEnv('COUNTERSIGN_TOKENS', 'alice:alice-token-0123456789')
    const real = { requireGpu: '8', addressKey: 'derived', upstream: ['http://127.0.0.1:9'] }
    const refused = '--simulate-gpus has a meaning with --simulate alone'
    await expect(loadConfig({ ...real, simulateGpus: '8' })).rejects.toThrow(refused)
    const printed = serve({ ...real, simulateGpus: '8', printConfig: true })
    await expect(printed).rejects.toThrow(refused)
    for (const simulateGpus of ['0', '17', '-1', '1.5', 'eight', '']) {
      const wrong = loadConfig({ ...real, simulate: true, simulateGpus })
      await expect(wrong).rejects.toThrow('--simulate-gpus takes a number of GPUs, 1 to 16')
    }
  })
})
