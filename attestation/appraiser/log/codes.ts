import type { CodeTable } from '../codes.ts'

export const LOG_CODES = {
  log_forked: {
    family: 'invalid',
    meaning:
      'the log cannot have grown from the head remembered or archived, or two boots follow one another’s place: a volume put back from a copy shows so as well; ask the provider which, and keep what you remember until you know',
  },
  log_rolled_back: {
    family: 'invalid',
    meaning:
      'the log, or what the next boot names of it, is shorter than the head remembered of it: a volume put back from a copy shows so; do as with log_forked',
  },
  log_reset: {
    family: 'invalid',
    meaning:
      'the log is of another boot, whose boot records do not lead back to the one remembered: a service that lost its store, or one put back from a copy older than what is remembered; do as with log_forked',
  },
  log_proof_missing: {
    family: 'absent',
    meaning: 'the service gave no proof, or none that can be read, of what the log is said to be',
  },
  log_not_kept: {
    family: 'policy',
    meaning: 'heads are to be remembered, and the service keeps no log',
  },
  log_other_name: {
    family: 'policy',
    meaning: 'the log has another name than the one that was asked for',
  },
  log_first_seen: {
    family: 'note',
    meaning: 'no head of this log was remembered; this one is from now on',
  },
  log_name_new: {
    family: 'note',
    meaning:
      'no head of a log of this name was remembered, only of others: a replica or a service that was not met before, or a log that goes by another name now; this head is remembered from now on, and --log-name says which names there are',
  },
  log_proof_elsewhere: {
    family: 'absent',
    meaning:
      'the log is another replica’s, of a boot that was followed before; who was asked has no proof of it',
  },
  log_state_unusable: {
    family: 'absent',
    meaning: 'the file of remembered heads cannot be read or written, or is full',
  },
  log_checkpoint_invalid: {
    family: 'invalid',
    meaning: 'the checkpoint is not one of this boot’s log, or its log key did not sign it',
  },
  log_head_unknown: {
    family: 'absent',
    meaning: 'the proof is for a head that neither the statement nor a checkpoint vouches for',
  },
  log_inclusion_invalid: {
    family: 'invalid',
    meaning: 'the proof does not lead from the record of the receipt to the head of the log',
  },
} as const satisfies CodeTable
