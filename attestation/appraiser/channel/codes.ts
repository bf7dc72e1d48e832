import type { CodeTable } from '../codes.ts'

export const CHANNEL_CODES = {
  channel_intermediary: {
    family: 'policy',
    meaning:
      'the connection ended on a TLS key that the keyset does not list for its host: somebody outside the enclave reads what is sent',
  },
  channel_plain: {
    family: 'policy',
    meaning: 'the connection was not encrypted: everybody on the way reads what is sent',
  },
  channel_as_saved: {
    family: 'note',
    meaning:
      'whoever saved the evidence says that the connection ended on a TLS key that the keyset lists; nobody vouches for it',
  },
} as const satisfies CodeTable
