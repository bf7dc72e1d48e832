/** RIM files, OCSP responses and tokens of the simulator under other people's tools: xmlsec1, openssl, Node's JWK import. */
import { spawnSync } from 'node:child_process'
import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseSpdmReport } from '../../attestation/appraiser/gpu/parse-spdm-report.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import {
  answerAttestation,
  createAttestationService,
  goodGpuClaims,
} from '../../attestation/simulator/nvidia/create-attestation-service.ts'
import {
  answerOcsp,
  createGpuCollateral,
  driverRim,
  revocableOfDevices,
  switchRim,
  vbiosRim,
} from '../../attestation/simulator/nvidia/create-gpu-collateral.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import {
  driverRimTemplate,
  gpuMeasurements,
  NVDEC_INDEX,
  SIMULATED_GPU_FIRMWARE,
  SIMULATED_SXM_FIRMWARE,
  vbiosRimTemplate,
} from '../../attestation/simulator/nvidia/simulated-firmware.ts'
import { toPem } from '../../attestation/x509/build-certificate.ts'
import type { OcspStatus } from '../../attestation/simulator/x509/build-ocsp-response.ts'

const AT = 1795392000
const now = new Date(AT * 1000)
const rims = createRimPki({ now })
const pki = createNvidiaPki({ now, gpus: 8, switches: 4 })
const nonce = Uint8Array.from({ length: 32 }, (_, i) => i)

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-nvidia-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function run(name: string, ...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(name, args, { cwd: folder, encoding: 'utf8' })
  return { status, output: stdout + stderr }
}

function available(name: string, flag: string): boolean {
  if (spawnSync(name, [flag]).status === 0) return true
  console.warn(
    `SKIPPED: ${name} is not on this machine, part of the simulator is not cross-checked`,
  )
  return false
}

describe.skipIf(!available('xmlsec1', '--version'))('RIM files under xmlsec1', () => {
  const check = (bytes: Uint8Array): boolean => {
    writeFileSync(join(folder, 'rim.xml'), bytes)
    // The certificates come from the file and are judged elsewhere; the key is the signer's.
    const key = new X509Certificate(rims.signer.der).publicKey
    writeFileSync(join(folder, 'signer.pem'), key.export({ format: 'pem', type: 'spki' }))
    return run('xmlsec1', '--verify', '--pubkey-pem', 'signer.pem', 'rim.xml').status === 0
  }
  test.each([
    ['driver', driverRim(rims, SIMULATED_GPU_FIRMWARE)],
    ['VBIOS', vbiosRim(rims, SIMULATED_SXM_FIRMWARE)],
    ['switch', switchRim(rims)],
  ])('a %s file verifies, and not when it is changed', (_name, { bytes }) => {
    expect(check(bytes)).toBe(true)
    const text = Buffer.from(bytes).toString('utf8')
    expect(check(Buffer.from(text.replace('active="True"', 'active="False"')))).toBe(false)
    expect(check(Buffer.from(text.replace(/(<ds:SignatureValue>.{20})./, '$1_')))).toBe(false)
  })
})

describe.skipIf(!available('openssl', 'version'))(
  'certificates and responses under openssl',
  () => {
    test('the RIM chain verifies but for the mark of simulation', () => {
      const [signer = '', l3 = '', ca = '', root = ''] = rims.chain.map(toPem)
      writeFileSync(join(folder, 'rim-signer.pem'), signer)
      writeFileSync(join(folder, 'rim-between.pem'), l3 + ca)
      writeFileSync(join(folder, 'rim-root.pem'), root)
      const path = ['-CAfile', 'rim-root.pem', '-untrusted', 'rim-between.pem', 'rim-signer.pem']
      const options = ['-attime', String(AT), '-x509_strict']
      expect(run('openssl', 'verify', '-ignore_critical', ...options, ...path).status).toBe(0)
      expect(run('openssl', 'verify', ...options, ...path).output).toContain('critical extension')
    })

    const subject = revocableOfDevices(pki)[0]
    if (subject === undefined) throw new Error('no certificate to ask for')
    const issuer = pki.issuers.gpuProvisioner
    const rows: [string, OcspStatus, string][] = [
      ['good', { kind: 'good' }, 'identity.pem: good'],
      ['unknown', { kind: 'unknown' }, 'identity.pem: unknown'],
      [
        'revoked',
        { kind: 'revoked', at: new Date((AT - 60) * 1000), reason: 1 },
        'Reason: keyCompromise',
      ],
      [
        'on hold',
        { kind: 'revoked', at: new Date((AT - 60) * 1000), reason: 6 },
        'Reason: certificateHold',
      ],
      [
        'revoked without a reason',
        { kind: 'revoked', at: now, reason: null },
        'identity.pem: revoked',
      ],
    ]
    const judge = (der: Uint8Array): { status: number | null; output: string } => {
      writeFileSync(join(folder, 'response.der'), der)
      writeFileSync(join(folder, 'identity.pem'), toPem(pki.gpus[0]?.identity.der ?? issuer.der))
      writeFileSync(join(folder, 'issuer.pem'), toPem(issuer.der))
      // The issuer is trusted as it is: its own chain is another check, and holds an extension that openssl refuses.
      const trust = ['-CAfile', 'issuer.pem', '-partial_chain', '-attime', String(AT)]
      const asked = ['-no_nonce', '-issuer', 'issuer.pem', '-sha384', '-cert', 'identity.pem']
      // Its clock cannot be set for the window of the answer.
      const window = ['-validity_period', String(50 * 365 * 86_400)]
      return run('openssl', 'ocsp', '-respin', 'response.der', ...asked, ...trust, ...window)
    }
    test.each(rows)('a response that says %s is signed and says so', (_name, status, said) => {
      const { output } = judge(answerOcsp(subject, { at: AT, status, hash: 'sha384' }))
      expect(output).toContain('Response verify OK')
      expect(output).toContain(said)
    })

    test('a response by the responder of another issuer does not verify', () => {
      const foreign = { issuer: pki.issuers.product, serial: subject.serial }
      expect(judge(answerOcsp(foreign, { at: AT })).output).toContain('Response Verify Failure')
    })

    test.each([
      ['with a nonce', { nonce }, 'OCSP Nonce'],
      ['without nextUpdate', { lifetimeS: null }, 'This Update'],
    ])('a response %s is read', (_name, change, said) => {
      writeFileSync(join(folder, 'response.der'), answerOcsp(subject, { at: AT, ...change }))
      const { output } = run(
        'openssl',
        'ocsp',
        '-respin',
        'response.der',
        '-resp_text',
        '-noverify',
      )
      expect(output).toContain(said)
      expect(output.includes('Next Update')).toBe(!('lifetimeS' in change))
    })
  },
)

describe('what belongs together', () => {
  test('a device measures what its RIM files say, but for the decoder, and the files share no index', () => {
    for (const firmware of [SIMULATED_GPU_FIRMWARE, SIMULATED_SXM_FIRMWARE]) {
      const files = [driverRimTemplate(firmware), vbiosRimTemplate(firmware)]
      const measured = gpuMeasurements(firmware)
      const differ: number[] = []
      for (const index of measured.keys()) {
        const active = files.filter(({ resources }) => resources[index]?.active === true)
        expect(active.length).toBeLessThanOrEqual(1)
        const good = active[0]?.resources[index]?.alternatives
        if (good === undefined) continue
        const value = Buffer.from(measured[index] ?? [])
        if (!good.some((one) => value.equals(one))) differ.push(index)
      }
      expect(differ).toEqual([NVDEC_INDEX])
    }
  })

  test('GPUs and switches of a machine name each other, each in its byte order', () => {
    const reports = collectSimulatedGpuEvidence(pki, nonce).map(({ evidence }) => {
      const parsed = parseSpdmReport(Uint8Array.from(Buffer.from(evidence, 'base64')))
      if (!parsed.ok) throw new Error(parsed.detail)
      return parsed.report
    })
    expect(reports.map(({ measurements }) => measurements.length)).toEqual([
      ...Array<number>(8).fill(64),
      ...Array<number>(4).fill(31),
    ])
    const ofGpus = pki.gpus.map(({ pdi }) => Buffer.from(pdi).toString('hex'))
    const ofSwitches = pki.switches.map(({ pdi }) => Buffer.from(pdi).toString('hex'))
    for (const { opaque } of reports.slice(0, 8)) {
      const field = Buffer.from(opaque.get(22) ?? [])
      expect(field).toHaveLength(144)
      const named = Array.from({ length: 18 }, (_, i) =>
        Buffer.from(field.subarray(8 * i, 8 * i + 8).toReversed()).toString('hex'),
      )
      expect(new Set(named)).toEqual(new Set(ofSwitches))
    }
    for (const [index, { opaque, vbiosVersion }] of reports.slice(8).entries()) {
      expect(Buffer.from(opaque.get(22) ?? []).toString('hex')).toBe(ofSwitches[index])
      const field = Buffer.from(opaque.get(26) ?? [])
      expect(field).toHaveLength(128)
      expect(field.subarray(0, 64).toString('hex')).toBe(ofGpus.join(''))
      expect(vbiosVersion).toBe('96.10.73.00.01')
    }
    const serials = [...pki.gpus, ...pki.switches].map(
      ({ chain }) => new X509Certificate(chain[1] ?? '').serialNumber,
    )
    expect(serials).toEqual([
      ...ofGpus.map((pdi) => `41${pdi}`.toUpperCase()),
      ...ofSwitches.map((pdi) => `50${pdi}`.toUpperCase()),
    ])
  })

  test('collateral holds a file per firmware and a response per certificate that can be revoked', () => {
    const { rims: files, ocsp } = createGpuCollateral(pki, rims, AT)
    expect(files.map(({ id }) => id)).toEqual([
      'NV_GPU_DRIVER_GH100_590.12',
      'NV_GPU_VBIOS_G520_0200_885_9600A50001',
      'NV_SWITCH_BIOS_5612_0002_890_9610730001',
    ])
    // Eight GPUs, four switches, two provisioners, one product; three of the RIM chain.
    expect(ocsp).toHaveLength(18)
  })
})

describe('tokens', () => {
  const service = createAttestationService({ now })
  const claims = (version: '2.0' | '3.0') =>
    goodGpuClaims({
      version,
      driver: '580.159.03',
      vbios: '96.00.9F.00.01',
      hwmodel: 'GH100 A01 GSP BROM SIMULATED',
      serial: Uint8Array.of(0x41, 2, 3),
    })
  test.each(['2.0', '3.0'] as const)('of claims %s verify under the published key', (version) => {
    const [[kind, overall], tokens] = answerAttestation(service, {
      at: AT,
      nonce: Buffer.from(nonce).toString('hex'),
      version,
      devices: [{ name: 'GPU-0', claims: claims(version) }],
    })
    expect(kind).toBe('JWT')
    const jwk = service.jwks.keys[0] as { x5c: string[] }
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    for (const token of [overall, tokens['GPU-0'] ?? '']) {
      const [header = '', payload = '', signature = ''] = token.split('.')
      const signed = Buffer.from(`${header}.${payload}`)
      const value = Buffer.from(signature, 'base64url')
      expect(verify('sha384', signed, { key, dsaEncoding: 'ieee-p1363' }, value)).toBe(true)
      expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({
        kid: service.kid,
        alg: 'ES384',
      })
    }
    const { submods } = JSON.parse(
      Buffer.from(overall.split('.')[1] ?? '', 'base64url').toString(),
    ) as { submods: Record<string, [string, [string, string]]> }
    const digest = createHash('sha256')
      .update(tokens['GPU-0'] ?? '')
      .digest('hex')
    expect(submods).toEqual({ 'GPU-0': ['DIGEST', ['SHA-256', digest]] })
    const [leaf = '', intermediate = ''] = jwk.x5c
    const certificate = new X509Certificate(Buffer.from(leaf, 'base64'))
    expect(certificate.publicKey.equals(key)).toBe(true)
    const issuer = new X509Certificate(Buffer.from(intermediate, 'base64'))
    expect(certificate.verify(issuer.publicKey)).toBe(true)
  })
})
