/**
 * Evidence that a verifier must accept: every era, mode, number of devices, margin and spelling that the formats allow. A verifier
 * that refuses these locks out honest machines.
 *
 * @module
 */
import {
  driverRim,
  switchRim,
  vbiosRim,
} from '../../../attestation/simulator/nvidia/create-gpu-collateral.ts'
import {
  SIMULATED_GPU_FIRMWARE,
  SIMULATED_SWITCH_FIRMWARE,
  SIMULATED_SXM_FIRMWARE,
} from '../../../attestation/simulator/nvidia/simulated-firmware.ts'
import type { GpuCollateral } from '../../../attestation/protocol/gpu-collateral.ts'
import { createGpuCollateral } from '../../../attestation/simulator/nvidia/create-gpu-collateral.ts'
import { keyOf, seeded, seededEntropy } from '../entropy.ts'
import { gpuUnder } from '../chain.ts'
import type { ChainChange } from '../chain.ts'
import {
  deviceResponses,
  makeResponder,
  ocspResponse,
  responses,
  rimResponses,
  SUBJECTS,
} from '../ocsp.ts'
import { changedGpu, fabricList, goodGpu, withField } from '../report.ts'
import { DRIVER_TEMPLATE, RIM_IDS, rims, rimText, VBIOS_TEMPLATE, vbiosFile } from '../rim.ts'
import type { RimChange } from '../rim.ts'
import { accepted } from '../vector.ts'
import type { Evidence, Vector } from '../vector.ts'
import { AT, base64, DAY, HOUR, NONCE, PKI, RIMS, toHex } from '../world.ts'
import { HOLD } from './revocation.ts'

const both = rims(
  [RIM_IDS.driver, rimText(DRIVER_TEMPLATE)],
  [RIM_IDS.vbios, rimText(VBIOS_TEMPLATE)],
)
const ALL = ['rim_driver', 'rim_vbios', 'measurements', 'ocsp', 'rim_ocsp']
const everything = (kind: string): string[] => ALL.map((step) => `${kind}.*.${step}`)

function fileOf({ id, bytes }: { id: string; bytes: Uint8Array }): { id: string; rim: string } {
  return { id, rim: base64(bytes) }
}

/** As the RIM service serves it, all 64 resources, with every response. */
const whole = (): GpuCollateral => ({
  rims: [
    fileOf(driverRim(RIMS, SIMULATED_GPU_FIRMWARE, seededEntropy)),
    fileOf(vbiosRim(RIMS, SIMULATED_GPU_FIRMWARE, seededEntropy)),
  ],
  ocsp: responses(...deviceResponses(), ...rimResponses()).ocsp,
})

const xml = (change: RimChange): Evidence => ({
  collateral: vbiosFile(change),
  policy: { require: ['gpu.*.rim_vbios'] },
})
const ocsp = (ders: readonly Uint8Array[], gpuPolicy: object = {}): Evidence => ({
  collateral: responses(...ders),
  gpuPolicy,
  policy: { require: ['gpu.*.ocsp'] },
})

function machines(): Vector[] {
  const { gpus, switches } = fabricList()
  const list = [...gpus, ...switches]
  const old = { ...SIMULATED_GPU_FIRMWARE, driver: '535.86.09' }
  const fabric: GpuCollateral = createGpuCollateral(PKI, RIMS, AT)
  return [
    accepted('ok-one-gpu', 'one GPU without collateral', { gpus: 1 }),
    accepted('ok-one-gpu-everything', 'one GPU with both RIM files and every OCSP response', {
      gpus: 1,
      collateral: whole(),
      policy: { require: [...everything('gpu'), 'gpu.count'] },
    }),
    accepted('ok-two-gpus', 'two GPUs of one machine', { list: [goodGpu(0), goodGpu(1)], gpus: 2 }),
    accepted('ok-eight-gpus-four-switches', 'a board in protected PCIe mode', {
      list,
      gpus: 8,
      gpuPolicy: { switches: 4, modes: ['protected-pcie'] },
      policy: { require: ['gpu.topology', 'switch.count'] },
    }),
    accepted(
      'ok-eight-gpus-four-switches-everything',
      'a board in protected PCIe mode with all RIM files and OCSP responses',
      {
        list,
        gpus: 8,
        collateral: fabric,
        gpuPolicy: { switches: 4 },
        policy: {
          require: [
            ...everything('gpu'),
            ...everything('switch').filter((id) => !id.includes('driver')),
            'gpu.topology',
          ],
        },
      },
    ),
    accepted('ok-switches-first', 'the switches before the GPUs in the list', {
      list: [...switches, ...gpus],
      gpus: 8,
      policy: { require: ['gpu.topology'] },
    }),
    accepted('ok-driver-550', 'a driver of the 550 branch, whose reports state no mode', {
      list: [changedGpu({ firmware: { ...SIMULATED_GPU_FIRMWARE, driver: '550.90.07' } })],
    }),
    accepted('ok-driver-570', 'a driver of the 570 branch', {
      list: [changedGpu({ firmware: { ...SIMULATED_GPU_FIRMWARE, driver: '570.86.10' } })],
      gpuPolicy: { minDriver: '550.54.14' },
    }),
    accepted(
      'ok-driver-535',
      'a driver of the 535 branch without firmware identity, which the policy allows',
      {
        list: [
          changedGpu({
            firmware: old,
            fields: (all) => all.filter(([type]) => type !== 20 && type !== 21),
          }),
        ],
        gpuPolicy: { requireFwid: false },
      },
    ),
    accepted('ok-field-unknown', 'an opaque field that nobody knows', {
      list: [changedGpu({ fields: withField(200, seeded('field', 9)) })],
    }),
    accepted(
      'ok-chain-of-other-keys',
      'another GPU of the same vendor under another root',
      under(),
    ),
    accepted(
      'ok-root-not-self-signed',
      'a listed root that another key signed: of a trust anchor no signature is verified (RFC 5280 §6.1)',
      under({ root: { signer: keyOf('other').privateKey } }),
    ),
    accepted('ok-policy-exact', 'driver, VBIOS, model and serial named by the policy', {
      gpuPolicy: {
        drivers: ['580.159.03'],
        minDriver: '580.159.03',
        vbioses: ['96.00.9F.00.01'],
        minVbios: '96.00.9F.00.01',
        hardwareModels: ['GH100 A01 GSP BROM SIMULATED'],
        gpuSerials: [`41${toHex(PKI.gpus[0]?.pdi ?? new Uint8Array(0))}`],
        modes: ['single-pass-through'],
      },
    }),
    accepted('ok-file-of-collector', 'a file of nvattest', {
      file: {
        result_code: 0,
        result_message: 'Ok',
        evidences: [{ ...goodGpu(), nonce: toHex(NONCE) }],
      },
    }),
    accepted('ok-file-of-service', 'a request to the remote attestation service', {
      file: { nonce: toHex(NONCE), arch: 'HOPPER', evidence_list: [goodGpu()] },
    }),
  ]
}

function under(change: ChainChange = {}): Evidence {
  const { item, chain } = gpuUnder(change)
  return { list: [item], policy: { nvidiaRoots: [chain.rootSha256] } }
}

function files(): Vector[] {
  const after = (change: (text: string) => string): RimChange => ({ after: change })
  return [
    accepted('ok-rim-vbios', 'the VBIOS’s file alone', xml({})),
    accepted('ok-rim-both', 'both files', {
      collateral: both,
      policy: { require: ['gpu.*.rim_driver', 'gpu.*.rim_vbios', 'gpu.*.measurements'] },
    }),
    accepted(
      'ok-rim-declaration',
      'an XML declaration',
      xml(after((text) => `<?xml version="1.0" encoding="UTF-8"?>\n${text}`)),
    ),
    accepted(
      'ok-rim-attribute-order',
      'attributes in another order, which canonical XML sorts',
      xml(
        after((text) => text.replace('corpus="false" name="GH100"', 'name="GH100" corpus="false"')),
      ),
    ),
    accepted(
      'ok-rim-quotes',
      'single quotes, which canonical XML makes double',
      xml(after((text) => text.replace('corpus="false"', "corpus='false'"))),
    ),
    accepted(
      'ok-rim-end-tags',
      'an end tag where the file has an empty element',
      xml(after((text) => text.replace(/(<ns0:Entity [^>]*)\/>/, '$1></ns0:Entity>'))),
    ),
    accepted(
      'ok-rim-spaces-in-tags',
      'white space inside a tag',
      xml(after((text) => text.replace(/(<ns0:Entity [^>]*)\/>/, '$1  />'))),
    ),
    accepted(
      'ok-rim-character-reference',
      'a character reference, which canonical XML resolves',
      xml(after((text) => text.replace('role="softwareCreator', 'role="&#115;oftwareCreator'))),
    ),
    accepted(
      'ok-rim-hex-upper-case',
      'golden values in upper case, signed so',
      xml({
        tag: (tag) => upperHashes(tag),
      }),
    ),
    accepted('ok-rim-indexes-64', 'a file of all 64 indexes', {
      collateral: rims([
        RIM_IDS.vbios,
        Buffer.from(vbiosRim(RIMS, SIMULATED_GPU_FIRMWARE, seededEntropy).bytes).toString('utf8'),
      ]),
      policy: { require: ['gpu.*.rim_vbios'] },
    }),
    accepted('ok-measurement-allowed', 'a measurement differs that the policy allows', {
      list: [changedGpu({ measurements: { 9: seeded('measurement evil', 48) } })],
      collateral: vbiosFile(),
      gpuPolicy: { allowedMismatches: [9] },
    }),
    accepted('ok-measurement-inactive', 'a measurement that no file speaks of', {
      list: [changedGpu({ measurements: { 50: seeded('measurement any', 48) } })],
      collateral: both,
    }),
    accepted(
      'ok-rim-expired-in-grace',
      'a file whose signer has expired, within the grace of the policy',
      {
        ...xml({}),
        at: AT + 800 * DAY,
        gpuPolicy: { rimGraceS: 100 * DAY },
      },
    ),
    accepted('ok-switch-file', 'a board of which only the switches’ file is at hand', {
      list: [...fabricList().gpus, ...fabricList().switches],
      collateral: {
        rims: [fileOf(switchRim(RIMS, SIMULATED_SWITCH_FIRMWARE, seededEntropy))],
        ocsp: [],
      },
      policy: { require: ['switch.*.rim_vbios'] },
    }),
    accepted('ok-sxm-file', 'one GPU of a board, with the files of its own board', {
      list: fabricList().gpus.slice(0, 1),
      collateral: {
        rims: [
          fileOf(driverRim(RIMS, SIMULATED_SXM_FIRMWARE, seededEntropy)),
          fileOf(vbiosRim(RIMS, SIMULATED_SXM_FIRMWARE, seededEntropy)),
        ],
        ocsp: [],
      },
      policy: { require: ['gpu.*.rim_driver', 'gpu.*.rim_vbios'] },
    }),
  ]
}

function upperHashes(element: Parameters<NonNullable<RimChange['tag']>>[0]): typeof element {
  return {
    ...element,
    attributes: (element.attributes ?? []).map(
      ([name, value]) => [name, name.includes(':Hash') ? value.toUpperCase() : value] as const,
    ),
    children: (element.children ?? []).map((child) =>
      typeof child === 'string' ? child : upperHashes(child),
    ),
  }
}

function revocation(): Vector[] {
  const { identity } = SUBJECTS
  const noIdentity = deviceResponses({ identity: null })
  const one = (change: Parameters<typeof ocspResponse>[1]): Uint8Array[] => [
    ocspResponse(identity, change),
    ...noIdentity,
  ]
  return [
    accepted('ok-ocsp', 'a good answer on each certificate', ocsp(deviceResponses())),
    accepted('ok-ocsp-sha1', 'certificates named by SHA-1', ocsp(one({ hash: 'sha1' }))),
    accepted('ok-ocsp-sha256', 'certificates named by SHA-256', ocsp(one({ hash: 'sha256' }))),
    accepted(
      'ok-ocsp-with-nonce',
      'an answer to somebody’s request with a nonce',
      ocsp(one({ nonce: seeded('ocsp nonce', 32) })),
    ),
    accepted(
      'ok-ocsp-without-end',
      'an answer without an end, an hour old to the second',
      ocsp(one({ thisUpdate: AT - HOUR, nextUpdate: null })),
    ),
    accepted(
      'ok-ocsp-last-second',
      'an answer until this second',
      ocsp(one({ thisUpdate: AT - DAY, nextUpdate: AT })),
    ),
    accepted(
      'ok-ocsp-in-grace',
      'an answer until an hour ago, within the grace of the policy',
      ocsp(one({ thisUpdate: AT - DAY, nextUpdate: AT - HOUR }), { ocspGraceS: HOUR }),
    ),
    accepted(
      'ok-ocsp-hold-allowed',
      'the device identity is on hold, which the policy allows',
      ocsp(one({ status: HOLD }), { allowHold: true }),
    ),
    accepted(
      'ok-ocsp-by-issuer',
      'the issuer signs itself',
      ocsp(one({ responder: identity.issuer, template: { certificates: [] } })),
    ),
    accepted(
      'ok-ocsp-responder-by-key',
      'the responder named by its key',
      ocsp(one({ template: { responderId: 'key' } })),
    ),
    accepted(
      'ok-ocsp-other-enclosed-first',
      'the certificate of somebody else enclosed before the responder’s',
      ocsp(
        one({
          template: {
            certificates: [identity.issuer.der, makeResponder(identity.issuer).der],
          },
        }),
      ),
    ),
    accepted(
      'ok-ocsp-answers-for-many',
      'one response about two devices',
      ocsp(
        one({
          more: [
            {
              subject: {
                issuer: identity.issuer,
                serial: PKI.gpus[1]?.identity.serial ?? identity.serial,
              },
              status: { kind: 'good' },
              thisUpdate: new Date((AT - HOUR) * 1000),
              nextUpdate: new Date((AT + DAY) * 1000),
            },
          ],
        }),
      ),
    ),
    accepted('ok-ocsp-of-rim', 'good answers on the signer of a file and those above it', {
      collateral: { ...vbiosFile(), ocsp: responses(...rimResponses()).ocsp },
    }),
  ]
}

export function acceptedCases(): Vector[] {
  return [...machines(), ...files(), ...revocation()]
}
