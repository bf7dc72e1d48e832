import { mkdtemp, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { readTokens } from '../../src/config/read-tokens.ts'
import { deriveAddressKey, openAddressKey } from '../../src/service/open-address-key.ts'
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import type { JsonObject } from '../../attestation/protocol/json.ts'
import { createSimulatedGuest } from '../../attestation/simulator/dstack/create-simulated-guest.ts'
import { startGuestAgent } from '../../attestation/simulator/dstack/start-guest-agent.ts'
import { UNKNOWN_ADDRESS } from '../../src/doctor/broker-snippet.ts'
import { runDoctor } from '../../src/doctor/run-doctor.ts'
import { GPUS, TOKEN, composeOf, rowOf, startNode } from './doctor.helpers.ts'
import type { DoctorNode } from './doctor.helpers.ts'
import { NO_STUB } from '../harness/nvml-stub.ts'

describe.skipIf(NO_STUB !== null)('doctor: configuration, tokens and the guest agent', () => {
  let node: DoctorNode
  beforeAll(async () => {
    node = await startNode()
  })
  afterAll(() => node.close())
  afterEach(() => {
    delete node.faults.delayMs
    delete node.faults.failNext
    delete node.faults.garbage
    delete node.faults.closeMidAnswer
    delete node.faults.reportData
  })

  test('a node in order has no row that fails', async () => {
    const rows = await node.run()
    expect(rows.filter(({ status }) => status === 'fail' || status === 'warn')).toEqual([])
    // Nobody outside was asked, and that is said.
    expect(rows.filter(({ status }) => status === 'unknown').map(({ code }) => code)).toEqual(
      Array.from({ length: 6 }, () => 'not_asked'),
    )
  })

  test('every row that is not ok says what to do, and every ok row nothing', async () => {
    for (const row of await node.run({ socketPath: null })) {
      expect(row.seen, row.check).toMatch(/\S/)
      if (row.status === 'ok') expect(row).toMatchObject({ code: 'ok', action: '' })
      else expect(row.action, row.check).toMatch(/^\S.{10,}\.$/)
    }
  })

  test('configuration: a problem stands in the row, and what needs it is unknown', async () => {
    const rows = await node.run({ configuration: { ok: false, problem: 'upstreams: too many' } })
    expect(rowOf(rows, 'configuration')).toMatchObject({
      status: 'fail',
      code: 'configuration_wrong',
      seen: 'upstreams: too many',
    })
    expect(rowOf(rows, 'upstream')).toMatchObject({ status: 'unknown', code: 'not_reached' })
    expect(rowOf(rows, 'gpu.evidence')).toMatchObject({ status: 'unknown', code: 'not_reached' })
  })

  test('tokens: none, malformed ones, and none for a broker', async () => {
    const read = async (text: string) =>
      rowOf(await node.run({ tokens: readTokens(text), socketPath: null }), 'tokens')
    expect(await read('')).toMatchObject({ status: 'fail', code: 'tokens_wrong' })
    const short = await read('broker:tooshort:relay')
    expect(short).toMatchObject({ status: 'fail', code: 'tokens_wrong' })
    expect(JSON.stringify(short)).not.toContain('tooshort')
    expect(await read(`alice:${TOKEN}`)).toMatchObject({
      status: 'warn',
      code: 'tokens_without_relay',
    })
  })

  test('agent.socket: absent, and all that stands on it unknown', async () => {
    for (const socketPath of [null, `${node.folder}/no.sock`]) {
      const rows = await node.run({ socketPath })
      expect(rowOf(rows, 'agent.socket')).toMatchObject({
        status: 'fail',
        code: 'agent_socket_absent',
      })
      for (const check of ['agent.version', 'agent.app', 'agent.measured', 'key.address']) {
        expect(rowOf(rows, check)).toMatchObject({ status: 'unknown', code: 'not_reached' })
      }
      expect(rowOf(rows, 'agent.quote').code).toBe('not_reached')
    }
  })

  test('agent.socket: not for this user; its mode is shown', async () => {
    const places = { mayUse: (path: string) => path !== node.socketPath }
    expect(rowOf(await node.run({ places }), 'agent.socket')).toMatchObject({
      status: 'fail',
      code: 'agent_socket_denied',
      seen: `${node.socketPath}, mode 0600`,
    })
  })

  test('agent.version: an agent without the call, and one that nobody tried', async () => {
    node.faults.failNext = 2
    expect(rowOf(await node.run(), 'agent.version')).toMatchObject({
      status: 'warn',
      code: 'agent_version_unstated',
    })
    const socketPath = await node.altered({ Version: (said) => ({ ...said, version: '1.2.0' }) })
    expect(rowOf(await node.run({ socketPath }), 'agent.version')).toMatchObject({
      status: 'warn',
      code: 'agent_version_untried',
      seen: '1.2.0',
    })
  })

  test('agent: garbage, a broken connection, and no answer in time', async () => {
    node.faults.garbage = true
    expect(rowOf(await node.run(), 'agent.app')).toMatchObject({
      status: 'fail',
      code: 'agent_malformed',
    })
    delete node.faults.garbage
    node.faults.closeMidAnswer = true
    expect(rowOf(await node.run(), 'agent.app')).toMatchObject({
      status: 'fail',
      code: 'agent_unreachable',
    })
    delete node.faults.closeMidAnswer
    node.faults.delayMs = 400
    const rows = await node.run({ places: { agentMs: 100 } })
    expect(rowOf(rows, 'agent.version')).toMatchObject({ status: 'fail', code: 'agent_timeout' })
    expect(rowOf(rows, 'agent.app')).toMatchObject({ status: 'fail', code: 'agent_timeout' })
  })

  test('agent.app: a compose hash that is not the one of the text', async () => {
    const hash = '00'.repeat(32)
    const socketPath = await node.altered({ Info: (said) => ({ ...said, compose_hash: hash }) })
    const row = rowOf(await node.run({ socketPath }), 'agent.app')
    expect(row).toMatchObject({ status: 'fail', code: 'compose_hash_mismatch' })
    expect(row.seen).toContain(`named ${hash}`)
  })

  test('agent.quote: over something else than was asked', async () => {
    node.faults.reportData = new Uint8Array(64)
    expect(rowOf(await node.run(), 'agent.quote')).toMatchObject({
      status: 'fail',
      code: 'agent_wrong_report_data',
    })
  })

  test('key.provider and key.address: what survives what, by provider and source', async () => {
    const derived = await deriveAddressKey(connectGuestAgent(node.socketPath), node.guest)
    const rows = await node.run()
    expect(rowOf(rows, 'key.provider')).toMatchObject({ status: 'ok' })
    expect(rowOf(rows, 'key.address')).toMatchObject({
      status: 'ok',
      seen: `${derived.address}, derived: survives restart, upgrade, re-creation`,
    })
    const at = async (keyProvider: 'tpm' | 'none', addressKey?: string) => {
      const found = await node.run({
        socketPath: await node.guestAt({ keyProvider }),
        configuration: {
          ok: true,
          config: node.config(addressKey === undefined ? {} : { address_key: addressKey }),
        },
      })
      return [rowOf(found, 'key.provider').code, rowOf(found, 'key.address').code]
    }
    expect(await at('tpm')).toEqual(['key_provider_machine', 'address_unnamed'])
    expect(await at('tpm', 'derived')).toEqual(['key_provider_machine', 'ok'])
    expect(await at('tpm', 'sealed')).toEqual(['key_provider_machine', 'sealed_folder_missing'])
    expect(await at('none', 'sealed')).toEqual(['key_provider_none', 'address_impossible'])
    expect(await at('none', 'derived')).toEqual(['key_provider_none', 'address_impossible'])
    expect(await at('none', 'ephemeral')).toEqual(['key_provider_none', 'address_ephemeral'])
  })

  test.each<readonly [string, (said: JsonObject) => JsonObject]>([
    ['another app id', (said) => ({ ...said, app_id: '11'.repeat(20) })],
    [
      'another compose text and no hash of it',
      (said) => {
        const tcb = JSON.parse(String(said['tcb_info'])) as object
        const { compose_hash: _hash, ...rest } = said
        return { ...rest, tcb_info: JSON.stringify({ ...tcb, app_compose: '{"name":"other"}' }) }
      },
    ],
  ])('agent.measured: %s than was measured, and no address is named', async (_, alter) => {
    const socketPath = await node.altered({ Info: alter })
    const { rows, broker } = await runDoctor(node.input({ socketPath }))
    expect(rowOf(rows, 'agent.measured')).toMatchObject({
      status: 'fail',
      code: 'agent_other_guest',
    })
    expect(rowOf(rows, 'key.address').code).toBe('not_reached')
    expect(broker).toContain(UNKNOWN_ADDRESS)
    expect(JSON.stringify(rows)).not.toMatch(/0x[0-9a-fA-F]{40}/)
  })

  test('key.provider: the measured one counts, whatever the agent says', async () => {
    const said = JSON.stringify({ name: 'none', id: '' })
    const socketPath = await node.altered({
      Info: (answer) => ({ ...answer, key_provider_info: said }),
    })
    const rows = await node.run({ socketPath })
    expect(rowOf(rows, 'key.provider')).toMatchObject({ status: 'ok' })
    expect(rowOf(rows, 'key.provider').seen).toMatch(/^kms/)
  })

  test('agent.measured: a guest too old to be served on, as serve says it', async () => {
    const old = createSimulatedGuest({ composeText: '{}', now: new Date(), release: '0.3.6' })
    const socketPath = join(node.folder, 'tappd.sock')
    const agent = await startGuestAgent(old, { socketPath })
    const rows = await node.run({ socketPath })
    await agent.close()
    expect(rowOf(rows, 'agent.measured')).toMatchObject({
      status: 'fail',
      code: 'agent_unsupported',
      seen: 'event log: system_ready_missing',
    })
  })

  test('key.address: one that the agent makes up, and one that changes at each call', async () => {
    const fixed = await node.altered({
      GetKey: (said) => ({ ...said, key: `${'00'.repeat(31)}01` }),
    })
    const zero = await node.altered({ GetKey: (said) => ({ ...said, key: '00'.repeat(32) }) })
    for (const [socketPath, code] of [
      [fixed, 'agent_wrong_key'],
      [zero, 'agent_malformed'],
    ] as const) {
      const { rows, broker } = await runDoctor(node.input({ socketPath }))
      expect(rowOf(rows, 'key.address')).toMatchObject({ status: 'fail', code })
      expect(broker).toContain(UNKNOWN_ADDRESS)
    }
  })

  test('key.address: a sealed key is read, by its generation; one that does not open fails', async () => {
    const folder = await mkdtemp(join(node.folder, 'sealed-'))
    const row = async () => {
      const config = node.config({ address_key: 'sealed', address_key_dir: folder })
      return rowOf(await node.run({ configuration: { ok: true, config } }), 'key.address')
    }
    expect(await row()).toMatchObject({ status: 'warn', code: 'address_not_made' })
    const agent = connectGuestAgent(node.socketPath)
    const { address, close } = await openAddressKey(agent, node.guest, 'sealed', folder)
    // Also beside a service that holds the folder.
    expect(await row()).toMatchObject({
      status: 'ok',
      seen: `${address.address}, sealed, generation 1: survives restart, upgrade`,
    })
    close()
    await truncate(join(folder, 'address-key.json'), 40)
    expect(await row()).toMatchObject({ status: 'fail', code: 'sealed_malformed' })
  })

  test('key.address: the one that is expected, another, and none where there was one', async () => {
    const folder = await mkdtemp(join(node.folder, 'expected-'))
    const agent = connectGuestAgent(node.socketPath)
    const row = async (source: 'derived' | 'sealed', expected: string) => {
      const members = { address_key: source, address_key_dir: folder, expect_address: expected }
      const configuration = { ok: true, config: node.config(members) } as const
      return rowOf(await node.run({ configuration }), 'key.address')
    }
    const other = `0x${'ab'.repeat(20)}`
    expect(await row('sealed', other)).toMatchObject({ status: 'fail', code: 'sealed_absent' })
    for (const source of ['sealed', 'derived'] as const) {
      const { address, close } = await openAddressKey(agent, node.guest, source, folder)
      close()
      expect(await row(source, address.address)).toMatchObject({ status: 'ok' })
      expect(await row(source, other)).toMatchObject({
        status: 'fail',
        code: 'address_unexpected',
        seen: `address_unexpected: ${address.address} in the place of ${other}`,
      })
    }
  })

  test('weights: a folder that serve would hash, and one that it would refuse', async () => {
    const weights = await mkdtemp(join(node.folder, 'weights-'))
    const row = async () =>
      rowOf(
        await node.run({ configuration: { ok: true, config: node.config({ weights }) } }),
        'weights',
      )
    expect(await row()).toMatchObject({ status: 'fail', code: 'weights_empty' })
    await writeFile(join(weights, 'model.safetensors'), 'x')
    expect(await row()).toMatchObject({ status: 'ok', seen: `${weights}: 1 file, 1 MiB` })
  })

  test('key.address: the agent gives no key', async () => {
    const socketPath = await node.altered({ GetKey: () => ({ error: 'no key today' }) })
    expect(rowOf(await node.run({ socketPath }), 'key.address')).toMatchObject({
      status: 'fail',
      code: 'agent_refused',
    })
  })

  test('gpu.compose and gpu.vm_config: what the measured text and the machine say', async () => {
    const at = async (command: string, gpus = GPUS) => {
      const socketPath = await node.guestAt({ composeText: composeOf(command), gpus })
      const found = await node.run({ socketPath })
      return [rowOf(found, 'gpu.compose').code, rowOf(found, 'gpu.vm_config').code]
    }
    for (const good of [
      '--require-gpu=8',
      '--require-gpu 8',
      '--require-gpu\n      - "8"',
      "'--require-gpu', '8'",
    ]) {
      expect(await at(good), good).toEqual(['ok', 'ok'])
    }
    expect(await at('--require-gpu=1')).toEqual(['gpu_compose_mismatch', 'ok'])
    expect(await at('--require-gpu=80')).toEqual(['gpu_compose_mismatch', 'ok'])
    expect(await at('--listen=0.0.0.0:8080\n      # --require-gpu=8')).toEqual([
      'gpu_compose_unstated',
      'ok',
    ])
    expect(await at('--require-gpu=8', 4)).toEqual(['ok', 'gpu_vm_config_mismatch'])
    const socketPath = await node.altered({ Info: (said) => ({ ...said, vm_config: '' }) })
    expect(rowOf(await node.run({ socketPath }), 'gpu.vm_config').code).toBe(
      'gpu_vm_config_unstated',
    )
  })

  test('clock.source: who sets the clock stands in the measured text', async () => {
    const socketPath = await node.guestAt({ composeText: composeOf('--require-gpu=8', {}) })
    expect(rowOf(await node.run({ socketPath }), 'clock.source')).toMatchObject({
      status: 'warn',
      code: 'clock_insecure',
    })
  })
})
