import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { judgeRevocation } from '../../attestation/appraiser/gpu/ocsp/judge-revocation.ts'
import { revocationVerdict } from '../../attestation/appraiser/gpu/ocsp/revocation-verdict.ts'
import { parseGpuEvidence } from '../../attestation/appraiser/gpu/parse-gpu-evidence.ts'
import { verifyRim } from '../../attestation/appraiser/gpu/rim/verify-rim.ts'
import type { Certificate } from '../../attestation/appraiser/x509/parse-certificate.ts'
import { fetchGpuCollateral } from '../../attestation/collateral/gpu/fetch-gpu-collateral.ts'
import { createGpuCollateralClient } from '../../attestation/collateral/gpu/gpu-collateral-client.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { parseGpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import type { GpuCollateral } from '../../attestation/protocol/gpu-collateral.ts'
import { collectSimulatedGpuEvidence } from '../../attestation/simulator/nvidia/collect-simulated-gpu-evidence.ts'
import {
  answerOcsp,
  createGpuCollateral,
  revocableOfDevices,
  revocableOfRims,
} from '../../attestation/simulator/nvidia/create-gpu-collateral.ts'
import { createNvidiaPki } from '../../attestation/simulator/nvidia/create-nvidia-pki.ts'
import { createRimPki } from '../../attestation/simulator/nvidia/create-rim-pki.ts'
import { startNvidiaServer } from './nvidia-server.helpers.ts'
import type { NvidiaServer } from './nvidia-server.helpers.ts'

const NOW = new Date('2026-11-26T12:00:00Z')
const AT = NOW.getTime() / 1000
const DEVICES = createNvidiaPki({ now: NOW, gpus: 2 })
const RIMS = createRimPki({ now: NOW })
const EVIDENCE = collectSimulatedGpuEvidence(DEVICES, new Uint8Array(32).fill(1))
const SERVED = createGpuCollateral(DEVICES, RIMS, AT)
const SUBJECTS = [...revocableOfDevices(DEVICES), ...revocableOfRims(RIMS)]
const judging = { crypto: nodeCrypto, at: AT, graceS: 0, allowHold: false }

let server: NvidiaServer
beforeAll(async () => {
  server = await startNvidiaServer()
})
beforeEach(() => {
  for (const { id, rim } of SERVED.rims) server.rims.set(id, Buffer.from(rim, 'base64'))
  server.ocsp = (request) => {
    const asked = Buffer.from(request)
    const subject = SUBJECTS.find(({ serial }) => asked.includes(Buffer.from(serial)))
    return subject === undefined ? null : answerOcsp(subject, { at: AT })
  }
})
afterEach(() => {
  server.act = null
  server.rims.clear()
  server.requests.length = 0
})
afterAll(() => server.close())

const fetch_ = (list: readonly unknown[] = EVIDENCE) => {
  const { services, transport } = server
  const client = createGpuCollateralClient({ services, transport, now: () => AT })
  const rimRoots = [nodeCrypto.sha256(RIMS.chain.at(-1) ?? new Uint8Array())]
  return fetchGpuCollateral(list, { client, rimRoots, allowSimulated: true })
}

function chainOf(value: unknown): readonly Certificate[] {
  const parsed = parseGpuEvidence(value)
  if (!parsed.ok) throw new Error(parsed.detail)
  return parsed.evidence.chain
}

function responsesOf({ ocsp }: GpuCollateral): readonly Uint8Array[] {
  return ocsp.map((text) => Buffer.from(text, 'base64'))
}

describe('everything for a list of GPUs', () => {
  test('is fetched once each, and judged good by the appraiser', async () => {
    const { collateral, missing } = await fetch_()
    expect(missing).toEqual([])
    expect(parseGpuCollateral(Buffer.from(JSON.stringify(collateral))).ok).toBe(true)
    expect(collateral.rims.map(({ id }) => id).toSorted()).toEqual(
      SERVED.rims.map(({ id }) => id).toSorted(),
    )
    // Two device identities, the two authorities that they share, and the three of the RIM chain that both RIMs have.
    expect(collateral.ocsp).toHaveLength(7)
    expect(server.requests).toHaveLength(2 + 7)
    const responses = responsesOf(collateral)
    for (const item of EVIDENCE) {
      const outcomes = judgeRevocation(chainOf(item).slice(1), responses, judging)
      expect(revocationVerdict(outcomes, 1)).toMatchObject({
        status: 'pass',
        detail: '3 certificates',
      })
    }
    for (const { rim } of collateral.rims) {
      const read = verifyRim(Buffer.from(rim, 'base64'), {
        crypto: nodeCrypto,
        at: AT,
        rootSha256: [nodeCrypto.sha256(RIMS.chain.at(-1) ?? new Uint8Array())],
        allowSimulated: true,
      })
      const chain = read.ok ? read.rim.chain : []
      const outcomes = judgeRevocation(chain, responses, judging)
      expect(revocationVerdict(outcomes, 0)).toMatchObject({
        status: 'pass',
        detail: '3 certificates',
      })
    }
  })

  test('a RIM that the service does not have is named, and the rest is there', async () => {
    const [first] = SERVED.rims
    server.rims.delete(first?.id ?? '')
    const { collateral, missing } = await fetch_()
    expect(missing.map(({ what, error }) => [what, error.code])).toEqual([
      [`RIM ${String(first?.id)}`, 'collateral_not_found'],
    ])
    expect(collateral.rims).toHaveLength(1)
    expect(collateral.ocsp).toHaveLength(7)
  })

  test('a responder that knows nothing leaves the chains unanswered, which is no pass', async () => {
    server.ocsp = () => null
    const { collateral, missing } = await fetch_()
    expect(missing).toHaveLength(7)
    expect(missing.map(({ what }) => what)).toContain('OCSP of certificate 1 of device 1')
    const outcomes = judgeRevocation(
      chainOf(EVIDENCE[0]).slice(1),
      responsesOf(collateral),
      judging,
    )
    expect(revocationVerdict(outcomes, 1)).toMatchObject({
      status: 'skip',
      code: 'collateral_not_given',
    })
  })

  test('a RIM under another root is kept for the appraiser to refuse, and its chain not asked about', async () => {
    const stranger = createRimPki({ now: NOW })
    for (const { id, rim } of createGpuCollateral(DEVICES, stranger, AT).rims) {
      server.rims.set(id, Buffer.from(rim, 'base64'))
    }
    const { collateral, missing } = await fetch_()
    expect(collateral.rims).toHaveLength(2)
    expect(collateral.ocsp).toHaveLength(4)
    expect(missing.map(({ error }) => error.message)).toEqual([
      expect.stringContaining('rim_chain_untrusted_root'),
      expect.stringContaining('rim_chain_untrusted_root'),
    ])
  })

  test('evidence that cannot be read asks nobody anything', async () => {
    const { collateral, missing } = await fetch_([{}, 'x', null])
    expect(collateral).toEqual({ rims: [], ocsp: [] })
    expect(missing).toHaveLength(3)
    const many = await fetch_(Array(33).fill(EVIDENCE[0]))
    expect(many.missing).toHaveLength(1)
    expect(server.requests).toEqual([])
  })

  test('a service that is down leaves nothing but the reasons', async () => {
    server.act = (_asked, response) => void response.writeHead(503).end()
    const { collateral, missing } = await fetch_()
    expect(collateral).toEqual({ rims: [], ocsp: [] })
    expect(missing).toHaveLength(2 + 4)
    expect(new Set(missing.map(({ error }) => error.code))).toEqual(new Set(['collateral_busy']))
  })
})
