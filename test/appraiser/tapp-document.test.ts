import { describe, expect, test } from 'vitest'
import { failures, newNonce } from './document.helpers.ts'
import { appraiseTappDocument, newTapp, tappDocument, tappPolicy } from './tapp.helpers.ts'

describe('a document of a machine that TAPP started', () => {
  test('is verified whole, offline, and says what it is: a simulation', async () => {
    const tapp = newTapp()
    const nonce = newNonce()
    const { verdict, trusted } = appraiseTappDocument(
      await tappDocument(tapp, { nonce }),
      tappPolicy(),
      nonce,
    )
    expect(failures(verdict.checks)).toEqual({})
    expect(verdict.sentence).toMatch(/^Accepted as a SIMULATION/)
    expect(trusted?.simulated).toBe(true)
    const passed = verdict.checks.filter(({ status }) => status === 'pass').map(({ id }) => id)
    expect(passed).toEqual(
      expect.arrayContaining([
        ...['evidence.platform', 'tapp.runtime_data', 'tapp.address', 'statement.binding'],
        ...['eventlog.structure', 'eventlog.digests', 'eventlog.rtmr0', 'eventlog.rtmr1'],
        ...['eventlog.rtmr2', 'eventlog.rtmr3', 'eventlog.system_events', 'compose.hash'],
        ...['compose.mr_config_id', 'tapp.files', 'tapp.other_apps'],
      ]),
    )
  })
})
