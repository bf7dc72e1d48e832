/**
 * The certificates of a device: every one of the five exchanged, expired, with wrong flags, usages, names and keys; and what
 * binds report, firmware and device to them.
 * Source: RFC 5280 §4 and §6.1; TCG DICE Attestation Architecture 1.1 for the extension that names firmware and device.
 *
 * @module
 */
import { positiveSerial } from '../../../attestation/simulator/x509/issue-certificate.ts'
import { keyOf, seeded } from '../entropy.ts'
import { diceOf, gpuUnder, informationOf, makeChain, pemOf } from '../chain.ts'
import type { ChainChange, Level } from '../chain.ts'
import { changedGpu, element, fabricSwitch, goodGpu, gpuReport, withField } from '../report.ts'
import type { ReportChange } from '../report.ts'
import { rejected } from '../vector.ts'
import type { Case, Evidence, Vector } from '../vector.ts'
import { AT, DAY, fromHex, gpuOf, strangeGpu, STRANGER_PKI, switchOf, toHex } from '../world.ts'

const GPU = gpuOf(0)
const UNKNOWN_CRITICAL = { oid: '1.2.3.4.5', critical: true, value: fromHex('0500') }

/** A GPU under this chain, whose root is accepted. */
function under(change: ChainChange, report: ReportChange = {}, policy: object = {}): Evidence {
  const { item, chain } = gpuUnder(change, report)
  return { list: [item], policy: { nvidiaRoots: [chain.rootSha256], ...policy } }
}

/** The good chain in another order or number; the report stays. */
const chain = (...ders: readonly (Uint8Array | undefined)[]): Evidence => ({
  list: [element(gpuReport(GPU), pemOf(ders.map((der) => der ?? new Uint8Array(0))))],
})

const [LEAF, IDENTITY, PROVISIONER, PRODUCT, ROOT] = GPU.chain
const NAMES: Readonly<Record<Level, string>> = {
  leaf: 'the attestation key',
  identity: 'the device identity',
  provisioner: 'the provisioner',
  product: 'the product identity',
  root: 'the root',
}
const AUTHORITIES = ['identity', 'provisioner', 'product', 'root'] as const

function validity(): Case[] {
  return (['leaf', 'identity', 'product', 'root'] as const).flatMap((level): Case[] => [
    [
      `${level}-expired`,
      'gpu_chain_time',
      `the certificate of ${NAMES[level]} has expired`,
      under({ [level]: { notBefore: AT - 2 * DAY, notAfter: AT - 1 } }),
    ],
    [
      `${level}-future`,
      'gpu_chain_time',
      `the certificate of ${NAMES[level]} is of tomorrow`,
      under({ [level]: { notBefore: AT + 1 } }),
    ],
  ])
}

function flags(): Case[] {
  const code = 'gpu_chain_invalid'
  return [
    ...AUTHORITIES.flatMap((level): Case[] => [
      [
        `${level}-not-ca`,
        code,
        `the certificate of ${NAMES[level]} is not one of a CA`,
        under({ [level]: { ca: null } }),
      ],
      [
        `${level}-may-not-certify`,
        code,
        `the key usage of ${NAMES[level]} lacks keyCertSign`,
        under({ [level]: { keyUsage: ['crlSign'] } }),
      ],
    ]),
    [
      'leaf-is-ca',
      code,
      'the attestation key is one of a CA',
      under({ leaf: { ca: { pathLength: null } } }),
    ],
    [
      'leaf-without-usage',
      code,
      'the attestation key has no key usage',
      under({ leaf: { keyUsage: null } }),
    ],
    [
      'leaf-may-certify',
      code,
      'the attestation key may certify and not sign',
      under({ leaf: { keyUsage: ['keyCertSign'] } }),
    ],
    [
      'product-path-length-zero',
      code,
      'the product identity may have no CA below it',
      under({ product: { ca: { pathLength: 0 } } }),
    ],
    ...(['leaf', 'identity', 'root'] as const).map((level): Case => [
      `${level}-unknown-critical-extension`,
      code,
      `${NAMES[level]} has a critical extension that nobody knows`,
      under({ [level]: { more: [UNKNOWN_CRITICAL] } }),
    ]),
  ]
}

function issuers(): Case[] {
  const other = keyOf('other').privateKey
  const code = 'gpu_chain_invalid'
  return [
    ...(['leaf', 'identity', 'provisioner', 'product'] as const).flatMap((level): Case[] => [
      [
        `${level}-signed-by-stranger`,
        code,
        `${NAMES[level]} is certified by another key`,
        under({ [level]: { signer: other } }),
      ],
      [
        `${level}-issuer-name`,
        code,
        `${NAMES[level]} names another issuer`,
        under({ [level]: { issuerName: { commonName: 'SIMULATED Somebody Else' } } }),
      ],
    ]),
    ...(['leaf', 'identity', 'root'] as const).map((level): Case => [
      `${level}-p256`,
      'gpu_chain_algorithm',
      `${NAMES[level]} is on P-256`,
      under(
        { [level]: { key: keyOf(`p256 ${level}`, 'P-256') } },
        level === 'leaf' ? { template: { key: keyOf('chain leaf').privateKey } } : {},
      ),
    ]),
  ]
}

function shapes(): Case[] {
  const lookalike = makeChain({ root: { key: keyOf('look-alike root') } })
  return [
    [
      'without-root',
      'gpu_chain_length',
      'the root is missing',
      chain(LEAF, IDENTITY, PROVISIONER, PRODUCT),
    ],
    [
      'without-product',
      'gpu_chain_length',
      'the product identity is missing',
      chain(LEAF, IDENTITY, PROVISIONER, ROOT),
    ],
    ['leaf-alone', 'gpu_chain_length', 'the attestation key alone', chain(LEAF)],
    [
      'reversed',
      'gpu_chain_untrusted_root',
      'root first, leaf last',
      chain(...GPU.chain.toReversed()),
    ],
    [
      'swapped',
      'gpu_chain_invalid',
      'provisioner and product identity exchanged',
      chain(LEAF, IDENTITY, PRODUCT, PROVISIONER, ROOT),
    ],
    [
      'root-exchanged',
      'gpu_chain_untrusted_root',
      'a stranger’s root of the same name at the end',
      chain(LEAF, IDENTITY, PROVISIONER, PRODUCT, STRANGER_PKI.root),
    ],
    [
      'lower-part-exchanged',
      'gpu_chain_invalid',
      'a stranger’s device under the true root',
      {
        list: [
          element(
            gpuReport(strangeGpu()),
            pemOf([...strangeGpu().chain.slice(0, 4), ROOT ?? new Uint8Array(0)]),
          ),
        ],
      },
    ],
    [
      'of-a-stranger',
      'gpu_chain_untrusted_root',
      'a whole chain and report of somebody who runs the same simulator',
      { list: [element(gpuReport(strangeGpu()), strangeGpu().chainPem)] },
    ],
    [
      'root-lookalike',
      'gpu_chain_untrusted_root',
      'a root of the same names and serial with another key',
      {
        list: [
          element(gpuReport(GPU, { template: { key: lookalike.leafKey } }), pemOf(lookalike.ders)),
        ],
      },
    ],
  ]
}

/** What ties report, firmware, device and architecture together. */
function bindings(): Vector[] {
  const row = ([id, code, title, evidence]: Case): Vector => rejected(id, code, title, evidence)
  const stranger = keyOf('other')
  const rows: Case[] = [
    [
      'device-key-other',
      'gpu_device_key_mismatch',
      'the attestation key was made for another device key',
      under({ leaf: { deviceKey: stranger.publicKey } }),
    ],
    [
      'device-key-of-leaf',
      'gpu_device_key_mismatch',
      'the attestation key names itself as the device key',
      under({ leaf: { deviceKey: keyOf('chain leaf').publicKey } }),
    ],
    [
      'device-key-absent',
      'gpu_device_key_mismatch',
      'the attestation key names neither device key nor firmware',
      under({ leaf: { extensions: [informationOf()] } }),
    ],
    [
      'fwid-of-report',
      'gpu_fwid_mismatch',
      'the report states other firmware than the attestation key is certified for',
      { list: [changedGpu({ fields: withField(20, seeded('fwid', 48)) })] },
    ],
    [
      'fwid-of-certificate',
      'gpu_fwid_mismatch',
      'the attestation key is certified for other firmware than the report states',
      under({ leaf: { fwid: seeded('fwid', 48) } }),
    ],
    [
      'fwid-zero',
      'gpu_fwid_mismatch',
      'the report states 48 zero bytes as its firmware',
      { list: [changedGpu({ fields: withField(20, new Uint8Array(48)) })] },
    ],
    [
      'fwid-absent',
      'gpu_fwid_missing',
      'the report states no firmware, as those of the 535 branch',
      { list: [changedGpu({ fields: withField(20, null) })] },
    ],
    [
      'arch-gpu-as-switch',
      'gpu_arch_mismatch',
      'a GPU that is listed as a switch',
      { list: [{ ...goodGpu(), arch: 'LS10' }] },
    ],
    [
      'arch-switch-as-gpu',
      'gpu_arch_mismatch',
      'a switch that is listed as a GPU',
      { list: [{ ...fabricSwitch(switchOf(0)), arch: 'HOPPER' }] },
    ],
    [
      'arch-model-other',
      'gpu_arch_mismatch',
      'the device identity is of another chip',
      under({ identity: { commonName: 'GB100 A01 GSP BROM SIMULATED' } }),
    ],
    [
      'arch-31-blocks',
      'gpu_arch_mismatch',
      'a GPU that reports 31 blocks',
      {
        list: [
          changedGpu({
            template: {
              measurements: Array.from({ length: 31 }, (_, i) => seeded(`block ${i}`, 48)),
            },
          }),
        ],
      },
    ],
    [
      'serial-of-identity',
      'gpu_serials_invalid',
      'the serial of the device identity is no device number',
      under({ identity: { serial: Uint8Array.of(0x40, ...seeded('serial', 15)) } }),
    ],
    [
      'serial-of-leaf',
      'gpu_serials_invalid',
      'the serial of the attestation key is not that of its key',
      under({ leaf: { serial: positiveSerial(seeded('serial', 20)) } }),
    ],
    [
      'device-information-other-chip',
      'gpu_serials_invalid',
      'the attestation key is named as one of a switch',
      under({ leaf: { extensions: [informationOf('LS_10'), diceOf()] } }),
    ],
    [
      'device-information-absent',
      'gpu_serials_invalid',
      'the attestation key names no device',
      under({ leaf: { extensions: [diceOf()] } }),
    ],
    [
      'simulation-not-allowed',
      'simulation_not_allowed',
      'simulated roots are not allowed, though this one is listed',
      { policy: { allowSimulated: false } },
    ],
    [
      'simulation-unlisted',
      'gpu_chain_untrusted_root',
      'simulated roots are allowed and this one is not listed',
      { policy: { nvidiaRoots: [toHex(STRANGER_PKI.rootSha256)] } },
    ],
  ]
  return rows.map(row)
}

export function deviceChainCases(): Vector[] {
  const rows = [...validity(), ...flags(), ...issuers(), ...shapes()]
  return [
    ...rows.map(([id, code, title, evidence]) =>
      rejected(`device-chain-${id}`, code, title, evidence),
    ),
    ...bindings(),
  ]
}
