import type { CodeTable } from '../codes.ts'

export const GPU_FILE_CODES = {
  gpu_file_malformed: {
    family: 'malformed',
    meaning:
      'the file is neither a list of devices, a request to NVIDIA’s service, nor what nvattest collects',
  },
  gpu_collection_failed: {
    family: 'invalid',
    meaning: 'the collector says itself that it failed, or does not say that it succeeded',
  },
  gpu_stated_nonce_mismatch: {
    family: 'invalid',
    meaning: 'the file states another nonce than the one that was given',
  },
  gpu_collateral_malformed: {
    family: 'malformed',
    meaning: 'the stapled GPU collateral is not exactly lists of RIMs and of OCSP responses',
  },
} as const satisfies CodeTable
