/**
 * The text of docs/errors.md, from the tables in the code.
 *
 * @module
 */
import { format } from 'prettier'
import { NVATTEST_ERRORS } from '../attestation/attester/nvattest/nvattest-error.ts'
import { GUEST_AGENT_ERRORS } from '../attestation/attester/dstack/guest-agent-error.ts'
import { NVML_ERRORS } from '../attestation/attester/nvml/nvml-error.ts'
import { TAPP_ERRORS } from '../attestation/attester/tapp/tapp-error.ts'
import { CHECK_CODES } from '../attestation/appraiser/codes.ts'
import type { CodeTable } from '../attestation/appraiser/codes.ts'
import { COLLATERAL_ERRORS } from '../attestation/collateral/collateral-error.ts'
import { ADDRESS_ERRORS } from '../enclave/keys/address-error.ts'
import { SEALED_KEY_ERRORS } from '../enclave/keys/sealed/sealed-key-error.ts'
import { SHARED_STORE_ERRORS } from '../enclave/store/shared-place.ts'
import { STORE_WARNINGS } from '../enclave/store/store-warnings.ts'
import { WEIGHTS_ERRORS } from '../src/weights/weights-error.ts'
import { COMPOSE_REFUSALS } from '../src/compose/compose-refusals.ts'
import { COMPOSE_WARNINGS } from '../src/compose/hash-compose.ts'
import { COMPOSE_PROBLEMS } from '../src/compose/read-compose.ts'
import { STAPLE_WARNINGS } from '../attestation/collateral/staple/staple-warning.ts'
import { DOCTOR_CODES } from '../src/doctor/doctor-codes.ts'
import { SMOKE_CODES } from '../src/smoke/smoke-codes.ts'
import { PROXY_ERRORS } from '../src/client/proxy/proxy-errors.ts'
import { SERVICE_ERRORS } from '../src/errors.ts'
import { GATE_CAUSES } from '../src/service/gate.ts'
import { TLS_CERTIFICATE_FAULTS } from '../src/service/tls/read-certificate-file.ts'
import type { ServiceErrorSpec } from '../src/errors.ts'

export type ServiceErrorTable = Readonly<Record<string, ServiceErrorSpec>>

/** The layout that the formatter check of the repository asks for. */
const PRETTIER = { parser: 'markdown', printWidth: 100, singleQuote: true, semi: false } as const

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function serviceRows(table: ServiceErrorTable): string[] {
  return Object.entries(table).map(([code, { status, type, message, retryAfter }]) =>
    row([
      `\`${code}\``,
      String(status),
      `\`${type}\``,
      retryAfter === undefined ? '' : `${retryAfter} s`,
      message,
    ]),
  )
}

function checkRows(table: CodeTable): string[] {
  return Object.entries(table).map(([code, { family, meaning }]) =>
    row([`\`${code}\``, family, meaning]),
  )
}

/** @returns Markdown, formatted */
export function renderErrorsDoc(
  service: ServiceErrorTable = SERVICE_ERRORS,
  checks: CodeTable = CHECK_CODES,
): Promise<string> {
  return format(
    [
      '# Error and check codes',
      '',
      'Generated from `src/errors.ts` and `attestation/appraiser/codes.ts` by `node scripts/generate-errors-doc.mjs`; do not edit. Codes are stable: one is never given another meaning.',
      '',
      '## Errors of the service',
      '',
      'The body is `{"error":{"message","type","code","param"}}`. Messages are these fixed texts; nothing of a request, a token or an upstream gets into them. Where a time stands under Retry-After, the answer carries that header and the same request may be sent again.',
      '',
      row(['code', 'status', 'type', 'Retry-After', 'message']),
      row(['---', '---', '---', '---', '---']),
      ...serviceRows(service),
      '',
      '## Codes of checks',
      '',
      'Every check of the verifier carries one. A check that passed has `ok`; a skipped check is never a pass.',
      '',
      '- `malformed`: the evidence cannot be read.',
      '- `unsupported`: a genuine kind of evidence that this version does not judge.',
      '- `invalid`: the evidence is bad.',
      '- `policy`: the evidence is good, and not what the policy accepts.',
      '- `absent`: nothing was there to judge.',
      '- `note`: not a failure.',
      '',
      row(['code', 'family', 'meaning']),
      row(['---', '---', '---']),
      ...checkRows(checks),
      '',
      '## Errors of `countersign proxy`',
      '',
      'In the same form. An answer that did not verify becomes a 502 of the type `verification_error` with the code of the check that failed, above.',
      '',
      row(['code', 'status', 'type', 'Retry-After', 'message']),
      row(['---', '---', '---', '---', '---']),
      ...serviceRows(PROXY_ERRORS),
      '',
      '## Causes and warnings of the gate',
      '',
      'A hard cause keeps the service from serving and stands under `attested` in `/health/ready`, in `countersign_attestation_cause` and under `warnings` in every document that is made meanwhile: the code of the check that failed under the policy `node`, `attestation_unavailable`, or one of these.',
      '',
      row(['cause', 'meaning']),
      row(['---', '---']),
      ...Object.entries(GATE_CAUSES).map(([code, text]) => row([`\`${code}\``, text])),
      '',
      'A soft one is served and stands under `warnings` in the document: the code of a check that `relying-party` refuses and `node` does not, or one of these about stapled collateral and the TLS certificate.',
      '',
      row(['warning', 'meaning']),
      row(['---', '---']),
      ...Object.entries({ ...STAPLE_WARNINGS, ...TLS_CERTIFICATE_FAULTS }).map(([code, text]) =>
        row([`\`${code}\``, text]),
      ),
      '',
      '## Codes of fetching collateral',
      '',
      'What `countersign collateral fetch`, `tcb-status` and `verify --fetch-collateral` say where Intel or a caching service did not give it (exit 1), and what asking the services of NVIDIA ends with.',
      '',
      row(['code', 'meaning']),
      row(['---', '---']),
      ...Object.entries(COLLATERAL_ERRORS).map(([code, text]) => row([`\`${code}\``, text])),
      '',
      '## Codes of collecting GPU evidence',
      '',
      'Why `serve` has no GPU evidence yet, in its log as `cause` with the text as `advice`, and what `npm run check:nvml` ends with. The service does not serve meanwhile, and tries again.',
      '',
      row(['code', 'what happened and what to do']),
      row(['---', '---']),
      ...Object.entries({ ...NVML_ERRORS, ...NVATTEST_ERRORS }).map(([code, text]) =>
        row([`\`${code}\``, text]),
      ),
      '',
      '## Codes of the guest agent',
      '',
      'Why `serve` has no quote or no key yet, in its log as `cause` with the text as `advice`. The service does not serve meanwhile, and tries again; only `agent_unsupported` ends it, with exit 2.',
      '',
      row(['code', 'what happened and what to do']),
      row(['---', '---']),
      ...Object.entries(GUEST_AGENT_ERRORS).map(([code, text]) => row([`\`${code}\``, text])),
      '',
      '## Codes of the address key',
      '',
      'Why `serve` has no address key, in its log likewise, and what `countersign keys` ends with (exit 2). No file is replaced.',
      '',
      row(['code', 'what happened and what to do']),
      row(['---', '---']),
      ...Object.entries({ ...ADDRESS_ERRORS, ...SEALED_KEY_ERRORS }).map(([code, text]) =>
        row([`\`${code}\``, text]),
      ),
      '',
      '## Codes of the shared store',
      '',
      'Why the place that replicas share takes nothing: `cause` of the part `store` of readiness, and in the log with the text as `advice`. No new work is taken meanwhile; it is tried again by itself. `countersign doctor` has them too.',
      '',
      row(['code', 'what happened and what to do']),
      row(['---', '---']),
      ...Object.entries(SHARED_STORE_ERRORS).map(([code, text]) => row([`\`${code}\``, text])),
      '',
      '## Warnings of the store',
      '',
      'In the log of `serve` when it opens a store, as `cause` with the text as `advice`; the service serves. `boots`, `receipts` and `admissions` say how many.',
      '',
      row(['code', 'what happened and what to do']),
      row(['---', '---']),
      ...Object.entries(STORE_WARNINGS).map(([code, text]) => row([`\`${code}\``, text])),
      '',
      "## Codes of 0G's TAPP",
      '',
      'What asking TAPP ends with, for `serve --tapp-app-id` and `doctor` ([decision 0021](decisions/0021-tapp-served-from.md)).',
      '',
      row(['code', 'what happened and what to do']),
      row(['---', '---']),
      ...Object.entries(TAPP_ERRORS).map(([code, text]) => row([`\`${code}\``, text])),
      '',
      '## Codes of `countersign doctor`',
      '',
      'Beside these a row carries the codes of collecting GPU evidence above, and those of the guest agent. Exit 0: no row is `fail` or `unknown`; 10: one is `fail`; 20: none is, and something was not looked at.',
      '',
      row(['code', 'status', 'next action']),
      row(['---', '---', '---']),
      ...Object.entries(DOCTOR_CODES).map(([code, { status, action }]) =>
        row([`\`${code}\``, status, action]),
      ),
      '',
      '## Codes of `countersign smoke`',
      '',
      'Exit 0: every row is `pass` or `warn`; 10: one is `fail`; 20: none is, and something was not tried.',
      '',
      row(['code', 'status', 'meaning', 'next action']),
      row(['---', '---', '---', '---']),
      ...Object.entries(SMOKE_CODES).map(([code, { status, meaning, action }]) =>
        row([`\`${code}\``, status, meaning, action]),
      ),
      '',
      '## Codes of measuring weights',
      '',
      'Why `serve` with `weights` does not start, and `countersign weights` prints no digest (exit 1); the place stands beside it on standard error.',
      '',
      row(['code', 'what happened and what to do']),
      row(['---', '---']),
      ...Object.entries(WEIGHTS_ERRORS).map(([code, text]) => row([`\`${code}\``, text])),
      '',
      '## Codes of `countersign compose hash` and `compose check`',
      '',
      'The first kind refuses the file (exit 30) for both; the second is a warning beside the hash; the third is what `compose check` refuses it for (exit 10).',
      '',
      row(['code', 'kind', 'meaning']),
      row(['---', '---', '---']),
      ...Object.entries(COMPOSE_PROBLEMS).map(([code, text]) =>
        row([`\`${code}\``, 'refused', text]),
      ),
      ...Object.entries(COMPOSE_WARNINGS).map(([code, text]) =>
        row([`\`${code}\``, 'warning', text]),
      ),
      ...Object.entries(COMPOSE_REFUSALS).map(([code, text]) =>
        row([`\`${code}\``, 'check', text]),
      ),
      '',
    ].join('\n'),
    PRETTIER,
  )
}
