/**
 * `countersign evidence save <url>`: what a service shows about itself and some of its answers, in one file.
 *
 * Nothing that goes into the file is judged, so that what would be rejected can be kept too; what cannot be read at all is refused. The
 * document is judged for one purpose: to whom a token may be shown.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import type { ObservedChannel } from '../../attestation/appraiser/channel/judge-channel.ts'
import { parseDocument } from '../../attestation/appraiser/document/parse-document.ts'
import { parseEvidenceFile } from '../../attestation/appraiser/evidence/parse-evidence-file.ts'
import { DEFAULT_POLICY } from '../../attestation/appraiser/policy.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import {
  EVIDENCE_PURPOSE,
  MAX_EVIDENCE_ATTESTATIONS,
  MAX_EVIDENCE_BYTES,
} from '../../attestation/protocol/evidence-file.ts'
import type {
  EvidenceAttestation,
  EvidenceChannel,
  EvidenceFile,
} from '../../attestation/protocol/evidence-file.ts'
import { isHex32, toHex32 } from '../../attestation/protocol/hex.ts'
import type { Sha256Digest } from '../../attestation/protocol/hex.ts'
import { keysetDigest } from '../../attestation/protocol/keyset.ts'
import { toUtf8 } from '../../attestation/protocol/utf8.ts'
import { isLoopback } from '../channel/is-loopback.ts'
import { EXIT } from './exit-codes.ts'
import { fetchArchived, fetchDocument, reached } from './fetch-document.ts'
import { refuseUnreadSettings } from './obtain-collateral.ts'
import type { CollateralOptions } from './obtain-collateral.ts'
import { obtainGpuCollateral } from './obtain-gpu-collateral.ts'
import type { GpuCollateralOptions } from './obtain-gpu-collateral.ts'
import { readBounded } from './read-bounded.ts'
import type { PolicyOptions } from './load-policy.ts'
import { openReceiptDoor } from './receipt-door.ts'
import { receiptHeaders } from './receipt-headers.ts'
import type { ReceiptSecrets } from './receipt-headers.ts'
import { Refusal } from './refusal.ts'
import { saveReceipt } from './save-receipt.ts'
import type { ReceiptToSave, SavedReceipt } from './save-receipt.ts'
import { tellSaved } from './tell-saved.ts'
import type { SavedEvidence } from './tell-saved.ts'
import { textOf } from './text-of.ts'
import { collateralFor } from './verify.ts'

export interface EvidenceSaveOptions
  extends CollateralOptions, GpuCollateralOptions, PolicyOptions, ReceiptSecrets, ReceiptToSave {
  readonly receipt?: readonly string[]
  readonly out?: string
}

/** Receipt ids and completion ids, as far as they need no escape in a path. */
const RECEIPT_NAME = /^[A-Za-z0-9._~-]{1,256}$/

/** @param asks for receipts too, with a token and a secret */
function refuseUrl(text: string, asks: boolean): void {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.username + url.password !== '') {
    throw new Refusal(
      'evidence save takes the http or https URL of a service, without a user name.',
    )
  }
  if (asks && url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new Refusal(
      'Receipts are asked for with a token, which could be read on the way over plain http: --receipt takes an https URL, or one of this machine.',
    )
  }
}

async function attestationOf(
  bytes: Uint8Array,
  options: EvidenceSaveOptions,
): Promise<EvidenceAttestation & { readonly keyset: Sha256Digest; readonly simulated: boolean }> {
  const parsed = parseDocument(bytes)
  if (!parsed.ok) {
    throw new Refusal(`The attestation document cannot be read: ${parsed.detail}.`, EXIT.malformed)
  }
  return {
    document: textOf(bytes, 'The attestation document'),
    collateral: await collateralFor(bytes, 'countersign', options, DEFAULT_POLICY),
    gpu_collateral: await obtainGpuCollateral(bytes, 'countersign', options, DEFAULT_POLICY),
    keyset: keysetDigest(parsed.document.keyset, nodeCrypto),
    simulated: parsed.document.config['simulation'] === true,
  }
}

/** What the service keeps of a keyset that is not in force: of an earlier boot, or renewed since. */
async function keptDocument(base: string, digest: Sha256Digest): Promise<Uint8Array> {
  const found = await reached(base, () => fetchArchived(base, digest))
  if (found !== null) return found.bytes
  throw new Refusal(
    `A receipt names the keyset ${digest}, of which the service keeps no document.`,
    EXIT.internal,
  )
}

function savedChannel(channel: ObservedChannel): EvidenceChannel {
  return channel.kind === 'plain'
    ? { kind: 'plain' }
    : { kind: 'tls', host: channel.host, spki_sha256: channel.spkiSha256 }
}

async function collectEvidence(
  base: string,
  options: EvidenceSaveOptions,
  headers: Readonly<Record<string, string>>,
): Promise<SavedEvidence> {
  const ids = [...new Set(options.receipt ?? [])]
  const nonce = toHex32(randomBytes(32))
  const fetched = await reached(base, () => fetchDocument(base, nonce))
  const first = await attestationOf(fetched.bytes, options)
  const attestations = [first]
  const receipts: SavedReceipt[] = []
  if (ids.length > 0) {
    const door = await openReceiptDoor(base, fetched, first, nonce, options)
    try {
      for (const id of ids) {
        const saved = await saveReceipt(door, id, options, headers)
        if (receipts.some((other) => other.id === saved.id)) {
          throw new Refusal(`Receipt ${saved.id} is named twice, as ${id} too.`)
        }
        receipts.push(saved)
      }
    } finally {
      await door.close()
    }
  }
  for (const { keyset } of receipts) {
    if (attestations.some((known) => known.keyset === keyset)) continue
    if (attestations.length === MAX_EVIDENCE_ATTESTATIONS) {
      throw new Refusal(`The receipts are under more than ${MAX_EVIDENCE_ATTESTATIONS} keysets.`)
    }
    attestations.push(await attestationOf(await keptDocument(base, keyset), options))
  }
  const file: EvidenceFile = {
    purpose: EVIDENCE_PURPOSE,
    saved_at: Math.floor(Date.now() / 1000),
    channel: savedChannel(fetched.channel),
    attestations: attestations.map(
      ({ keyset: _keyset, simulated: _simulated, ...attestation }) => attestation,
    ),
    receipts: receipts.map(({ keyset: _keyset, view: _view, id: _id, ...receipt }) => receipt),
  }
  return { file, simulated: first.simulated, views: receipts.some(({ view }) => view) }
}

/** @throws Refusal where something cannot be had, read or written */
export async function evidenceSave(
  base: string,
  options: EvidenceSaveOptions,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const ids = options.receipt ?? []
  refuseUrl(base, ids.length > 0)
  await refuseUnreadSettings(options)
  const odd = ids.find((id) => !RECEIPT_NAME.test(id))
  if (odd !== undefined) throw new Refusal('--receipt takes the id of a receipt or completion.')
  const needless = ids.length > 0 ? [] : (['cose', 'wait', 'policy', 'allowSimulated'] as const)
  const idle = needless.find((name) => (options[name] ?? false) !== false)
  if (idle !== undefined) {
    const flag = idle === 'allowSimulated' ? 'allow-simulated' : idle
    throw new Refusal(`--${flag} says nothing without --receipt.`)
  }
  const { opening } = options
  const ofOne = opening ?? options.request ?? options.response
  if (ofOne !== undefined && ids.length !== 1) {
    throw new Refusal('--request, --response and --opening are those of exactly one --receipt.')
  }
  if (opening !== undefined && !isHex32(opening)) {
    throw new Refusal('--opening takes 64 lower-case hex digits.')
  }
  const { roots: path } = options
  const roots = path === undefined ? null : { path, bytes: await readBounded(path) }
  const saved = await collectEvidence(base, options, await receiptHeaders(options, environment))
  const text = `${JSON.stringify(saved.file)}\n`
  const bytes = toUtf8(text)
  const parsed = parseEvidenceFile(bytes)
  if (!parsed.ok) {
    const size = bytes.length > MAX_EVIDENCE_BYTES ? 'too large' : parsed.detail
    throw new Refusal(`The file would be refused: ${size}.`, EXIT.internal)
  }
  if (options.out === undefined) {
    process.stdout.write(text)
    return
  }
  // Openings and bodies are nobody else's business, and evidence is never written over.
  await writeFile(options.out, bytes, { flag: 'wx', mode: 0o600 }).catch(() => {
    throw new Refusal(`${options.out ?? ''} cannot be written, or exists.`, EXIT.internal)
  })
  process.stderr.write(await tellSaved(saved, options.out, roots))
}
