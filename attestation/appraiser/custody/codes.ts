import type { CodeTable } from '../codes.ts'

export const CUSTODY_CODES = {
  custody_malformed: {
    family: 'malformed',
    meaning: 'a signature of the key chain has the wrong form or belongs to no key',
  },
  custody_root_untrusted: {
    family: 'invalid',
    meaning: 'the key chain does not lead to an accepted root of a key management service',
  },
  custody_provider_mismatch: {
    family: 'invalid',
    meaning:
      'the key chain is of a key management service, and the guest measured another source of its keys',
  },
} as const satisfies CodeTable
