/**
 * What a genuine quote says of its TD that no careful verifier accepts: each attribute bit, features, owners, measurements.
 * Source: Intel TDX Module Base Architecture Specification, TD attributes (bits 0 to 7 "under debug", 28 SEPT_VE_DISABLE, 29
 * MIGRATABLE, 30 PKS, 31 reserved, once KL, 63 PERFMON) and XFAM.
 *
 * @module
 */
import { BODY, bytes } from '../quote.ts'
import { accepted, rejected } from '../vector.ts'
import type { Evidence, Vector } from '../vector.ts'

const SEPT_VE_DISABLE = 28n
const HARMLESS = new Map([
  [30n, 'PKS'],
  [63n, 'PERFMON'],
])

function le64(value: bigint): Uint8Array {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, value, true)
  return out
}

function attributes(value: bigint, policy: object = {}): Evidence {
  return { quote: { put: { [BODY.tdAttributes]: le64(value) } }, policy }
}

function attributeBits(): Vector[] {
  return Array.from({ length: 64 }, (_, index) => BigInt(index)).map((bit) => {
    const id = `td-attribute-${String(bit).padStart(2, '0')}`
    const evidence = attributes((1n << SEPT_VE_DISABLE) ^ (1n << bit))
    const harmless = HARMLESS.get(bit)
    if (harmless !== undefined)
      return accepted(id, `TD attribute ${bit}, ${harmless}, is set`, evidence)
    if (bit === 0n) return rejected(id, 'td_debug', 'the TD is under debug', evidence)
    return bit === SEPT_VE_DISABLE
      ? rejected(id, 'td_sept_ve_enabled', 'SEPT_VE_DISABLE is not set', evidence)
      : rejected(id, 'td_attributes_reserved', `TD attribute ${bit} is set`, evidence)
  })
}

function xfams(): Vector[] {
  const xfam = (id: string, title: string, value: string, policy: object = {}): Vector =>
    rejected(`td-xfam-${id}`, 'td_xfam_not_accepted', title, {
      quote: { put: { [BODY.xfam]: bytes(value) } },
      policy,
    })
  return [
    xfam('zero', 'no extended feature at all', '0000000000000000'),
    xfam('without-x87', 'x87 is off', 'e602060000000000'),
    xfam('without-sse', 'SSE is off', 'e502060000000000'),
    xfam('mpx', 'MPX is on', 'ef02060000000000'),
    xfam('pasid', 'PASID is on', 'e706060000000000'),
    xfam('hdc', 'HDC is on', 'e722060000000000'),
    xfam('bit-19', 'a feature that nobody has judged', 'e7020e0000000000'),
    xfam('bit-63', 'the last bit', 'e702060000000080'),
    xfam('required-by-policy', 'the policy requires CET', 'e702060000000000', {
      tdx: { xfamRequired: '0318000000000000' },
    }),
  ]
}

const ONES = 'ff'.repeat(48)

function fields(): Vector[] {
  const put = (offset: number, value: string): Evidence => ({
    quote: { put: { [offset]: bytes(value) } },
  })
  const pin = (name: string): Evidence => ({ policy: { tdx: { [name]: ['00'.repeat(48), ONES] } } })
  const td15 = (offset: number): Evidence => ({
    quote: { version: 5, body: 'td15', put: { [offset]: bytes(ONES) } },
  })
  return [
    rejected('td-service-td', 'td_service_td', 'a service TD is bound', td15(BODY.mrServiceTd)),
    rejected('td-owner', 'mr_owner_not_accepted', 'mr_owner is set', put(BODY.mrOwner, ONES)),
    rejected(
      'td-owner-config',
      'mr_owner_not_accepted',
      'mr_owner_config is set',
      put(BODY.mrOwnerConfig, ONES),
    ),
    rejected(
      'td-owner-last-byte',
      'mr_owner_not_accepted',
      'the last byte of mr_owner is set',
      put(BODY.mrOwner + 47, '01'),
    ),
    rejected(
      'td-config-id-unknown-version',
      'mr_config_id_not_accepted',
      'mr_config_id of version 4',
      put(BODY.mrConfigId, '04'),
    ),
    rejected(
      'td-config-id-version-zero',
      'mr_config_id_not_accepted',
      'mr_config_id of version 0 that is not zero',
      put(BODY.mrConfigId + 1, '01'),
    ),
    rejected(
      'td-config-id-kind',
      'mr_config_id_not_accepted',
      'a kind of mr_config_id that the policy does not name',
      {
        ...put(BODY.mrConfigId, `01${'22'.repeat(32)}`),
        policy: { tdx: { mrConfigIdKinds: ['zero', 'v3'] } },
      },
    ),
    rejected(
      'td-config-id-pinned',
      'mr_config_id_not_accepted',
      'the policy names another mr_config_id',
      { policy: { tdx: { mrConfigIds: [ONES] } } },
    ),
    ...(['mrtd', 'rtmr0', 'rtmr1', 'rtmr2', 'rtmr3'] as const).map((name) =>
      rejected(
        `td-pinned-${name}`,
        'measurement_not_accepted',
        `the policy names another ${name}`,
        pin(`${name}s`),
      ),
    ),
    rejected('td-attribute-required', 'td_attributes_missing', 'the policy requires PKS', {
      policy: { tdx: { tdAttributesRequired: '0000005000000000' } },
    }),
    rejected(
      'td-attribute-debug-beside-others',
      'td_debug',
      'debug among harmless bits',
      attributes((1n << 28n) | (1n << 30n) | 1n),
    ),
    rejected(
      'td-attribute-debug-allowed-without-sept-ve',
      'td_sept_ve_enabled',
      'debug is allowed, SEPT_VE_DISABLE is off',
      attributes(1n, { tdx: { allowDebug: true } }),
    ),
    rejected(
      'td-attribute-debug-group',
      'td_attributes_reserved',
      'debug is allowed, another bit of its group is set',
      attributes((1n << 28n) | 3n, { tdx: { allowDebug: true } }),
    ),
    rejected(
      'td-attribute-all',
      'td_debug',
      'all attributes are set',
      attributes((1n << 64n) - 1n),
    ),
  ]
}

export function tdCases(): Vector[] {
  return [...attributeBits(), ...xfams(), ...fields()]
}
