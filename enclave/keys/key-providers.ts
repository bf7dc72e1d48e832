/**
 * What an address survives, by the source of its key and by who gave the guest its keys. The provider is the one that the
 * guest measured (`key-provider` in RTMR3), never the one that somebody says. Facts: dstack v0.5.11 (2026-05-11): a KMS
 * derives the app's keys from the app id; the local provider and the TPM release them to one measurement; `none` makes
 * new ones at each boot of the machine. 0G's TAPP derives a new signer at each boot.
 *
 * @module
 */

export const ADDRESS_KEY_SOURCES = ['derived', 'sealed', 'ephemeral'] as const
export type AddressKeySource = (typeof ADDRESS_KEY_SOURCES)[number]

/** As measured; `tapp` stands for 0G's own machines, which measure none. */
export const KEY_PROVIDERS = ['kms', 'local-sgx', 'tpm', 'none', 'tapp'] as const
export type KeyProviderName = (typeof KEY_PROVIDERS)[number]

export interface Survival {
  /** Of process, container and machine, with nothing changed. */
  readonly restart: boolean
  /** Another compose text or guest image, on the same disk. */
  readonly upgrade: boolean
  /** A new machine of the same app, with an empty disk. */
  readonly recreation: boolean
}

const NOTHING: Survival = { restart: false, upgrade: false, recreation: false }
const UNCHANGED: Survival = { restart: true, upgrade: false, recreation: false }
const WITH_DISK: Survival = { restart: true, upgrade: true, recreation: false }
const ALL: Survival = { restart: true, upgrade: true, recreation: true }

/** Null: impossible, the address would not even survive the next start of the machine. */
export const ADDRESS_SURVIVAL: Readonly<
  Record<KeyProviderName, Readonly<Record<AddressKeySource, Survival | null>>>
> = Object.freeze({
  kms: { derived: ALL, sealed: WITH_DISK, ephemeral: NOTHING },
  // The disk key changes with the measurement as well: a sealed file is lost with its disk.
  'local-sgx': { derived: UNCHANGED, sealed: UNCHANGED, ephemeral: NOTHING },
  tpm: { derived: UNCHANGED, sealed: UNCHANGED, ephemeral: NOTHING },
  none: { derived: null, sealed: null, ephemeral: NOTHING },
  tapp: { derived: null, sealed: null, ephemeral: NOTHING },
})

/** @param measured name in the key-provider event; null where the log has none. A name nobody knows promises nothing */
export function keyProviderOf(measured: string | null): KeyProviderName {
  return KEY_PROVIDERS.find((name) => name === measured && name !== 'tapp') ?? 'none'
}

export type SourceChoice =
  | { readonly ok: true; readonly source: AddressKeySource; readonly survival: Survival }
  | { readonly ok: false; readonly problem: string }

/**
 * The source to use, or the sentence that refuses: before any key is asked for and any address is printed.
 *
 * @param asked by the operator; undefined takes the default, which exists under a KMS alone
 * @param agentGivesKeys false for agents without GetKey
 */
export function chooseAddressKeySource(
  measured: string | null,
  asked: AddressKeySource | undefined,
  agentGivesKeys: boolean,
): SourceChoice {
  const named = measured ?? 'none'
  const words = {
    first: `The measured key provider is ${named}`,
    later: `the measured key provider ${named}`,
  }
  return choose(keyProviderOf(measured), words, asked, agentGivesKeys)
}

/** The same on a machine that TAPP started: without any choice, and still named in words. */
export function chooseTappAddressKeySource(asked: AddressKeySource | undefined): SourceChoice {
  const words = { first: 'The machine was started by TAPP', later: 'TAPP' }
  return choose('tapp', words, asked, true)
}

/** @param words who gives the keys, where a sentence begins with it and where one goes on with it */
function choose(
  provider: KeyProviderName,
  words: { readonly first: string; readonly later: string },
  asked: AddressKeySource | undefined,
  agentGivesKeys: boolean,
): SourceChoice {
  const source = asked ?? (provider === 'kms' ? 'derived' : undefined)
  const possible = ADDRESS_KEY_SOURCES.filter(
    (one) => ADDRESS_SURVIVAL[provider][one] !== null && (agentGivesKeys || one === 'ephemeral'),
  ).join(', ')
  if (source === undefined) {
    const problem =
      `${words.first}: there no address outlives a change of the measured software. ` +
      `Choose in words: --address-key ${possible}.`
    return { ok: false, problem }
  }
  const survival = ADDRESS_SURVIVAL[provider][source]
  if (survival === null || (!agentGivesKeys && source !== 'ephemeral')) {
    const why = agentGivesKeys
      ? `${words.later} gives new keys at each start of the machine`
      : 'this guest agent gives no keys'
    return {
      ok: false,
      problem: `The address key cannot be ${source}: ${why}. Possible: --address-key ${possible}.`,
    }
  }
  return { ok: true, source, survival }
}
