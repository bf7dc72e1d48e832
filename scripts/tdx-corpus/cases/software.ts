/**
 * Compose texts, mr_config_id, images and descriptions of the machine that are not those of the guest that was measured.
 * Source: dstack 0.5.11 (2026-05-11), dstack-types; its branch for 0.6 for mr_config_id of version 3.
 *
 * @module
 */
import { toHex } from '../collateral.ts'
import {
  APP_ID,
  COMPOSE,
  COMPOSE_HASH,
  configId,
  configIdV2,
  configIdV3,
  EVIL_HASH,
  FACTS,
  factsWith,
  guest,
  keyProvider,
  PROVIDER_ID,
  registersOf,
  text,
} from '../guest.ts'
import type { GuestCase } from '../guest.ts'
import { seeded } from '../keys.ts'
import { bytes, join, MRTD, sha256 } from '../quote.ts'
import { malformed, rejected, unsupported } from '../vector.ts'
import type { Vector } from '../vector.ts'

function composes(): Vector[] {
  const compose = (id: string, title: string, appCompose: string): Vector =>
    rejected(`compose-${id}`, 'compose_hash_mismatch', title, guest({ appCompose }))
  const document = JSON.parse(COMPOSE) as Record<string, unknown>
  const sorted = Object.fromEntries(Object.entries(document).toSorted())
  return [
    compose('other', 'the text of another app', '{"name":"evil"}'),
    compose('empty', 'an empty text', ''),
    compose('sorted', 'written anew with its members sorted', JSON.stringify(sorted)),
    compose('pretty', 'written anew with line ends', JSON.stringify(document, null, 2)),
    compose(
      'spaces',
      'written anew as Python does it',
      COMPOSE.replaceAll('":', '": ').replaceAll(',"', ', "'),
    ),
    compose('escaped', 'written anew with a letter escaped', COMPOSE.replace('é', '\\u00e9')),
    compose('decomposed', 'a letter in another Unicode form', COMPOSE.normalize('NFD')),
    compose('line-end-behind', 'a line end behind the text', `${COMPOSE}\n`),
    compose('byte-order-mark', 'a byte order mark before the text', `\ufeff${COMPOSE}`),
    compose('member-twice', 'a member twice', COMPOSE.replace('{', '{"name":"sim-app",')),
    malformed(
      'compose-too-long',
      'compose_too_long',
      'a text longer than a guest takes',
      guest({ appCompose: 'é'.repeat(128 * 1024 + 1) }),
    ),
    rejected(
      'compose-not-accepted',
      'compose_not_accepted',
      'the policy names another compose hash',
      guest({ policy: { composeHashes: [toHex(EVIL_HASH)] } }),
    ),
    rejected(
      'compose-none-accepted',
      'compose_not_accepted',
      'the policy names no compose hash',
      guest({ policy: { composeHashes: [] } }),
    ),
    rejected(
      'compose-pinned-without-log',
      'not_met',
      'the policy names a compose hash and no log is given',
      { policy: { composeHashes: [toHex(COMPOSE_HASH)] } },
    ),
    rejected(
      'compose-required-without-text',
      'not_met',
      'the policy wants the text and it is not given',
      guest({ appCompose: null, policy: { require: ['compose.hash'] } }),
    ),
  ]
}

function configIds(): Vector[] {
  const config = (id: string, title: string, value: Uint8Array): Vector =>
    rejected(`config-id-${id}`, 'mr_config_id_mismatch', title, guest({ configId: value }))
  const providerId = bytes(PROVIDER_ID)
  const v3 = (appId: string): string =>
    `{"app_id":"${appId}","compose_hash":"${toHex(COMPOSE_HASH)}","key_provider":"kms","version":3}`
  const unknown = [
    ...factsWith('key-provider', null).slice(0, -1),
    keyProvider('hsm', '00'),
    ...FACTS.slice(-1),
  ]
  return [
    config('v1-of-another-compose', 'version 1 of another compose hash', configId(1, EVIL_HASH)),
    config(
      'v1-with-tail',
      'version 1 with a byte behind its digest',
      join(configId(1, COMPOSE_HASH).slice(0, 47), bytes('01')),
    ),
    config(
      'v2-of-another-app',
      'version 2 of another app',
      configIdV2(2, providerId, seeded('app 2', 20)),
    ),
    config(
      'v2-of-another-kind',
      'version 2 of another kind of key provider',
      configIdV2(1, providerId),
    ),
    config(
      'v2-of-another-provider',
      'version 2 of another key provider',
      configIdV2(2, bytes('00')),
    ),
    config(
      'v2-of-sha256',
      'version 2 with SHA-256 in place of Keccak-256',
      configId(2, sha256(COMPOSE_HASH, APP_ID, Uint8Array.of(2), providerId)),
    ),
    config('v3-of-another-app', 'version 3 of another app', configIdV3(v3('11'.repeat(20)))),
    config(
      'v3-members-in-another-order',
      'version 3 of a text that is not canonical',
      configIdV3(`{"version":3,"compose_hash":"${toHex(COMPOSE_HASH)}","key_provider":"kms"}`),
    ),
    config(
      'v3-without-provider',
      'version 3 that pins no key provider',
      configIdV3(`{"compose_hash":"${toHex(COMPOSE_HASH)}","version":3}`),
    ),
    config(
      'v3-without-domain',
      'version 3 without its domain',
      configId(
        3,
        sha256(text(`{"compose_hash":"${toHex(COMPOSE_HASH)}","key_provider":"kms","version":3}`)),
      ),
    ),
    unsupported(
      'config-id-v2-of-unknown-provider',
      'mr_config_id_unsupported',
      'version 2 with a kind of key provider that is not known',
      guest({ facts: unknown, configId: configIdV2(4, bytes('00')) }),
    ),
  ]
}

function policies(): Vector[] {
  const image = {
    osImageHash: toHex(seeded('os image', 32)),
    mrtd: '',
    rtmr0: [registersOf(0)],
    rtmr1: registersOf(1),
    rtmr2: registersOf(2),
  }
  const mrtd = toHex(MRTD)
  const images = (change: object): GuestCase => ({
    policy: { tdx: { images: [{ ...image, mrtd, ...change }] } },
  })
  const other = '33'.repeat(48)
  const none = [...factsWith('key-provider', null)]
  return [
    rejected(
      'app-not-accepted',
      'app_not_accepted',
      'the policy names another app',
      guest({ policy: { appIds: ['11'.repeat(20)] } }),
    ),
    rejected(
      'key-provider-not-accepted',
      'key_provider_not_accepted',
      'the policy names another key provider',
      guest({ policy: { keyProviderIds: ['11'.repeat(32)] } }),
    ),
    rejected(
      'key-provider-not-named',
      'key_provider_not_accepted',
      'the guest does not say from whom it took its keys',
      guest({ facts: none, policy: { keyProviderIds: [PROVIDER_ID] } }),
    ),
    rejected('app-pinned-without-log', 'not_met', 'the policy names an app and no log is given', {
      policy: { appIds: [toHex(APP_ID)] },
    }),
    rejected(
      'image-of-another-firmware',
      'image_not_accepted',
      'the image that the policy names has another MRTD',
      guest(images({ mrtd: other })),
    ),
    rejected(
      'image-of-another-kernel',
      'image_not_accepted',
      'the image that the policy names has another RTMR1',
      guest(images({ rtmr1: other })),
    ),
    rejected(
      'image-of-another-initrd',
      'image_not_accepted',
      'the image that the policy names has another RTMR2',
      guest(images({ rtmr2: other })),
    ),
    rejected(
      'image-in-another-shape',
      'image_not_accepted',
      'the image that the policy names in another shape',
      guest(images({ rtmr0: [other] })),
    ),
    rejected(
      'image-mixed-of-two',
      'image_not_accepted',
      'firmware of one image and kernel of another',
      guest({
        policy: {
          tdx: {
            images: [
              { ...image, mrtd, rtmr1: other },
              { ...image, mrtd: other },
            ],
          },
        },
      }),
    ),
    rejected(
      'image-none-accepted',
      'image_not_accepted',
      'the policy names no image',
      guest({ policy: { tdx: { images: [] } } }),
    ),
    rejected(
      'image-hash-of-another',
      'os_image_mismatch',
      'the guest names another image than its registers are of',
      guest({
        ...images({ osImageHash: '44'.repeat(32) }),
      }),
    ),
    rejected(
      'vm-config-image-differs',
      'os_image_mismatch',
      'host and guest name different images',
      guest({ vmConfig: JSON.stringify({ os_image_hash: '55'.repeat(32) }) }),
    ),
    malformed(
      'vm-config-not-json',
      'vm_config_malformed',
      'a description that is no JSON',
      guest({ vmConfig: 'vm' }),
    ),
    malformed(
      'vm-config-member-twice',
      'vm_config_malformed',
      'a description with two image hashes',
      guest({
        vmConfig: `{"os_image_hash":"${'55'.repeat(32)}","os_image_hash":"${toHex(seeded('os image', 32))}"}`,
      }),
    ),
    malformed(
      'vm-config-hash-short',
      'vm_config_malformed',
      'an image hash of 31 bytes',
      guest({ vmConfig: JSON.stringify({ os_image_hash: '55'.repeat(31) }) }),
    ),
  ]
}

export function softwareCases(): Vector[] {
  return [...composes(), ...configIds(), ...policies()]
}
