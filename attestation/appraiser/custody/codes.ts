import type { CodeTable } from '../codes.ts'

export const CUSTODY_CODES = {
  custody_malformed: {
    family: 'malformed',
    meaning: 'the custody evidence has another form, or a signature of its chain belongs to no key',
  },
  custody_unread: {
    family: 'note',
    meaning: 'the custody evidence has a form of another service, which is not read here',
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
