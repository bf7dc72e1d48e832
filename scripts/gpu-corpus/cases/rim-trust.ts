/**
 * RIM files in good form that are signed by the wrong people, for the wrong firmware, or that the device does not match.
 *
 * @module
 */
import type { RimResource } from '../../../attestation/simulator/nvidia/build-rim.ts'
import {
  SIMULATED_GPU_FIRMWARE,
  switchRimTemplate,
  SIMULATED_SWITCH_FIRMWARE,
  vbiosRimTemplate,
} from '../../../attestation/simulator/nvidia/simulated-firmware.ts'
import type { XmlElement } from '../../../attestation/simulator/nvidia/xml-element.ts'
import { keyOf, seeded } from '../entropy.ts'
import { changedGpu, withField } from '../report.ts'
import {
  DRIVER_TEMPLATE,
  RIM_IDS,
  rimChain,
  rims,
  rimText,
  VBIOS_TEMPLATE,
  vbiosFile,
} from '../rim.ts'
import type { RimChainChange, RimChange } from '../rim.ts'
import { rejected, unsupported } from '../vector.ts'
import type { Case, Evidence, Vector } from '../vector.ts'
import { AT, DAY, fromHex, RIMS, STRANGER_RIMS } from '../world.ts'

const UNKNOWN_CRITICAL = { oid: '1.2.3.4.5', critical: true, value: fromHex('0500') }

const file = (change: RimChange): Evidence => ({ collateral: vbiosFile(change) })

/** A file under this chain, whose root is accepted. */
function under(change: RimChainChange): Evidence {
  const { pki, rootSha256 } = rimChain(change)
  return { ...file({ signing: { pki } }), gpuPolicy: { rimRoots: [rootSha256] } }
}

/** The good signer's signature beside these certificates. */
const beside = (...chain: readonly Uint8Array[]): Evidence =>
  file({ signing: { pki: { chain, signer: RIMS.signer } } })

function chains(): Case[] {
  const { signer, l3, ca, root } = RIMS
  const other = keyOf('other').privateKey
  const invalid = 'rim_chain_invalid'
  return [
    ['without-root', 'rim_chain_length', 'the root is missing', beside(signer.der, l3.der, ca.der)],
    ['signer-alone', 'rim_chain_length', 'the signer alone', beside(signer.der)],
    [
      'one-more',
      'rim_chain_length',
      'a certificate of a stranger behind the root',
      beside(...RIMS.chain, STRANGER_RIMS.root.der),
    ],
    [
      'of-a-stranger',
      'rim_chain_untrusted_root',
      'a whole file of somebody who runs the same simulator',
      file({ signing: { pki: STRANGER_RIMS } }),
    ],
    [
      'root-exchanged',
      'rim_chain_untrusted_root',
      'a stranger’s root of the same name at the end',
      beside(signer.der, l3.der, ca.der, STRANGER_RIMS.root.der),
    ],
    [
      'lower-part-exchanged',
      invalid,
      'a stranger’s signer under the true root',
      file({
        signing: {
          pki: {
            chain: [...STRANGER_RIMS.chain.slice(0, 3), root.der],
            signer: STRANGER_RIMS.signer,
          },
        },
      }),
    ],
    [
      'swapped',
      invalid,
      'the two between signer and root exchanged',
      beside(signer.der, ca.der, l3.der, root.der),
    ],
    [
      'root-not-accepted',
      'rim_chain_untrusted_root',
      'the policy accepts another root',
      {
        ...file({}),
        gpuPolicy: { rimRoots: ['00'.repeat(32)] },
      },
    ],
    [
      'l3-p256',
      'rim_chain_algorithm',
      'an authority on P-256',
      under({ l3: { key: keyOf('p256 l3', 'P-256') } }),
    ],
    [
      'root-p256',
      'rim_chain_algorithm',
      'a root on P-256',
      under({ root: { key: keyOf('p256 root', 'P-256') } }),
    ],
    ...(['signer', 'l3', 'ca', 'root'] as const).map((level): Case => [
      `${level}-expired`,
      'rim_chain_time',
      `the certificate of the ${level} has expired`,
      under({ [level]: { notBefore: AT - 2 * DAY, notAfter: AT - 1 } }),
    ]),
    [
      'signer-future',
      'rim_chain_time',
      'the signer is of tomorrow',
      under({ signer: { notBefore: AT + 1 } }),
    ],
    ...(['l3', 'ca', 'root'] as const).map((level): Case => [
      `${level}-not-ca`,
      invalid,
      `the certificate of the ${level} is not one of a CA`,
      under({ [level]: { ca: null } }),
    ]),
    [
      'l3-may-not-certify',
      invalid,
      'the key usage of the l3 lacks keyCertSign',
      under({ l3: { keyUsage: ['crlSign'] } }),
    ],
    [
      'signer-is-ca',
      invalid,
      'the signer is a CA',
      under({ signer: { ca: { pathLength: null } } }),
    ],
    [
      'signer-may-not-sign',
      invalid,
      'the signer may not sign data',
      under({ signer: { keyUsage: ['crlSign'] } }),
    ],
    [
      'signer-without-usage',
      invalid,
      'the signer has no key usage',
      under({ signer: { keyUsage: null } }),
    ],
    [
      'ca-path-length-zero',
      invalid,
      'the CA may have none below it',
      under({ ca: { ca: { pathLength: 0 } } }),
    ],
    [
      'signer-signed-by-stranger',
      invalid,
      'the signer is certified by another key',
      under({ signer: { signer: other } }),
    ],
    [
      'l3-issuer-name',
      invalid,
      'the l3 names another issuer',
      under({ l3: { issuerName: { commonName: 'SIMULATED Somebody Else' } } }),
    ],
    [
      'signer-unknown-critical-extension',
      invalid,
      'the signer has a critical extension that nobody knows',
      under({ signer: { more: [UNKNOWN_CRITICAL] } }),
    ],
  ]
}

const OTHER_VBIOS = { ...SIMULATED_GPU_FIRMWARE, vbios: '96.00.9F.00.02' }

function setAttribute(element: XmlElement, of: string, name: string, value: string): XmlElement {
  return {
    ...element,
    ...(element.name === of
      ? {
          attributes: (element.attributes ?? []).map(
            (one) => [one[0], one[0] === name ? value : one[1]] as const,
          ),
        }
      : {}),
    children: (element.children ?? []).map((child) =>
      typeof child === 'string' ? child : setAttribute(child, of, name, value),
    ),
  }
}

/** Genuine files for something else. */
function fits(): Vector[] {
  const driver = rimText(DRIVER_TEMPLATE)
  const other = rimText({ ...VBIOS_TEMPLATE, version: OTHER_VBIOS.vbios })
  const row = ([id, code, title, evidence]: Case): Vector =>
    rejected(`rim-fit-${id}`, code, title, evidence)
  const rows: Case[] = [
    [
      'driver-in-place-of-vbios',
      'rim_kind_mismatch',
      'the driver’s file under the id of the VBIOS',
      { collateral: rims([RIM_IDS.vbios, driver]) },
    ],
    [
      'vbios-in-place-of-driver',
      'rim_kind_mismatch',
      'the VBIOS’s file under the id of the driver',
      { collateral: rims([RIM_IDS.driver, rimText(VBIOS_TEMPLATE)]) },
    ],
    [
      'switch-in-place-of-vbios',
      'rim_kind_mismatch',
      'the file of a switch under the id of the VBIOS',
      { collateral: rims([RIM_IDS.vbios, rimText(switchRimTemplate(SIMULATED_SWITCH_FIRMWARE))]) },
    ],
    [
      'vbios-of-other-version',
      'rim_version_mismatch',
      'the file of another VBIOS under the id of this one',
      { collateral: rims([RIM_IDS.vbios, other]) },
    ],
    [
      'driver-of-other-version',
      'rim_version_mismatch',
      'the file of another driver under the id of this one',
      {
        collateral: rims([RIM_IDS.driver, rimText({ ...DRIVER_TEMPLATE, version: '580.159.04' })]),
      },
    ],
    [
      'driver-version-prefix',
      'rim_version_mismatch',
      'the file of a driver whose version begins with this one’s',
      {
        collateral: rims([RIM_IDS.driver, rimText({ ...DRIVER_TEMPLATE, version: '580.159.030' })]),
      },
    ],
    [
      'under-another-id',
      'not_met',
      'the right file under an id that nobody asks for',
      {
        collateral: rims(['NV_GPU_VBIOS_1010_0200_882_96009F0002', rimText(VBIOS_TEMPLATE)]),
        policy: { require: ['gpu.*.rim_vbios'] },
      },
    ],
    [
      'board-not-named',
      'gpu_rim_unnamed',
      'the report names no project, so that no file can be asked for',
      {
        list: [changedGpu({ fields: withField(17, null) })],
        collateral: vbiosFile(),
      },
    ],
  ]
  return [
    ...rows.map(row),
    unsupported('rim-fit-product', 'rim_unsupported', 'a genuine file for another chip', {
      collateral: vbiosFile({
        tag: (tag) => setAttribute(tag, 'ns0:Meta', 'product', 'GB100'),
      }),
    }),
  ]
}

const value = (name: string): Uint8Array => seeded(`measurement ${name}`, 48)
const resource = (...alternatives: readonly Uint8Array[]): RimResource => ({
  active: true,
  alternatives,
})

/** What was measured against what was published. */
function comparisons(): Case[] {
  const code = 'rim_measurement_mismatch'
  const measured = (measurements: Readonly<Record<number, Uint8Array>>): Evidence => ({
    list: [changedGpu({ measurements })],
    collateral: vbiosFile(),
  })
  const golden = vbiosRimTemplate(SIMULATED_GPU_FIRMWARE).resources.map(
    ({ alternatives }) => alternatives[0] ?? new Uint8Array(48),
  )
  const at = (index: number): Uint8Array => golden[index] ?? new Uint8Array(48)
  return [
    ['other-firmware', code, 'a measurement that nobody published', measured({ 9: value('evil') })],
    ['first-index', code, 'measurement 0, which has to be zero', measured({ 0: value('evil') })],
    [
      'last-index',
      code,
      'measurement 12, of whose four values it has none',
      measured({ 12: value('evil') }),
    ],
    ['zero', code, 'a measurement that was not made', measured({ 4: new Uint8Array(48) })],
    [
      'one-bit',
      code,
      'a measurement that differs in one bit',
      measured({ 6: at(6).map((b, i) => (i === 47 ? b ^ 1 : b)) }),
    ],
    ['exchanged', code, 'two measurements exchanged', measured({ 3: at(4), 4: at(3) })],
    [
      'value-of-another-index',
      code,
      'a value that is good at another index',
      measured({ 9: at(11) }),
    ],
    [
      'other-golden-value',
      code,
      'the file has another value than the device',
      { collateral: vbiosFile({ resources: { 2: resource(value('other')) } }) },
    ],
    [
      'index-missing',
      code,
      'the file speaks of measurement 66, the device has 64',
      { collateral: vbiosFile({ resources: { 66: resource(value('66')) } }) },
    ],
    [
      'index-missing-zero',
      code,
      'the file says that measurement 64 is zero, the device has none',
      { collateral: vbiosFile({ resources: { 64: resource(new Uint8Array(48)) } }) },
    ],
    [
      'nothing-active',
      'rim_nothing_compared',
      'a file that speaks of no measurement',
      {
        collateral: vbiosFile({
          template: {
            resources: [{ active: false, alternatives: [new Uint8Array(48)] }],
          },
        }),
      },
    ],
    [
      'allowed-another',
      code,
      'measurement 9 differs and the policy allows 7',
      { ...measured({ 9: value('evil') }), gpuPolicy: { allowedMismatches: [7] } },
    ],
    [
      'allowed-one-of-two',
      code,
      'measurements 9 and 11 differ and the policy allows 9',
      {
        ...measured({ 9: value('evil'), 11: value('evil') }),
        gpuPolicy: { allowedMismatches: [9] },
      },
    ],
    [
      'overlap',
      'rim_index_overlap',
      'driver and VBIOS both speak of measurement 7',
      {
        collateral: rims(
          [RIM_IDS.driver, rimText(DRIVER_TEMPLATE)],
          [
            RIM_IDS.vbios,
            rimText(VBIOS_TEMPLATE, {
              resources: { 7: DRIVER_TEMPLATE.resources[7] ?? resource(value('7')) },
            }),
          ],
        ),
      },
    ],
    [
      'driver-measurement',
      code,
      'a measurement of the driver that nobody published',
      {
        list: [changedGpu({ measurements: { 30: value('evil') } })],
        collateral: rims([RIM_IDS.driver, rimText(DRIVER_TEMPLATE)]),
      },
    ],
    [
      'decoder-on',
      code,
      'measurement 35 differs, and the video decoder is on',
      {
        list: [changedGpu({ fields: withField(11, Uint8Array.of(0xaa)) })],
        collateral: rims([RIM_IDS.driver, rimText(DRIVER_TEMPLATE)]),
      },
    ],
    [
      'decoder-unstated',
      code,
      'measurement 35 differs, and the report says nothing of the video decoder',
      {
        list: [changedGpu({ fields: withField(11, null) })],
        collateral: rims([RIM_IDS.driver, rimText(DRIVER_TEMPLATE)]),
      },
    ],
  ]
}

export function rimTrustCases(): Vector[] {
  const row =
    (prefix: string) =>
    ([id, code, title, evidence]: Case): Vector =>
      rejected(`${prefix}${id}`, code, title, evidence)
  return [...chains().map(row('rim-chain-')), ...fits(), ...comparisons().map(row('measurement-'))]
}
