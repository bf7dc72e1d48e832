/**
 * `countersign keys show|rotate`: which address this machine signs with, what it outlives, and a new one on purpose.
 *
 * @module
 */
import { connectGuestAgent } from '../../attestation/attester/dstack/guest-agent.ts'
import { openGuest } from '../../attestation/attester/dstack/open-guest.ts'
import type { OpenedGuest } from '../../attestation/attester/dstack/open-guest.ts'
import { isJsonObject } from '../../attestation/protocol/json.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { createAddressKey } from '../../enclave/keys/address-key.ts'
import { chooseTappAddressKeySource, keyProviderOf } from '../../enclave/keys/key-providers.ts'
import type { AddressKeySource, Survival } from '../../enclave/keys/key-providers.ts'
import { readSealedKey, rotateSealedKey } from '../../enclave/keys/sealed/sealed-key-folder.ts'
import { parseKeyOptions } from '../config/config.ts'
import { deriveAddressKey, deriveSealingKey } from '../service/open-address-key.ts'
import { openSimulation } from '../service/open-simulation.ts'
import { EXIT } from './exit-codes.ts'
import { findMachine, SEALED_IN_SIMULATION } from './find-machine.ts'
import type { MachineOptions } from './find-machine.ts'
import { asRefusal, chooseSource } from './open-machine.ts'
import { isTappPlace, readTappVersion } from './open-tapp-machine.ts'
import { printable } from './printable.ts'
import { readConfigFile } from './read-config-file.ts'
import { Refusal } from './refusal.ts'
import { simulatedCompose } from './simulated-compose.ts'

export interface KeysOptions extends Omit<MachineOptions, 'compose'> {
  readonly config?: string
  readonly addressKey?: string
  readonly addressKeyDir?: string
  readonly json?: boolean
}

/** What `keys show` says; the same names in `--json`. */
interface KeyFacts {
  readonly source: AddressKeySource
  readonly generation: number
  /** EIP-55; null for one that does not exist yet, or lives in another process alone. */
  readonly address: string | null
  readonly key_provider: { readonly measured: string | null; readonly counts_as: string }
  /** Of dstack, or of TAPP, whose family is `tapp`. */
  readonly agent: { readonly family: string; readonly version: string | null }
  readonly survives: Survival
}

/**
 * What a new address means for a provider that is registered with 0G: `targetTeeAddress` stands in the service's
 * additionalInfo, and the contract takes the acknowledgement back when that changes (0g-serving-contract, 2026-08).
 */
export const ROTATION_NOTICE = [
  'The service signs with the new address from its next start on; receipts under the old one stay verifiable.',
  'Registered with 0G: set targetTeeAddress to the new address in the broker’s configuration and restart it. That changes',
  'additionalInfo on the chain, which resets teeSignerAcknowledged: until the owner of the contract acknowledges the signer',
  'again, clients see every answer of this provider as not verified.',
].join('\n')

const NOTHING_TO_ROTATE =
  'An ephemeral address changes with every start; there is nothing to rotate.'

/** Prints; @returns the exit code @throws Refusal */
export async function keysShow(options: KeysOptions): Promise<number> {
  const facts =
    (await tappFacts(options)) ??
    (await withMachine(options, async ({ agent, guest, asked, folder }) => {
      const { source, survival } = chooseSource(guest, asked)
      const key = await presentKey(agent, guest, source, folder)
      return factsOf(guest, source, survival, key)
    }))
  process.stdout.write(
    options.json === true ? `${JSON.stringify(facts, null, 2)}\n` : formatFacts(facts),
  )
  return EXIT.accepted
}

/** Prints; @returns the exit code @throws Refusal */
export async function keysRotate(options: KeysOptions): Promise<number> {
  if ((await tappFacts(options)) !== null) throw new Refusal(NOTHING_TO_ROTATE)
  const { before, after } = await withMachine(options, async ({ agent, guest, asked, folder }) => {
    const { source } = chooseSource(guest, asked)
    if (source !== 'sealed') {
      throw new Refusal(
        source === 'derived'
          ? 'A derived address is a fixed function of app and key provider: there is no next one. Another comes with a change to --address-key sealed.'
          : NOTHING_TO_ROTATE,
      )
    }
    return rotateSealedKey(folder, await deriveSealingKey(agent))
  })
  const facts = {
    before: { generation: before.generation, address: addressOf(before) },
    after: { generation: after.generation, address: addressOf(after) },
  }
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify(facts, null, 2)}\n`
      : `generation ${String(facts.before.generation)}: ${facts.before.address} (kept beside the new one)\n` +
          `generation ${String(facts.after.generation)}: ${facts.after.address}\n${ROTATION_NOTICE}\n`,
  )
  return EXIT.accepted
}

/** Milliseconds of silence after which a command says what it waits for. */
const WAITING_NOTICE_MS = 1_000

export const REHEARSAL_NOTICE =
  'SIMULATION: the guest is made up for this command, and its address is gone with it.'

interface OpenedMachine {
  readonly agent: ReturnType<typeof connectGuestAgent>
  readonly guest: OpenedGuest
  readonly asked: AddressKeySource | undefined
  readonly folder: string
}

async function rehearse(): Promise<{ readonly socketPath: string; close(): Promise<void> }> {
  process.stderr.write(`${REHEARSAL_NOTICE}\n`)
  const composeText = await simulatedCompose(undefined)
  return openSimulation({ composeText, gpus: 1, addressKey: 'ephemeral' })
}

/** @throws Refusal */
async function readKeyOptions(options: KeysOptions) {
  const file = options.config === undefined ? {} : await readConfigFile(options.config)
  if (!isJsonObject(file)) throw new Refusal('The configuration is not a JSON object.')
  const parsed = parseKeyOptions({
    ...('address_key' in file ? { address_key: file['address_key'] } : {}),
    ...('address_key_dir' in file ? { address_key_dir: file['address_key_dir'] } : {}),
    ...(options.addressKey === undefined ? {} : { address_key: options.addressKey }),
    ...(options.addressKeyDir === undefined ? {} : { address_key_dir: options.addressKeyDir }),
  })
  if (!parsed.ok) throw new Refusal(`The configuration is wrong: ${parsed.problems.join('; ')}.`)
  return parsed.config
}

/** @returns null where the options name no TAPP @throws Refusal, first of all for a source that is impossible there */
async function tappFacts(options: KeysOptions): Promise<KeyFacts | null> {
  if (options.tappAppId === undefined) return null
  const { address_key: asked } = await readKeyOptions(options)
  const choice = chooseTappAddressKeySource(asked)
  if (!choice.ok) throw new Refusal(choice.problem)
  const place = findMachine(options, process.env)
  if (!isTappPlace(place)) return null
  if (place.kind === 'own') process.stderr.write(`${REHEARSAL_NOTICE}\n`)
  try {
    return {
      source: choice.source,
      generation: 0,
      address: null,
      key_provider: { measured: null, counts_as: 'tapp' },
      agent: { family: 'tapp', version: await readTappVersion(place) },
      survives: choice.survival,
    }
  } catch (error) {
    throw asRefusal(error, place)
  }
}

/** Waits for nothing: every cause ends the command with a sentence. */
async function withMachine<T>(
  options: KeysOptions,
  work: (machine: OpenedMachine) => Promise<T>,
): Promise<T> {
  const { address_key: asked, address_key_dir: folder } = await readKeyOptions(options)
  const place = findMachine(options, process.env)
  if (place.kind === 'own' && asked === 'sealed') {
    throw new Refusal(SEALED_IN_SIMULATION)
  }
  const { socketPath, close } = place.kind === 'own' ? await rehearse() : { ...place, close: null }
  const waiting = setTimeout(() => {
    process.stderr.write('waiting for the guest agent\n')
  }, WAITING_NOTICE_MS)
  try {
    const agent = connectGuestAgent(socketPath)
    return await work({ agent, guest: await openGuest(agent), asked, folder })
  } catch (error) {
    throw asRefusal(error, place)
  } finally {
    clearTimeout(waiting)
    await close?.()
  }
}

async function presentKey(
  agent: ReturnType<typeof connectGuestAgent>,
  { system }: OpenedGuest,
  source: AddressKeySource,
  folder: string,
): Promise<{ readonly address: string; readonly generation: number } | null> {
  switch (source) {
    case 'derived':
      return deriveAddressKey(agent, system)
    case 'ephemeral':
      return null
    case 'sealed': {
      const sealed = readSealedKey(folder, await deriveSealingKey(agent))
      return sealed === null ? null : { ...sealed, address: addressOf(sealed) }
    }
  }
}

function addressOf(sealed: { readonly key: Uint8Array; readonly generation: number }): string {
  const { key, generation } = sealed
  return createAddressKey(key, { source: 'sealed', generation }, nodeCrypto).address
}

function factsOf(
  { system, release }: OpenedGuest,
  source: AddressKeySource,
  survives: Survival,
  key: { readonly address: string; readonly generation: number } | null,
): KeyFacts {
  const measured = system.keyProvider?.name ?? null
  return {
    source,
    generation: key?.generation ?? 0,
    address: key?.address ?? null,
    key_provider: { measured, counts_as: keyProviderOf(measured) },
    agent: { family: release.family, version: release.version },
    survives,
  }
}

function platformLines({ agent, key_provider: { measured } }: KeyFacts): readonly string[] {
  const version = printable(agent.version ?? agent.family)
  if (agent.family === 'tapp')
    return ['key provider  none that is asked', `TAPP          ${version}`]
  return [
    `key provider  ${printable(measured ?? 'none')} (measured)`,
    `guest agent   dstack ${version}`,
  ]
}

function formatFacts(facts: KeyFacts): string {
  const yes = (flag: boolean) => (flag ? 'yes' : 'no')
  const absent =
    facts.source === 'sealed' ? 'none yet: made at the first start' : 'new at each start'
  const { restart, upgrade, recreation } = facts.survives
  return [
    `address       ${facts.address ?? absent}`,
    `source        ${facts.source}${facts.generation > 0 ? `, generation ${String(facts.generation)}` : ''}`,
    ...platformLines(facts),
    `survives      restart: ${yes(restart)}, upgrade: ${yes(upgrade)}, re-creation: ${yes(recreation)}`,
    '',
  ].join('\n')
}
