import { expect, test, vi } from 'vitest'
import { isTeeMachine } from '../../attestation/attester/dstack/tee-machine.ts'
import { runDemo } from '../../src/demo/run-demo.ts'
import type { DemoReport } from '../../src/demo/drive-demo.ts'

test('the demo verifies each answer at its level, catches each attack, and says that it is a simulation', async (context) => {
  const place = isTeeMachine()
  if (place !== null) context.skip(`SKIPPED: the demo is refused here, ${place} exists`)
  let out = ''
  let err = ''
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text)
    return true
  })
  let code: number
  try {
    code = await runDemo({ once: true, json: true })
  } finally {
    stdout.mockRestore()
    stderr.mockRestore()
  }
  const report = JSON.parse(out) as DemoReport
  expect(report.answers.map(({ name, verdict }) => [name, verdict?.level])).toEqual([
    ['buffered, straight to the sidecar', 'bytes'],
    ['buffered, through the broker', 'content'],
    ['stream with a tool call, through the broker', 'content'],
    ['stream that the client drops, through the broker', 'signer'],
  ])
  expect(report.attacks.map((attack) => attack.code)).toEqual([
    'request_member_added',
    'content_digest_mismatch',
    'challenge_mismatch',
    'content_digest_mismatch',
  ])
  expect(report.attestation.verdict).toBe('accepted')
  expect(report.attestation.sentence).toContain('SIMULATION')
  expect(err).toContain('SIMULATION')
  expect(code).toBe(0)
})
