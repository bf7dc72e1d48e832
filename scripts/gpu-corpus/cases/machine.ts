/**
 * What must hold among the devices of one machine, and what a policy says of them: number, difference, likeness, the fabric
 * of eight GPUs and four switches, versions, modes, identities.
 *
 * @module
 */
import type { GpuEvidence } from '../../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import { SIMULATED_GPU_FIRMWARE } from '../../../attestation/simulator/nvidia/simulated-firmware.ts'
import { seeded } from '../entropy.ts'
import { changedGpu, fabricGpu, fabricList, fabricSwitch, goodGpu, withField } from '../report.ts'
import type { ReportChange } from '../report.ts'
import { malformed, rejected } from '../vector.ts'
import type { Case, Evidence, Vector } from '../vector.ts'
import { gpuElsewhere, gpuOf, PKI, switchOf, toHex } from '../world.ts'

/** Only fewer devices than a board has, or two that are one, take the list apart; the reports are what they should be. */
function lists(): Case[] {
  const again = changedGpu({ template: { responderNonce: seeded('again', 32) } })
  return [
    ['duplicate-element', 'gpu_duplicate', 'one element twice', { list: [goodGpu(), goodGpu()] }],
    [
      'duplicate-gpu-two-reports',
      'gpu_duplicate',
      'two reports of one GPU',
      { list: [goodGpu(), again], gpus: 2 },
    ],
    [
      'duplicate-among-three',
      'gpu_duplicate',
      'the third element is the first GPU again',
      { list: [goodGpu(0), goodGpu(1), again], gpus: 3 },
    ],
    ['count-less', 'gpu_count_mismatch', 'one GPU of two', { gpus: 2 }],
    [
      'count-more',
      'gpu_count_mismatch',
      'two GPUs of one',
      { list: [goodGpu(0), goodGpu(1)], gpus: 1 },
    ],
    ['count-none', 'gpu_count_mismatch', 'no GPU of one', { list: [], gpus: 1 }],
    [
      'count-switch-is-no-gpu',
      'gpu_count_mismatch',
      'a GPU and a switch where two GPUs are expected',
      { list: [goodGpu(), fabricSwitch(switchOf(0))], gpus: 2 },
    ],
    [
      'mixed-driver',
      'gpu_mixed',
      'two GPUs with different drivers',
      {
        list: [
          goodGpu(0),
          changedGpu({ firmware: { ...SIMULATED_GPU_FIRMWARE, driver: '580.105.08' } }, gpuOf(1)),
        ],
      },
    ],
    [
      'mixed-vbios',
      'gpu_mixed',
      'two GPUs with different VBIOS',
      {
        list: [
          goodGpu(0),
          changedGpu(
            { firmware: { ...SIMULATED_GPU_FIRMWARE, vbios: '96.00.9F.00.02' } },
            gpuOf(1),
          ),
        ],
      },
    ],
    [
      'mixed-feature-flag',
      'gpu_mixed',
      'one GPU passed through alone and one with others',
      {
        list: [goodGpu(0), changedGpu({ fields: withField(36, Uint8Array.of(1, 0)) }, gpuOf(1))],
      },
    ],
    [
      'one-bad-of-two',
      'gpu_signature_invalid',
      'a good GPU and one whose report is not signed',
      {
        list: [
          goodGpu(0),
          changedGpu(
            { after: (report) => report.map((b, i) => (i === 500 ? b ^ 1 : b)) },
            gpuOf(1),
          ),
        ],
        gpus: 2,
      },
    ],
  ]
}

interface Board {
  readonly gpus: GpuEvidence[]
  readonly switches: GpuEvidence[]
}

/** The machine with switches, changed. */
function board(change: (board: Board) => void): Evidence {
  const whole = fabricList()
  change(whole)
  return { list: [...whole.gpus, ...whole.switches] }
}

const pdiOf = (index: number): Uint8Array => gpuOf(index).pdi

/** The field of switches in a GPU, in which each stands byte-reversed. */
const linksTo = (pdis: readonly Uint8Array[]): Uint8Array =>
  Buffer.concat(
    Array.from({ length: 18 }, (_, i) => (pdis[i % pdis.length] ?? new Uint8Array(8)).toReversed()),
  )

function topology(): Case[] {
  const code = 'gpu_topology_mismatch'
  const foreign = seeded('pdi of a device elsewhere', 8)
  const switches = PKI.switches.map(({ pdi }) => pdi)
  const gpu = (index: number, change: ReportChange): Evidence =>
    board((whole) => {
      whole.gpus[index] = fabricGpu(gpuOf(index), change)
    })
  const device = (index: number, change: ReportChange): Evidence =>
    board((whole) => {
      whole.switches[index] = fabricSwitch(switchOf(index), change)
    })
  const ports = (pdis: readonly Uint8Array[]): Uint8Array =>
    Buffer.concat([...pdis, new Uint8Array(64).fill(0xff)])
  return [
    [
      'gpu-substituted',
      code,
      'a genuine GPU of another machine, which says it hangs on these switches, in place of the fourth',
      board((whole) => {
        whole.gpus[3] = fabricGpu(gpuElsewhere())
      }),
    ],
    [
      'switch-names-other-gpu',
      code,
      'a switch that holds a GPU which is not listed',
      device(2, {
        fields: withField(26, ports([...PKI.gpus.slice(0, 7).map(({ pdi }) => pdi), foreign])),
      }),
    ],
    [
      'switch-names-gpu-twice',
      code,
      'a switch that holds one GPU twice and another not at all',
      device(1, {
        fields: withField(26, ports([...PKI.gpus.slice(0, 7).map(({ pdi }) => pdi), pdiOf(0)])),
      }),
    ],
    [
      'switch-names-itself-otherwise',
      code,
      'a switch that reports another number than it is certified under',
      device(0, { fields: withField(22, foreign) }),
    ],
    [
      'gpu-names-other-switch',
      code,
      'a GPU that hangs on a switch which is not listed',
      gpu(5, { fields: withField(22, linksTo([...switches.slice(0, 3), foreign])) }),
    ],
    [
      'gpu-names-fewer-switches',
      code,
      'a GPU that hangs on three of the four switches',
      gpu(4, { fields: withField(22, linksTo(switches.slice(0, 3))) }),
    ],
    [
      'gpu-names-straight',
      code,
      'a GPU that names its switches in the byte order of the certificates',
      gpu(2, {
        fields: withField(22, linksTo(switches.map((pdi) => Uint8Array.from(pdi.toReversed())))),
      }),
    ],
    [
      'switch-missing',
      code,
      'three switches of four',
      board((whole) => {
        whole.switches.pop()
      }),
    ],
    [
      'switches-missing',
      'gpu_switches_missing',
      'two GPUs in protected PCIe mode without a switch',
      { list: fabricList().gpus.slice(0, 2) },
    ],
    [
      'switch-count',
      'switch_count_mismatch',
      'one GPU in protected PCIe mode where four switches are expected',
      { list: fabricList().gpus.slice(0, 1), gpuPolicy: { switches: 4 } },
    ],
    [
      'switch-signature',
      'gpu_signature_invalid',
      'a switch whose report was changed after it was signed',
      {
        list: [
          ...fabricList().gpus.slice(0, 1),
          fabricSwitch(switchOf(0), {
            after: (report) => report.map((b, i) => (i === 60 ? b ^ 4 : b)),
          }),
        ],
      },
    ],
    [
      'switch-nonce',
      'gpu_nonce_mismatch',
      'a switch that answers another nonce',
      { list: [fabricSwitch(switchOf(0), { nonce: seeded('old nonce', 32) })] },
    ],
  ]
}

const policy = (gpuPolicy: object): Evidence => ({ gpuPolicy })

function policies(): Case[] {
  const serial = (index: number): string => `41${toHex(pdiOf(index))}`
  return [
    [
      'driver-not-accepted',
      'gpu_driver_not_accepted',
      'another driver is accepted',
      policy({ drivers: ['580.105.08'] }),
    ],
    [
      'driver-too-old',
      'gpu_driver_too_old',
      'a newer driver is asked for',
      policy({ minDriver: '580.160' }),
    ],
    [
      'driver-compared-as-number',
      'gpu_driver_too_old',
      'driver 99 is below 580, though not as a text',
      {
        list: [changedGpu({ firmware: { ...SIMULATED_GPU_FIRMWARE, driver: '99.10.01' } })],
        gpuPolicy: { minDriver: '580.0' },
      },
    ],
    [
      'vbios-not-accepted',
      'gpu_vbios_not_accepted',
      'another VBIOS is accepted',
      policy({ vbioses: ['96.00.9F.00.02'] }),
    ],
    [
      'vbios-too-old',
      'gpu_vbios_too_old',
      'a newer VBIOS is asked for',
      policy({ minVbios: '96.00.A0' }),
    ],
    [
      'mode-not-accepted',
      'gpu_mode_not_accepted',
      'protected PCIe is asked for',
      policy({ modes: ['protected-pcie'] }),
    ],
    [
      'mode-contradicts-itself',
      'gpu_mode_invalid',
      'the feature flag says one GPU alone, the status says protected PCIe',
      { list: [changedGpu({ fields: withField(21, Uint8Array.of(0xaa)) })] },
    ],
    [
      'mode-unknown',
      'gpu_mode_invalid',
      'a feature flag of an unknown mode',
      { list: [changedGpu({ fields: withField(36, Uint8Array.of(3, 0)) })] },
    ],
    [
      'serial-not-accepted',
      'gpu_device_not_accepted',
      'another GPU is accepted',
      policy({ gpuSerials: [serial(1)] }),
    ],
    [
      'model-not-accepted',
      'gpu_model_not_accepted',
      'another model is accepted',
      policy({ hardwareModels: ['GH100 A01 GSP BROM'] }),
    ],
    [
      'require-collateral',
      'not_met',
      'a required check was not made',
      { policy: { require: ['gpu.*.ocsp'] } },
    ],
    [
      'require-count',
      'not_met',
      'a number is required and none was expected',
      { policy: { require: ['gpu.count'] } },
    ],
  ]
}

/** Files in which the list comes. */
function files(): Vector[] {
  const file = (id: string, code: 'gpu_file_malformed', title: string, value: unknown): Vector =>
    malformed(`file-${id}`, code, title, { file: value })
  const good = goodGpu()
  return [
    file('null', 'gpu_file_malformed', 'no evidence', null),
    file('number', 'gpu_file_malformed', 'a number in place of a list', 7),
    file('element-text', 'gpu_file_malformed', 'a text in place of an element', ['gpu']),
    file('element-without-chain', 'gpu_file_malformed', 'an element without certificates', [
      { arch: 'HOPPER', evidence: good.evidence },
    ]),
    file('element-member-unknown', 'gpu_file_malformed', 'a member that nobody reads', [
      { ...good, verified: true },
    ]),
    file('two-kinds', 'gpu_file_malformed', 'a file that two readers would read in two ways', {
      evidence_list: [good],
      evidences: [good],
    }),
    malformed('list-too-long', 'gpu_list_malformed', 'more devices than any machine has', {
      list: Array.from({ length: 17 }, () => ({ certificate: '', evidence: '' })),
    }),
    rejected('file-collection-failed', 'gpu_collection_failed', 'a collector that failed', {
      file: { result_code: 3, result_message: 'timed out', evidences: [good] },
    }),
    rejected('file-stated-nonce', 'gpu_stated_nonce_mismatch', 'a file that states another nonce', {
      file: [{ ...good, nonce: toHex(seeded('old nonce', 32)) }],
    }),
  ]
}

export function machineCases(): Vector[] {
  const row =
    (prefix: string) =>
    ([id, code, title, evidence]: Case): Vector =>
      rejected(`${prefix}${id}`, code, title, evidence)
  return [
    ...lists().map(row('list-')),
    ...topology().map(row('topology-')),
    ...policies().map(row('policy-')),
    ...files(),
  ]
}
