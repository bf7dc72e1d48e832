/**
 * Appraises one attestation document: everything that can be said of it without a network, as a list of checks and one
 * verdict. On acceptance it hands out the keys that receipts may be checked with.
 *
 * @module
 */
import type { CryptoPort } from '../crypto/port.ts'
import { fromHex, toHex } from '../protocol/hex.ts'
import type { Hex32, Sha256Digest } from '../protocol/hex.ts'
import type { JsonObject } from '../protocol/json.ts'
import type { Keyset } from '../protocol/keyset.ts'
import { fail, info, pass, skip } from './check.ts'
import type { Check } from './check.ts'
import { CUSTODY_CODES } from './custody/codes.ts'
import { parseDocument } from './document/parse-document.ts'
import type { AttestationDocument } from './document/parse-document.ts'
import { readConfig } from './document/read-config.ts'
import type { ReadConfig } from './document/read-config.ts'
import { verifyAddressKey } from './document/verify-address-key.ts'
import {
  composeAcceptedCheck,
  readChains,
  simulationCheck,
  upstreamsCheck,
} from './document/verify-config.ts'
import type { EvidenceChains } from './document/verify-config.ts'
import { verifyKeyset } from './document/verify-keyset.ts'
import { verifyStatement } from './document/verify-statement.ts'
import { verifyCompose } from './eventlog/verify-compose.ts'
import { replayEventLog } from './eventlog/replay-event-log.ts'
import type { SystemIdentity } from './eventlog/read-system-events.ts'
import { GPU_RUNGS, gpuRung, readGpuFacts } from './gpu/gpu-ladder.ts'
import { verifyGpuEvidence } from './gpu/verify-gpu-evidence.ts'
import type { AppraisalPolicy } from './policy.ts'
import { parseQuote } from './quote/parse-quote.ts'
import type { Quote } from './quote/parse-quote.ts'
import { verifyQuote } from './quote/verify-quote.ts'
import { decideVerdict } from './verdict.ts'
import type { Verdict } from './verdict.ts'
import { isSimulatedRoot } from './x509/verify-chain.ts'
