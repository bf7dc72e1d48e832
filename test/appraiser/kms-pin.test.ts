/** A pinned KMS root, and the ways to make an appraisal forget it. */
import { describe, expect, test } from 'vitest'
import { appraiseRaTls } from '../../attestation/appraiser/ratls/appraise-ratls.ts'
import { appraiseReport } from '../../attestation/appraiser/report/appraise-report.ts'
import type { ReportAppraisal } from '../../attestation/appraiser/report/appraise-report.ts'
import { appraiseTdx } from '../../attestation/appraiser/report/appraise-tdx.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import { aciReport } from '../../enclave/attestation/aci-report.ts'
import { appraise, failures, makeWorld, newNonce, NOW, tamper } from './document.helpers.ts'
import { dstackReport, vllmReport, world as ephemeral } from './report.helpers.ts'

const world = makeWorld({ derivedAddress: true })
const nonce = newNonce()
const document = await world.attestor.document(nonce)
const report = await aciReport(world.attestor, world.keys, nonce, {
  client: 'a',
  hasLeft: () => false,
})
/** What the user pins; the evidence is of somebody who runs the same software under a KMS of his own. */
const theirs = {
  ...world.policy,
  kmsRoots: makeWorld({ derivedAddress: true }).policy.kmsRoots,
}

type Custody = Record<string, unknown>
type Strip = (evidence: Record<string, unknown>) => void
const chain =
  (links: (own: unknown[]) => unknown[]): Strip =>
  (evidence) => {
    const custody = evidence['key_custody'] as Custody
    custody['signature_chain'] = links(custody['signature_chain'] as unknown[])
  }
const STRIPS: readonly (readonly [string, Strip])[] = [
  ['dropped', (evidence) => void (evidence['key_custody'] = null)],
  ['whose second signature is empty', chain(([first]) => [first, ''])],
  ['whose second signature is dropped', chain(([first]) => [first])],
  ['without signatures', chain(() => [])],
  ['of two empty signatures', chain(() => ['', ''])],
]

function judge(text: string, policy = theirs): ReportAppraisal {
  return appraiseReport(toUtf8(text), {
    ...{ crypto: nodeCrypto, at: NOW, nonce, policy, collateral: null },
  })
}

/** The report as an attacker holds it, without the document inside. */
function stripped(change: Strip): string {
  const value = JSON.parse(report) as { attestation: { evidence: Record<string, unknown> } }
  delete value.attestation.evidence['countersign']
  change(value.attestation.evidence)
  return JSON.stringify(value)
}

describe('a pinned KMS root', () => {
  test('is met by the guest whose keys it issued, and by no other', () => {
    expect(appraise(world, document, { nonce }).verdict.verdict).toBe('accepted')
    const other = appraise(world, document, { nonce, policy: theirs })
    expect(failures(other.verdict.checks)).toEqual({ 'custody.kms_root': 'custody_root_untrusted' })
    expect(judge(report, world.policy).verdict.verdict).toBe('accepted')
    expect(judge(report).verdict.verdict).toBe('rejected')
  })

  test.each(STRIPS)('is not lifted by custody evidence %s', (_, strip) => {
    const text = tamper(document, ({ evidence }) => {
      strip(evidence)
    })
    for (const policy of [theirs, world.policy]) {
      const { verdict, trusted } = appraise(world, text, { nonce, policy })
      expect(verdict.sentence).toMatch(/^Rejected: custody\.app_key is required/)
      expect(trusted).toBeNull()
      const aci = judge(stripped(strip), policy)
      expect(aci.verdict.sentence).toMatch(/^Rejected: custody\.app_key is required/)
    }
  })

  test('is not lifted by an ACI report whose custody is deleted or nonsense', () => {
    const without = judge(stripped((evidence) => void delete evidence['key_custody']))
    expect(without.verdict.verdict).toBe('rejected')
    for (const nonsense of [{ unknown: 'member' }, [], 'text', 1]) {
      const text = stripped((evidence) => void (evidence['key_custody'] = nonsense))
      const { verdict } = judge(text)
      expect(failures(verdict.checks)).toEqual({ 'custody.key': 'custody_malformed' })
      expect(verdict.verdict).toBe('malformed')
      // Without a pin it is evidence of another service: named, and not taken for absent.
      const unpinned = judge(text, { ...theirs, kmsRoots: [] })
      expect(unpinned.verdict.checks.find(({ id }) => id === 'custody.key')).toMatchObject({
        ...{ status: 'skip', code: 'custody_unread' },
      })
    }
  })

  test('is not lifted by an address key that stands under no KMS', async () => {
    const policy = { ...ephemeral.policy, kmsRoots: world.policy.kmsRoots }
    const text = await ephemeral.attestor.document(nonce)
    expect(appraise(ephemeral, text, { nonce, policy }).verdict.verdict).toBe('rejected')
  })

  test('is not lifted by showing the evidence in a form that has no custody', async () => {
    const policy = { ...ephemeral.policy, kmsRoots: world.policy.kmsRoots }
    const reason =
      'Rejected: custody.app_key is required, and the evidence holds nothing to check for it.'
    const vllm = JSON.stringify(await vllmReport('ecdsa', nonce))
    expect(judge(vllm, policy)).toMatchObject({ signer: null, verdict: { sentence: reason } })
    const dstack = dstackReport(Buffer.from(nonce, 'hex'))
    expect(judge(JSON.stringify(dstack), policy).verdict.sentence).toBe(reason)
    const { quote, event_log: eventLog } = dstack
    const input = { quote, event_log: eventLog, at: NOW, policy }
    expect(appraiseTdx(toUtf8(JSON.stringify(input)), nodeCrypto).verdict.sentence).toBe(reason)
    const { guest } = ephemeral
    const [leaf = ''] = guest.tls.issue(
      {
        ...{ subject: 'app.example', altNames: ['app.example'], usageServerAuth: true },
        ...{ usageClientAuth: false, usageRaTls: true, withAppInfo: true },
        ...{ notBefore: null, notAfter: null },
      },
      {
        appId: guest.appId,
        quote: (data) => guest.quote(data),
        eventLog: guest.quotedEventLog,
      },
    ).certificateChain
    const options = { crypto: nodeCrypto, at: NOW, policy, collateral: null }
    expect(appraiseRaTls(leaf, options).verdict.verdict).toBe('rejected')
  })
})
