/**
 * The demo's report for a person.
 *
 * @module
 */
import { formatChecks } from '../cli/print-verdict.ts'
import type { DemoReport, DemoStage } from './drive-demo.ts'
import { DEFAULT_DEMO_MODEL } from './model/start-demo-model.ts'

/** @param serving the servers stay up, so that there is something to try next */
export function printReport(report: DemoReport, stage: DemoStage, serving: boolean): void {
  const line = (text = '') => process.stdout.write(`${text}\n`)
  line('Answers, and the level at which each was verified')
  for (const { name, verdict, expected, ok } of report.answers) {
    line(`  ${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(52)} ${verdict?.level ?? 'no verdict'}`)
    if (ok) continue
    line(`        expected ${expected}`)
    line(formatChecks(verdict?.checks.filter((check) => check.status === 'fail') ?? []))
  }
  line('\nAttacks of the broker, and the code under which each was caught')
  for (const { name, code, expected, ok } of report.attacks) {
    line(`  ${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(64)} ${code ?? 'not caught'}`)
    if (!ok) line(`        expected ${expected}`)
  }
  line('\nAttestation of the sidecar')
  line(formatChecks(report.attestation.checks))
  line(`\n${report.attestation.sentence}`)
  if (!serving) return
  const { service, broker, token } = stage
  const body = JSON.stringify({
    model: DEFAULT_DEMO_MODEL,
    messages: [{ role: 'user', content: 'Hello' }],
  })
  line('\nTry next')
  line(`  export SERVICE=${service.url} BROKER=${broker.url}/v1/proxy`)
  line(`  export TOKEN=${token}`)
  line(`  JSON='Content-Type: application/json' BODY='${body}'`)
  line('  npx countersign verify $SERVICE --allow-simulated')
  line(
    '  curl -si $SERVICE/v1/chat/completions -H "Authorization: Bearer $TOKEN" -H "$JSON" -d "$BODY"',
  )
  line(
    '  curl -s $SERVICE/v1/signature/ID -H "Authorization: Bearer $TOKEN"   # ID: X-Receipt-Id of it',
  )
  line('  curl -si $BROKER/chat/completions -H "$JSON" -d "$BODY"')
}
