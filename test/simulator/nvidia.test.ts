import { spawnSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MAX_CHAIN_TEXT_BYTES } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import { DEFAULT_GPU_POLICY } from '../../attestation/appraiser/gpu/gpu-policy.ts'
import { NVIDIA_DEVICE_ROOT_SHA256 } from '../../attestation/appraiser/gpu/nvidia-device-root.ts'
import { verifyGpuEvidence } from '../../attestation/appraiser/gpu/verify-gpu-evidence.ts'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'

const AT = 1795392000
const now = new Date(AT * 1000)
const pki = createNvidiaPki({ now, gpus: 2 })
const nonce = Uint8Array.from({ length: 32 }, (_, i) => i)
const list = collectSimulatedGpuEvidence(pki, nonce)
const options = {
  crypto: nodeCrypto,
  at: AT,
  expectedNonce: nonce,
  rootSha256: [pki.rootSha256],
  allowSimulated: true,
  expectedCount: 2,
  policy: DEFAULT_GPU_POLICY,
  collateral: null,
}

function failures(changes: Partial<typeof options>): string[] {
  return verifyGpuEvidence(list, { ...options, ...changes })
    .filter(({ status }) => status === 'fail')
    .map(({ id, code }) => `${id} ${code}`)
}

describe('simulated GPUs', () => {
  test.each([
    ['node', nodeCrypto],
    ['noble', nobleCrypto],
  ])(
    'verify under the simulated root with the %s port, and are named as simulated',
    (_n, crypto) => {
      expect(failures({ crypto })).toEqual([])
      const chain = verifyGpuEvidence(list, options).find(({ id }) => id === 'gpu.0.chain')
      expect(chain).toMatchObject({ status: 'pass', detail: 'simulated, not hardware' })
    },
  )

  test('are refused without permission even where their root is given', () => {
    expect(failures({ allowSimulated: false })).toEqual([
      'gpu.0.chain gpu_simulated',
      'gpu.1.chain gpu_simulated',
    ])
  })

  test('are refused under NVIDIA’s root even with permission', () => {
    expect(failures({ rootSha256: [NVIDIA_DEVICE_ROOT_SHA256] })).toEqual([
      'gpu.0.chain gpu_chain_untrusted_root',
      'gpu.1.chain gpu_chain_untrusted_root',
    ])
  })

  test('have chains in the shape of real ones', () => {
    for (const gpu of pki.gpus) {
      expect(Buffer.byteLength(gpu.chainPem)).toBeLessThanOrEqual(MAX_CHAIN_TEXT_BYTES)
      const certificates = gpu.chain.map((der) => new X509Certificate(der))
      expect(certificates).toHaveLength(5)
      for (const certificate of certificates) {
        expect(certificate.subject).toContain('SIMULATED')
        expect(certificate.validTo).toBe('Dec 31 23:59:59 9999 GMT')
        expect(certificate.publicKey.asymmetricKeyDetails?.namedCurve).toBe('secp384r1')
      }
      expect(certificates.map(({ ca }) => ca)).toEqual([false, true, true, true, true])
      const pdi = Buffer.from(gpu.pdi).toString('hex').toUpperCase()
      expect(certificates[1]?.serialNumber).toBe(`41${pdi}`)
    }
    expect(pki.rootSha256).toEqual(Uint8Array.from(createHash('sha256').update(pki.root).digest()))
    const serials = pki.gpus.map(({ chain }) => new X509Certificate(chain[1] ?? '').serialNumber)
    expect(new Set(serials).size).toBe(2)
  })

  test('differ between two runs in every key', () => {
    const other = createNvidiaPki({ now, gpus: 1 })
    expect(other.rootSha256).not.toEqual(pki.rootSha256)
  })

  test('refuse what real ones refuse', () => {
    expect(() => collectSimulatedGpuEvidence(pki, new Uint8Array(31))).toThrow(RangeError)
    for (const gpus of [0, 17, 1.5, Number.NaN]) {
      expect(() => createNvidiaPki({ now, gpus })).toThrow(RangeError)
    }
  })

  test('openssl verifies chain and report signature, and refuses the mark of simulation', (context) => {
    if (spawnSync('openssl', ['version']).status !== 0) {
      console.warn('SKIPPED: openssl is not on this machine, nothing cross-checked the simulator')
      context.skip('openssl is not on this machine')
    }
    const folder = mkdtempSync(join(tmpdir(), 'countersign-nvidia-'))
    const openssl = (...args: string[]) => {
      const run = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' })
      return { status: run.status, output: run.stdout + run.stderr }
    }
    try {
      const gpu = pki.gpus[0]
      const blocks = gpu?.chainPem.match(/-----BEGIN[\s\S]+?-----END CERTIFICATE-----\n/g) ?? []
      const report = Buffer.from(list[0]?.evidence ?? '', 'base64')
      writeFileSync(join(folder, 'leaf.pem'), blocks[0] ?? '')
      writeFileSync(join(folder, 'between.pem'), blocks.slice(1, 4).join(''))
      writeFileSync(join(folder, 'root.pem'), blocks[4] ?? '')
      writeFileSync(join(folder, 'signed.bin'), report.subarray(0, -96))
      writeFileSync(join(folder, 'signature.der'), derSignature(report.subarray(-96)))

      const path = ['-CAfile', 'root.pem', '-untrusted', 'between.pem', 'leaf.pem']
      const at = ['-attime', String(AT)]
      const ignoring = openssl('verify', '-ignore_critical', '-x509_strict', ...at, ...path)
      expect(ignoring).toMatchObject({ status: 0, output: 'leaf.pem: OK\n' })
      const strict = openssl('verify', ...at, ...path)
      expect(strict.status).not.toBe(0)
      expect(strict.output).toContain('unhandled critical extension')

      const key = openssl('x509', '-in', 'leaf.pem', '-pubkey', '-noout', '-out', 'key.pem')
      expect(key.status, key.output).toBe(0)
      const digest = ['dgst', '-sha384', '-verify', 'key.pem', '-signature', 'signature.der']
      expect(openssl(...digest, 'signed.bin').output).toContain('Verified OK')
      writeFileSync(join(folder, 'other.bin'), report.subarray(1, -96))
      expect(openssl(...digest, 'other.bin').status).not.toBe(0)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

/** Ecdsa-Sig-Value, RFC 3279 §2.2.3, from r ‖ s. */
function derSignature(raw: Uint8Array): Uint8Array {
  const integer = (half: Uint8Array): number[] => {
    const digits = [...half.subarray(half.findIndex((byte) => byte !== 0))]
    if ((digits[0] ?? 0) >= 0x80) digits.unshift(0)
    return [0x02, digits.length, ...digits]
  }
  const content = [...integer(raw.subarray(0, 48)), ...integer(raw.subarray(48))]
  return Uint8Array.from([0x30, content.length, ...content])
}
