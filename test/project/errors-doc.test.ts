import { describe, expect, test } from 'vitest'
import { NVATTEST_ERRORS } from '../../attestation/attester/nvattest/nvattest-error.ts'
import { GUEST_AGENT_ERRORS } from '../../attestation/attester/dstack/guest-agent-error.ts'
import { NVML_ERRORS } from '../../attestation/attester/nvml/nvml-error.ts'
import { TAPP_ERRORS } from '../../attestation/attester/tapp/tapp-error.ts'
import { CHECK_CODES } from '../../attestation/appraiser/codes.ts'
import { SEALED_KEY_ERRORS } from '../../enclave/keys/sealed/sealed-key-error.ts'
import { SHARED_STORE_ERRORS } from '../../enclave/store/shared-place.ts'
import { renderErrorsDoc } from '../../scripts/errors-doc.ts'
import { SERVICE_ERRORS } from '../../src/errors.ts'
import { projectFiles, readText } from './source-tree.ts'

/** Codes of certificate chains are put together from the rule of path validation that was broken, which has its own tests. */
const CHAIN_OF = /^(?:pck|collateral)_(?=chain_)/

/** Codes that no test names, each with the reason. Empty is the aim. */
const UNNAMED: Readonly<Record<string, string>> = {}

describe('docs/errors.md', () => {
  test('is what the tables in the code give (node scripts/generate-errors-doc.mjs writes it)', async () => {
    expect(readText('docs/errors.md')).toBe(await renderErrorsDoc())
  })

  test('shows a code that is added and a text that is changed', async () => {
    const added = {
      status: 418,
      type: 'invalid_request_error',
      message: 'A | pipe.',
      retryAfter: 7,
    }
    const text = await renderErrorsDoc({ added_code: added }, CHECK_CODES)
    expect(text).toMatch(
      /\| `added_code` +\| 418 +\| `invalid_request_error` +\| 7 s +\| A \\\| pipe\. /,
    )
  })
})

describe('codes', () => {
  test('each has a meaning that is a sentence, not a word', () => {
    for (const [code, { message }] of Object.entries(SERVICE_ERRORS)) {
      expect(message, code).toMatch(/^\S.{8,}\.$/)
    }
    for (const [code, advice] of Object.entries({
      ...NVML_ERRORS,
      ...NVATTEST_ERRORS,
      ...GUEST_AGENT_ERRORS,
      ...SEALED_KEY_ERRORS,
      ...SHARED_STORE_ERRORS,
      ...TAPP_ERRORS,
    })) {
      expect(advice, code).toMatch(/^[A-Z].{30,}\.$/)
    }
    for (const [code, { meaning }] of Object.entries(CHECK_CODES)) {
      expect(meaning, code).toMatch(/^\S.{8,}\S$/)
    }
  })

  test('each has a stable spelling', () => {
    for (const code of [
      SERVICE_ERRORS,
      CHECK_CODES,
      NVML_ERRORS,
      NVATTEST_ERRORS,
      GUEST_AGENT_ERRORS,
      SEALED_KEY_ERRORS,
      SHARED_STORE_ERRORS,
      TAPP_ERRORS,
    ].flatMap(Object.keys)) {
      expect(code).toMatch(/^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/)
    }
  })

  test('each code of a check, of the GPU driver, of the guest agent, of the sealed key, of the shared store or of TAPP is named by a test or a vector, or listed here with the reason', () => {
    const words = new Set(
      projectFiles('test')
        .filter((path) => !path.startsWith('test/project/'))
        .flatMap((path) => readText(path).match(/[a-z][a-z0-9_]+/g) ?? []),
    )
    const unnamed = [
      CHECK_CODES,
      NVML_ERRORS,
      NVATTEST_ERRORS,
      GUEST_AGENT_ERRORS,
      SEALED_KEY_ERRORS,
      SHARED_STORE_ERRORS,
      TAPP_ERRORS,
    ]
      .flatMap(Object.keys)
      .filter((code) => !words.has(code) && !words.has(code.replace(CHAIN_OF, '')))
    expect(unnamed.toSorted()).toEqual(Object.keys(UNNAMED).toSorted())
  })
})
