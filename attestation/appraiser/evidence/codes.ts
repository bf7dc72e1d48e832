import type { CodeTable } from '../codes.ts'

export const EVIDENCE_CODES = {
  evidence_malformed: {
    family: 'malformed',
    meaning: 'the evidence file is not strict JSON with exactly the members of its version',
  },
  evidence_unsupported: {
    family: 'unsupported',
    meaning: 'the evidence file has another version',
  },
  evidence_keyset_missing: {
    family: 'absent',
    meaning: 'the evidence file holds no attestation document of the keyset that a receipt names',
  },
  evidence_keyset_unused: {
    family: 'invalid',
    meaning:
      'the evidence file holds two documents of one keyset, or one that no receipt needs: which of them counts would be a guess',
  },
  evidence_receipt_twice: {
    family: 'invalid',
    meaning: 'the evidence file holds two receipts of one id: it would show one answer as two',
  },
} as const satisfies CodeTable
