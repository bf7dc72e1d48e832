import { beforeAll, describe, expect, test } from 'vitest'
import { encodeBase64 } from '../../attestation/protocol/base64.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import { appraise, failures, makeWorld, newNonce, tamper } from './document.helpers.ts'

describe('the platform that a policy names', () => {
  const world = makeWorld()
  const nonce = newNonce()
  let document: string
  beforeAll(async () => {
    document = await world.attestor.document(nonce)
  })

  test('a document of dstack is refused under a policy for TAPP', () => {
    const { verdict, trusted } = appraise(world, document, {
      nonce,
      policy: { ...world.policy, platform: 'tapp' },
    })
    expect(trusted).toBeNull()
    expect(verdict.verdict).toBe('rejected')
    expect(failures(verdict.checks)).toEqual({
      'evidence.platform': 'evidence_platform_not_accepted',
    })
  })

  test('a genuine document of dstack that somebody gave the member of TAPP is refused by the default', () => {
    const runtimeData = encodeBase64(toUtf8(`{"signer":"0x${'11'.repeat(20)}"}`))
    const bent = tamper(document, (draft) => {
      draft.evidence['tapp'] = { app_id: 'countersign', runtime_data: runtimeData }
      draft.evidence['vm_config'] = '{}'
      draft.evidence['key_custody'] = null
    })
    const { verdict, trusted } = appraise(world, bent, { nonce })
    expect(trusted).toBeNull()
    expect(failures(verdict.checks)).toEqual({
      'evidence.platform': 'evidence_platform_not_accepted',
    })
  })

  test.each<[string, unknown]>([
    ['null', null],
    ['a text', 'countersign'],
    ['no app id', { runtime_data: 'AAAA' }],
    ['an empty app id', { app_id: '', runtime_data: 'AAAA' }],
    ['a long app id', { app_id: 'x'.repeat(257), runtime_data: 'AAAA' }],
    ['no runtime data', { app_id: 'countersign' }],
    ['runtime data that is no base64', { app_id: 'countersign', runtime_data: 'AAA' }],
    ['runtime data over its bound', { app_id: 'countersign', runtime_data: 'AAAA'.repeat(400) }],
    ['one member more', { app_id: 'countersign', runtime_data: 'AAAA', nonce: '' }],
  ])('a member of TAPP that is %s is malformed', (_, tapp) => {
    const bent = tamper(document, (draft) => {
      draft.evidence['tapp'] = tapp
    })
    const { verdict } = appraise(world, bent, { nonce })
    expect(failures(verdict.checks)).toEqual({ 'document.structure': 'document_malformed' })
  })
})
