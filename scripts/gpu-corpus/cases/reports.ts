/**
 * Reports that break NVIDIA's layout, answer another nonce, or are not what the device signed.
 * Source: DMTF DSP0274 1.1, §10.11; opaque data as numbered by NVIDIA's attestation-sdk (2026-06-25).
 *
 * @module
 */
import { seeded, keyOf, seededEntropy } from '../entropy.ts'
import { changedGpu, element, goodGpu, gpuReport, REPORT, withField } from '../report.ts'
import type { ReportChange } from '../report.ts'
import { malformed, rejected, unsupported } from '../vector.ts'
import type { Case, Evidence, Vector } from '../vector.ts'
import {
  base64,
  flipped,
  fromHex,
  gpuOf,
  join,
  NONCE,
  patched,
  strangeGpu,
  toHex,
} from '../world.ts'

const GPU = gpuOf(0)
const GOOD = gpuReport(GPU)
/** Order of the group of P-384. */
const N = fromHex(
  'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
)
const DRIVER_OFFSET = Buffer.from(GOOD).indexOf('580.159.03')
const RECORD_BYTES = 64 * REPORT.block
const RESPONDER_NONCE = REPORT.record + RECORD_BYTES
const OPAQUE_LENGTH = RESPONDER_NONCE + 32

const changed = (change: ReportChange): Evidence => ({ list: [changedGpu(change)] })
/** These bytes in place of the report. */
const bytes = (report: Uint8Array): Evidence => ({ list: [element(report, GPU.chainPem)] })
const after = (change: (report: Uint8Array) => Uint8Array): Evidence => changed({ after: change })
const byte = (offset: number, value: number): Evidence =>
  after((report) => patched(report, offset, Uint8Array.of(value)))

function layout(): Vector[] {
  const rows: readonly (readonly [id: string, title: string, evidence: Evidence])[] = [
    ['empty', 'no report', bytes(new Uint8Array(0))],
    ['request-alone', 'the request without a response', bytes(GOOD.subarray(0, 37))],
    ['cut-in-record', 'cut in the middle of the measurements', bytes(GOOD.subarray(0, 1000))],
    ['cut-by-one', 'the last byte of the signature missing', bytes(GOOD.subarray(0, -1))],
    ['one-more', 'one zero byte behind the signature', bytes(join(GOOD, Uint8Array.of(0)))],
    ['request-version', 'a request of SPDM 1.2', byte(REPORT.requestVersion, 0x12)],
    ['request-code', 'another request than GET_MEASUREMENTS', byte(REPORT.requestCode, 0xe1)],
    ['request-unsigned', 'a request for no signature', byte(REPORT.signatureRequested, 0)],
    ['request-one-block', 'a request for one block', byte(REPORT.blocksRequested, 1)],
    ['request-slot', 'another certificate slot', byte(REPORT.slot, 1)],
    ['response-version', 'a response of SPDM 1.2', byte(REPORT.responseVersion, 0x12)],
    ['response-error', 'the response ERROR', byte(REPORT.responseCode, 0x7f)],
    ['blocks-one-less', '63 blocks announced', byte(REPORT.blocks, 63)],
    ['blocks-one-more', '65 blocks announced', byte(REPORT.blocks, 65)],
    [
      'record-shorter',
      'a record one byte shorter than its blocks',
      byte(REPORT.recordLength, 0xbf),
    ],
    ['record-huge', 'a record longer than the report', byte(REPORT.recordLength + 2, 0xff)],
    ['block-index-repeated', 'block 2 numbered 1 again', byte(REPORT.record + REPORT.block, 1)],
    ['block-index-zero', 'block 1 numbered 0', byte(REPORT.record, 0)],
    ['block-specification', 'a block that is not of DMTF', byte(REPORT.record + 1, 2)],
    ['block-size', 'a block of another size', byte(REPORT.record + 2, 50)],
    ['block-value-type', 'a raw value in place of a digest', byte(REPORT.record + 4, 0x81)],
    ['block-value-size', 'a digest of another size', byte(REPORT.record + 5, 47)],
    ['opaque-longer', 'opaque data longer than it is', byte(OPAQUE_LENGTH, 0xff)],
    [
      'opaque-field-cut',
      'the last field of the opaque data announces more than is left',
      changed({
        template: {
          opaque: [[3, new Uint8Array(4)]],
        },
        after: (report) => patched(report, OPAQUE_LENGTH + 4, Uint8Array.of(200)),
      }),
    ],
    [
      'opaque-field-repeated',
      'two fields of the driver version',
      changed({ fields: (all) => [...all, [3, Buffer.from('999.99.99\0')]] }),
    ],
    [
      'opaque-fwid-short',
      'a firmware identity of 47 bytes',
      changed({ fields: withField(20, GPU.fwid.subarray(0, 47)) }),
    ],
    [
      'opaque-driver-not-text',
      'a driver version with a line end',
      changed({ fields: withField(3, Buffer.from('580.1\n59.03\0')) }),
    ],
  ]
  return rows.map(([id, title, evidence]) =>
    malformed(`report-${id}`, 'gpu_report_malformed', title, evidence),
  )
}

/** Lists and elements that cannot be read at all. */
function elements(): Vector[] {
  const good = goodGpu()
  const item = (change: object): Evidence => ({ list: [{ ...good, ...change }] })
  return [
    malformed(
      'element-report-not-base64',
      'gpu_evidence_malformed',
      'the report in base64url',
      item({ evidence: good.evidence.replaceAll('+', '-').replaceAll('/', '_') }),
    ),
    malformed(
      'element-report-not-text',
      'gpu_evidence_malformed',
      'the report as a number',
      item({ evidence: 1 }),
    ),
    malformed(
      'element-report-too-long',
      'gpu_evidence_malformed',
      'a report that is longer than the buffer of NVML',
      item({ evidence: base64(new Uint8Array(0x2001)) }),
    ),
    malformed(
      'element-chain-too-long',
      'gpu_evidence_malformed',
      'a sixth certificate, with which the chain is longer than the buffer of NVML',
      item({ certificate: base64(Buffer.from(GPU.chainPem + pem(strangeGpu().chain[4] ?? GOOD))) }),
    ),
    malformed(
      'chain-not-pem',
      'gpu_chain_malformed',
      'DER in place of PEM text',
      item({ certificate: base64(join(...GPU.chain.slice(0, 2))) }),
    ),
    malformed(
      'chain-text-between',
      'gpu_chain_malformed',
      'words between two certificates',
      item({
        certificate: base64(
          Buffer.from(GPU.chainPem.replace('\n-----BEGIN', '\nwords\n-----BEGIN')),
        ),
      }),
    ),
    malformed(
      'chain-certificate-cut',
      'gpu_chain_malformed',
      'the last bytes of a certificate missing',
      item({
        certificate: base64(
          Buffer.from(
            [GPU.chain[0]?.subarray(0, -3), ...GPU.chain.slice(1)]
              .map((der) => pem(der ?? new Uint8Array(0)))
              .join(''),
          ),
        ),
      }),
    ),
    unsupported(
      'arch-blackwell',
      'gpu_arch_unsupported',
      'an architecture that is not judged',
      item({ arch: 'BLACKWELL' }),
    ),
    unsupported(
      'opaque-nvdaod',
      'gpu_report_unsupported',
      'opaque data in the format of drivers of CUDA 13.5 and later',
      changed({
        after: (report) => {
          const head = report.subarray(0, OPAQUE_LENGTH)
          const data = nvdaod()
          const tail = join(head, Uint8Array.of(data.length, 0), data)
          return join(tail, seededEntropy.sign(tail, GPU.key, 'ieee-p1363'))
        },
      }),
    ),
  ]
}

/** As drivers of CUDA 13.5 write it: entries of type, DMTF value type, size. */
function nvdaod(): Uint8Array {
  const entry = (type: number, valueType: number, text: string): Uint8Array =>
    join(Uint8Array.of(type, 0, valueType, 0, text.length + 1, 0), Buffer.from(`${text}\0`))
  return join(
    fromHex('4e5644414f44 0000 02000000'),
    entry(17, 0x82, 'G520'),
    entry(18, 0x82, '0210'),
    entry(15, 0x82, '884'),
    entry(3, 0x86, '620.12'),
  )
}

function pem(der: Uint8Array): string {
  const lines = base64(der).replaceAll(/.{1,64}/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`
}

function nonces(): Case[] {
  const asked = (nonce: Uint8Array): Evidence => ({ nonce })
  const code = 'gpu_nonce_mismatch'
  return [
    ['replayed', code, 'a report for another nonce', changed({ nonce: seeded('old nonce', 32) })],
    ['one-bit', code, 'one bit of the expected nonce differs', asked(flipped(NONCE, 31))],
    ['zero', code, 'a report for 32 zero bytes', changed({ nonce: new Uint8Array(32) })],
    [
      'zero-asked',
      code,
      'zero bytes are expected and the report answers a nonce',
      asked(new Uint8Array(32)),
    ],
    [
      'in-responder-place',
      code,
      'the nonce stands where the device puts its own',
      changed({ nonce: seeded('old nonce', 32), template: { responderNonce: NONCE } }),
    ],
    [
      'patched',
      'gpu_signature_invalid',
      'an old report with the nonce written over',
      changed({
        nonce: seeded('old nonce', 32),
        after: (report) => patched(report, REPORT.nonce, NONCE),
      }),
    ],
  ]
}

function signatures(): Case[] {
  const signature = (value: Uint8Array): Evidence => after((report) => patched(report, -96, value))
  const bit = (offset: number): Evidence => after((report) => flipped(report, offset, 2))
  const code = 'gpu_signature_invalid'
  const half = new Uint8Array(48)
  const other = gpuReport(gpuOf(1))
  return [
    ['bit-of-r', code, 'a bit of r flipped', bit(-96)],
    ['bit-of-s', code, 'a bit of s flipped', bit(-1)],
    ['zero', code, 'r and s zero', signature(new Uint8Array(96))],
    ['r-zero', code, 'r zero', signature(half)],
    ['s-zero', code, 's zero', after((report) => patched(report, -48, half))],
    ['r-order', code, 'r the order of the group', signature(N)],
    ['s-order', code, 's the order of the group', after((report) => patched(report, -48, N))],
    [
      'swapped',
      code,
      'r and s exchanged',
      after((report) =>
        patched(report, -96, join(report.subarray(-48), report.subarray(-96, -48))),
      ),
    ],
    ['of-another-report', code, 'the signature of another GPU', signature(other.subarray(-96))],
    [
      'by-stranger',
      code,
      'signed by a key that nobody certified',
      changed({ template: { key: keyOf('nobody').privateKey } }),
    ],
    [
      'by-identity-key',
      code,
      'signed by the device identity in place of the attestation key',
      changed({ template: { key: GPU.identity.key } }),
    ],
    [
      'response-alone',
      code,
      'signed without the request',
      after((report) => {
        const signed = report.subarray(37, -96)
        return patched(report, -96, seededEntropy.sign(signed, GPU.key, 'ieee-p1363'))
      }),
    ],
    [
      'spdm-1-2-prefix',
      code,
      'signed with the context of SPDM 1.2 in front',
      after((report) => {
        const prefix = Buffer.from('dmtf-spdm-v1.2.*'.repeat(4))
        const signed = join(prefix, report.subarray(0, -96))
        return patched(report, -96, seededEntropy.sign(signed, GPU.key, 'ieee-p1363'))
      }),
    ],
    ['measurement', code, 'a bit of a measurement flipped', bit(REPORT.record + 7)],
    ['last-measurement', code, 'a bit of measurement 63 flipped', bit(RESPONDER_NONCE - 1)],
    ['responder-nonce', code, 'a bit of the device’s nonce flipped', bit(RESPONDER_NONCE)],
    [
      'driver-version',
      code,
      'another driver version written over',
      after((report) => patched(report, DRIVER_OFFSET, Buffer.from('590'))),
    ],
    [
      'report-of-another-gpu',
      code,
      'the report of one GPU beside the chain of another',
      { list: [element(other, GPU.chainPem)] },
    ],
    [
      'report-of-a-stranger',
      code,
      'the report of a stranger’s GPU beside a good chain',
      { list: [element(gpuReport(strangeGpu()), GPU.chainPem)] },
    ],
  ]
}

/** What surrounds the evidence in the input. */
function inputs(): Vector[] {
  const input = (id: string, title: string, raw: object): Vector =>
    malformed(`input-${id}`, 'report_malformed', title, { raw })
  return [
    input('member-unknown', 'a member that nobody reads', { trust: 'me' }),
    input('nonce-upper-case', 'the nonce in upper case', { nonce: toHex(NONCE).toUpperCase() }),
    input('nonce-short', 'a nonce of 31 bytes', { nonce: toHex(NONCE.subarray(1)) }),
    input('nonce-null', 'no nonce', { nonce: null }),
    input('at-text', 'the time as a text', { at: '1793491200' }),
    input('at-fraction', 'a time between two seconds', { at: 1793491200.5 }),
    input('policy-unknown', 'a policy with a misspelt member', {
      policy: { alowSimulated: true },
    }),
    input('collateral-rim-twice', 'two RIM files under one id', {
      collateral: {
        rims: [
          { id: 'NV_GPU_DRIVER_GH100_580.159.03', rim: 'AAAA' },
          { id: 'NV_GPU_DRIVER_GH100_580.159.03', rim: 'AAAA' },
        ],
        ocsp: [],
      },
    }),
  ]
}

export function reportCases(): Vector[] {
  const row =
    (prefix: string) =>
    ([id, code, title, evidence]: Case): Vector =>
      rejected(`${prefix}-${id}`, code, title, evidence)
  return [
    ...inputs(),
    ...elements(),
    ...layout(),
    ...nonces().map(row('nonce')),
    ...signatures().map(row('signature')),
  ]
}
