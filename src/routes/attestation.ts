/**
 * The doors onto the attestation state: canonical, ACI, vllm-proxy, 0G.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { Encoder } from 'cbor-x'
import { Router } from 'express'
import type { Request, Response } from 'express'
import type { GuestFacts } from '../../attestation/attester/evidence-source.ts'
import { isHex32, isSha256Digest, toHex32 } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { aciReport } from '../../enclave/attestation/aci-report.ts'
import type { Attestor } from '../../enclave/attestation/attestor.ts'
import { isAmbiguousNonce, vllmProxyReport } from '../../enclave/attestation/vllm-proxy-report.ts'
import { zgQuote } from '../../enclave/attestation/zg-quote.ts'
import type { BootKeys } from '../../enclave/keys/boot-keys.ts'
import type { Held } from '../../enclave/receipts/receipt-store.ts'
import type { ServiceErrorCode } from '../errors.ts'
import type { DoorLimits, LimitedDoor } from './door-limits.ts'
import {
  readable,
  respond,
  sendError,
  sendJson,
  sendText,
  spellings,
  wrapDocument,
} from './reply.ts'

export const DOORS = ['aci', 'vllm-proxy', '0g-quote', 'legacy-signature'] as const
export type Door = (typeof DOORS)[number]

export interface AttestationRoutesOptions {
  readonly attestor: Attestor
  readonly keys: BootKeys
  readonly facts: GuestFacts
  /** Of a keyset that was renewed, of an earlier boot or of a replica; null where none is kept. */
  readonly archived: (keysetDigest: string) => Held<string | null>
  /** Those that are configured; the canonical document always is open. */
  readonly doors: readonly Door[]
  readonly doorLimits: DoorLimits
}

const ACI_PATHS = spellings('/aci/attestation')
const ACI_DOCUMENT_PATHS = spellings('/attestation/aci')
const REPORT_PATHS = spellings('/attestation/report')
const QUOTE_PATHS = spellings('/quote')

/** Of a door with a quote of its own. */
function pathsOf(door: Door): string[] {
  switch (door) {
    case 'aci':
      return [...ACI_PATHS, ...ACI_DOCUMENT_PATHS]
    case 'vllm-proxy':
      return REPORT_PATHS
    case '0g-quote':
      return QUOTE_PATHS
    case 'legacy-signature':
      return []
  }
}

/** RFC 8949 §4.2 sizes, plain maps: any CBOR reader gets the JSON document's data. */
const cbor = new Encoder({
  useRecords: false,
  variableMapSize: true,
  tagUint8Array: false,
  mapsAsObjects: true,
})

/** A client that asks and leaves at once must not cost a quote. */
const hasLeft = (req: Request) => () => req.socket.destroyed

type Query<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly code: ServiceErrorCode }

function queryNonce(req: Request): Query<Hex32 | null> {
  const { nonce } = req.query
  if (nonce === undefined) return { ok: true, value: null }
  return isHex32(nonce) ? { ok: true, value: nonce } : { ok: false, code: 'invalid_nonce' }
}

export function attestationRoutes(options: AttestationRoutesOptions): Router {
  const { attestor, keys, facts, doors, doorLimits, archived } = options
  const router = Router({ caseSensitive: true, strict: true })

  const callerOf = (req: Request) => ({
    client: doorLimits.clientOf(req),
    hasLeft: hasLeft(req),
  })

  const limited =
    (door: LimitedDoor, handler: (req: Request, res: Response) => void | Promise<void>) =>
    (req: Request, res: Response): void | Promise<void> => {
      const waitS = doorLimits.take(door, req)
      return waitS === null ? handler(req, res) : sendError(res, 'attestation_rate_limited', waitS)
    }

  const withNonce = (
    door: LimitedDoor,
    handler: (nonce: Hex32 | null, req: Request, res: Response) => Promise<void>,
  ) =>
    limited(door, (req, res) => {
      const nonce = queryNonce(req)
      if (nonce.ok) return respond(res, () => handler(nonce.value, req, res))
      return sendError(res, nonce.code)
    })

  readable(
    router,
    spellings('/attestation'),
    withNonce('canonical', async (nonce, req, res) => {
      const document = await attestor.vouched(nonce, { abandoned: hasLeft(req) })
      if (req.accepts(['application/json', 'application/cbor']) !== 'application/cbor') {
        sendJson(res, 200, document.bytes())
        return
      }
      const body = cbor.encode(JSON.parse(document.text()) as unknown)
      res.writeHead(200, {
        'Content-Type': 'application/cbor',
        'Content-Length': body.length,
        'Cache-Control': 'no-store',
      })
      res.end(req.method === 'HEAD' ? undefined : body)
    }),
  )

  readable(
    router,
    spellings('/attestation/document'),
    withNonce('canonical', async (nonce, req, res) => {
      const document = await attestor.vouched(nonce, { abandoned: hasLeft(req) })
      sendJson(res, 200, document.wrapped())
    }),
  )

  const keyset = (wrapped: boolean) =>
    limited('canonical', (req, res) => {
      const { digest } = req.params
      if (!isSha256Digest(digest)) return sendError(res, 'invalid_keyset_digest')
      const sendArchived = async (): Promise<void> => {
        const document = await archived(digest)
        if (document === null) sendError(res, 'keyset_unknown')
        else sendText(res, 200, wrapped ? wrapDocument(document) : document)
      }
      return respond(res, async () => {
        if (digest !== keys.keysetDigest) return sendArchived()
        const document = await attestor.vouched(null)
        // Renewed in the meantime, and so archived before.
        if (document.keyset.digest !== digest) await sendArchived()
        else sendJson(res, 200, wrapped ? document.wrapped() : document.bytes())
      })
    })
  readable(router, ['/attestation/keysets/:digest'], keyset(false))
  readable(
    router,
    ['/v1/attestation/keysets/:digest', '/v1/proxy/attestation/keysets/:digest'],
    keyset(true),
  )

  if (facts.platform === 'tapp') {
    // Better a refusal with its reason than a document in a layout that no quote of this machine can have.
    const closed = doors.flatMap(pathsOf)
    const refuse = (_req: Request, res: Response) => sendError(res, 'door_not_under_tapp')
    if (closed.length > 0) readable(router, closed, refuse)
    return router
  }

  if (doors.includes('aci')) {
    readable(
      router,
      ACI_PATHS,
      withNonce('aci', async (nonce, req, res) => {
        sendText(res, 200, await aciReport(attestor, keys, nonce, callerOf(req)))
      }),
    )
    readable(
      router,
      ACI_DOCUMENT_PATHS,
      withNonce('aci', async (nonce, req, res) => {
        sendText(res, 200, wrapDocument(await aciReport(attestor, keys, nonce, callerOf(req))))
      }),
    )
  }

  if (doors.includes('vllm-proxy')) {
    readable(
      router,
      REPORT_PATHS,
      withNonce('vllm-proxy', async (given, req, res) => {
        const algo = req.query['signing_algo'] ?? 'ecdsa'
        if (algo !== 'ecdsa' && algo !== 'ed25519') {
          sendError(res, 'invalid_signing_algo')
          return
        }
        const tls = req.query['include_tls_fingerprint'] === 'true' ? keys.tls : null
        if (tls === null && req.query['include_tls_fingerprint'] === 'true') {
          sendError(res, 'tls_not_configured')
          return
        }
        if (given !== null && isAmbiguousNonce(given)) {
          sendError(res, 'ambiguous_nonce')
          return
        }
        const wanted = req.query['signing_address']
        const own =
          algo === 'ecdsa'
            ? keys.address.address
            : Buffer.from(keys.legacy.publicKey).toString('hex')
        if (
          wanted !== undefined &&
          (typeof wanted !== 'string' || wanted.toLowerCase() !== own.toLowerCase())
        ) {
          sendError(res, 'not_found')
          return
        }
        const nonce = given ?? toHex32(randomBytes(32))
        const request = { algo, nonce, tls } as const
        sendText(res, 200, await vllmProxyReport(attestor, keys, facts, request, callerOf(req)))
      }),
    )
  }

  if (doors.includes('0g-quote')) {
    readable(
      router,
      QUOTE_PATHS,
      limited('0g-quote', (_req, res) =>
        respond(res, async () => sendText(res, 200, await zgQuote(attestor, keys, facts))),
      ),
    )
  }
  return router
}
