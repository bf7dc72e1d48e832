/**
 * Holds the wire formats to `test/vectors/protocol.json`, which an implementation in another language made from
 * docs/protocol.md alone.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseCoseReceipt } from '../../attestation/appraiser/receipt/parse-cose-receipt.ts'
import { parseReceipt } from '../../attestation/appraiser/receipt/parse-receipt.ts'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import {
  ChatAccumulator,
  contentOfChunks,
  contentOfCompletion,
} from '../../attestation/protocol/chat-content.ts'
import { contentDigest } from '../../attestation/protocol/content.ts'
import type { ContentSummary } from '../../attestation/protocol/content.ts'
import { isHex32, toHex, toSha256Digest } from '../../attestation/protocol/hex.ts'
import type { Hex32 } from '../../attestation/protocol/hex.ts'
import { canonicalize } from '../../attestation/protocol/jcs.ts'
import { isJsonObject, parseJsonText } from '../../attestation/protocol/json.ts'
import { keysetDigest, parseKeyset } from '../../attestation/protocol/keyset.ts'
import {
  addressOf,
  checksumAddress,
  eip191Message,
  legacyText,
  recoverEip191,
} from '../../attestation/protocol/legacy-text.ts'
import { buildNonceTree, nonceRoot } from '../../attestation/protocol/nonce-tree.ts'
import type { NonceProof } from '../../attestation/protocol/nonce-tree.ts'
import { fullReceipt, receiptView } from '../../attestation/protocol/receipt.ts'
import { bodiesCommitment, recordHash, recordText } from '../../attestation/protocol/record.ts'
import type { BodyHashes, ReceiptRecord } from '../../attestation/protocol/record.ts'
import { requestMembers } from '../../attestation/protocol/request-members.ts'
import { gpuNonce, reportData, statementBytes } from '../../attestation/protocol/statement.ts'
import type { Statement } from '../../attestation/protocol/statement.ts'
import { fromUtf8, toUtf8 } from '../../attestation/protocol/utf8.ts'
import { coseReceipt } from '../../enclave/receipts/cose-receipt.ts'
import { createEd25519Signer } from '../../enclave/keys/ed25519-signer.ts'
import { createSecp256k1Signer } from '../../enclave/keys/secp256k1-signer.ts'
import { SseScanner } from '../../src/relay/sse-scanner.ts'
import { kindOfContent } from './kind-of-content.helpers.ts'

type Json = Readonly<Record<string, unknown>>
interface Vector {
  readonly id: string
  readonly input: Json
  readonly expected: Json
}

const file = new URL('../vectors/protocol.json', import.meta.url)
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: readonly Vector[] }

const PORTS = [nodeCrypto, nobleCrypto]

function bytesOf(value: unknown): Uint8Array {
  return Uint8Array.from(Buffer.from(String(value), 'hex'))
}

/** A record as the enclave makes them: members of `usage` in canonical order, which {@link recordText} relies on. */
function recordOf(value: unknown): ReceiptRecord {
  return JSON.parse(canonicalize(value)) as ReceiptRecord
}

/** The protocol's functions on one vector, in the vector's own terms. */
const FAMILIES: Readonly<Record<string, (input: Json, expected: Json) => unknown>> = {
  keyset: ({ keyset }) => {
    const parsed = parseKeyset(keyset)
    if (!parsed.ok) throw new Error(parsed.detail)
    const [digest, other] = PORTS.map((crypto) => keysetDigest(parsed.keyset, crypto))
    expect(digest).toBe(other)
    return { text: canonicalize(parsed.keyset), digest }
  },

  statement: (input) => {
    const statement = input as unknown as Statement
    const [data, other] = PORTS.map((crypto) => toHex(reportData(statement, crypto)))
    expect(data).toBe(other)
    return { text: fromUtf8(statementBytes(statement)), report_data: data }
  },

  gpu_nonce: (input, { text }) => {
    const statement = input as unknown as Statement
    const nonce = toHex(gpuNonce(statement, nodeCrypto))
    expect(toHex(nodeCrypto.sha256(toUtf8(String(text))))).toBe(nonce)
    return { text, nonce }
  },

  nonce_tree: ({ nonces }) => {
    const list = (nonces as readonly unknown[]).filter(isHex32)
    const tree = buildNonceTree(list, nodeCrypto)
    const proofs = list.map((_, index) => tree.proof(index))
    list.forEach((nonce, index) => {
      expect(nonceRoot(nonce, proofs[index] as NonceProof, nobleCrypto)).toBe(tree.root)
    })
    return { root: tree.root, proofs }
  },

  record: ({ record }) => {
    const given = recordOf(record)
    // Written in sorted order by hand for speed; the canonical form must be the same bytes.
    expect(recordText(given)).toBe(canonicalize(given))
    return { text: recordText(given), record_hash: recordHash(given, nodeCrypto) }
  },

  bodies: (input, { text }) => {
    const hashes = input as unknown as BodyHashes
    const { forwarded, received, returned } = hashes
    expect(canonicalize({ forwarded, received, returned })).toBe(text)
    return { text, digest: bodiesCommitment(hashes, bytesOf(input['opening']), nodeCrypto) }
  },

  content: ({ opening, body, chunks, stream }) => {
    const summary =
      typeof stream === 'string'
        ? contentOfStream(stream)
        : body === undefined
          ? contentOfChunks(chunks as readonly unknown[])
          : contentOfCompletion(body)
    const { content, status, uncovered } = summary
    return {
      text: content === null ? null : canonicalize(content),
      status,
      uncovered,
      digest: content === null ? null : contentDigest(content, bytesOf(opening), nodeCrypto),
    }
  },

  ...{ text: kindOfContent, messages: kindOfContent },
  ...{ responses: kindOfContent, embeddings: kindOfContent },

  members: ({ opening, body }) => {
    const parsed = parseJsonText(String(body))
    if (!parsed.ok) throw new Error(parsed.fault)
    if (!isJsonObject(parsed.value)) return { texts: null, members: null }
    const object = parsed.value
    const members = requestMembers(object, bytesOf(opening), nodeCrypto)
    const texts = members.map(({ name }) => canonicalize({ name, value: object[name] }))
    return { texts, members }
  },

  receipt: (input, expected) => {
    const record = recordOf(input['record'])
    const events = input['body_events'] as readonly { type: string; body_hash: never }[]
    const hashOf = (type: string) => events.find((event) => event.type === type)?.body_hash
    const keyId = String(input['key_id'])
    const hash = recordHash(record, nodeCrypto)
    const whole = hashOf('response.returned')
    const text =
      events.length === 0
        ? receiptView(record, hash, keyId)
        : fullReceipt(
            record,
            hash,
            {
              received: hashOf('request.received') as never,
              forwarded: hashOf('request.forwarded') ?? null,
              returned: whole ?? (hashOf('countersign.response.partial') as never),
            },
            { whole: whole !== undefined },
            keyId,
          )
    const signer = createEd25519Signer(Buffer.from(String(input['ed25519_seed']), 'hex'))
    const signature = signer.sign(Buffer.from(text.signed))
    for (const crypto of PORTS) {
      expect(crypto.verifyEd25519(signer.publicKey, toUtf8(text.signed), signature)).toBe(true)
    }
    // The verifier reads back exactly what was signed.
    const parsed = parseReceipt(String(expected['document']))
    if (!parsed.ok) throw new Error(parsed.detail)
    expect(parsed.receipt.record).toEqual(record)
    expect(Buffer.from(parsed.receipt.signed).toString()).toBe(text.signed)
    expect(parsed.receipt.recordHash).toBe(hash)
    return {
      public_key: toHex(signer.publicKey),
      signed_text: text.signed,
      signature: toHex(signature),
      document: text.withSignature(toHex(signature)),
    }
  },

  cose: (input, expected) => {
    const record = recordOf(input['record'])
    const bodies = input['bodies'] as (BodyHashes & { whole: boolean }) | null
    const keyId = String(input['key_id'])
    const signer = createEd25519Signer(Buffer.from(String(input['ed25519_seed']), 'hex'))
    const hash = recordHash(record, nodeCrypto)
    const message = coseReceipt({ record, recordHash: hash, bodies, keyId }, signer)
    const parsed = parseCoseReceipt(bytesOf(expected['message']))
    if (!parsed.ok) throw new Error(parsed.detail)
    const { receipt } = parsed
    expect(receipt.record).toEqual(record)
    expect([receipt.recordHash, receipt.keyId, receipt.whole]).toEqual([
      hash,
      keyId,
      bodies?.whole ?? null,
    ])
    for (const crypto of PORTS) {
      expect(crypto.verifyEd25519(signer.publicKey, receipt.signed, receipt.signature)).toBe(true)
    }
    return {
      public_key: toHex(signer.publicKey),
      message: toHex(message),
      signed: toHex(receipt.signed),
    }
  },

  'legacy.text': ({ request, response }) => ({
    text: legacyText(
      toSha256Digest(nodeCrypto.sha256(toUtf8(String(request)))),
      toSha256Digest(nodeCrypto.sha256(toUtf8(String(response)))),
    ),
  }),

  'legacy.eip191': ({ secret, text }, expected) => {
    const message = String(text)
    const signer = createSecp256k1Signer(bytesOf(secret))
    const digest = nodeCrypto.keccak256(eip191Message(message))
    const { signature, recovery } = signer.sign(digest)
    const address = addressOf(signer.point, nodeCrypto)
    const given = String(expected['signature'])
    expect(recoverEip191(message, given, nodeCrypto)).toBe(address)
    return {
      public_key: toHex(signer.publicKey),
      address: checksumAddress(address, nodeCrypto),
      message_digest: toHex(digest),
      signature: `0x${toHex(signature)}${recovery === 0 ? '1b' : '1c'}`,
    }
  },

  'legacy.ed25519': ({ ed25519_seed, text }) => {
    const signer = createEd25519Signer(Buffer.from(String(ed25519_seed), 'hex'))
    return {
      public_key: toHex(signer.publicKey),
      signature: toHex(signer.sign(Buffer.from(String(text)))),
    }
  },
}

/** As the enclave reads a stream, in one piece and byte by byte. */
function contentOfStream(stream: string): ContentSummary {
  const [whole, pieces] = [
    [Buffer.from(stream)],
    Array.from(Buffer.from(stream), (b) => Buffer.of(b)),
  ].map((parts) => {
    const accumulator = new ChatAccumulator()
    const scanner = new SseScanner(
      {
        onData: (data) => {
          if (data !== '[DONE]') accumulator.add(JSON.parse(data))
        },
        onEvent: () => {
          throw new Error('no piece is put aside here')
        },
      },
      65_536,
    )
    for (const part of parts) scanner.push(part)
    return accumulator.summarize()
  })
  if (whole === undefined) throw new Error('two readings were made')
  expect(pieces).toEqual(whole)
  return whole
}

function familyOf(id: string) {
  const [first = '', second = ''] = id.split('.')
  return FAMILIES[first] ?? FAMILIES[`${first}.${second}`]
}

describe('vectors of another implementation', () => {
  test('there are some of every format', () => {
    const families = new Set(vectors.map(({ id }) => familyOf(id)))
    expect(families.has(undefined)).toBe(false)
    expect(families.size).toBe(new Set(Object.values(FAMILIES)).size)
  })

  test.each(vectors.map((vector) => [vector.id, vector] as const))(
    '%s',
    (_id, { id, input, expected }) => {
      const family = familyOf(id)
      if (family === undefined) throw new Error(`no family of ${id}`)
      expect(family(input, expected)).toEqual(expected)
    },
  )

  test('a nonce proof of another size, index or nonce gives another root or none', () => {
    const vector = vectors.find(({ id }) => id === 'nonce_tree.7')
    const nonces = (vector?.input['nonces'] ?? []) as readonly Hex32[]
    const proofs = (vector?.expected['proofs'] ?? []) as readonly NonceProof[]
    const root = vector?.expected['root']
    proofs.forEach((proof, index) => {
      const nonce = nonces[index]
      if (nonce === undefined) throw new Error('a nonce for each proof')
      const wrong: readonly NonceProof[] = [
        { ...proof, index: (index + 1) % 7 },
        { ...proof, tree_size: 2 ** proof.path.length * 2 + 1 },
        { ...proof, path: proof.path.slice(1) },
        { ...proof, path: [...proof.path, nonce] },
        { ...proof, index: -1 },
        { ...proof, tree_size: 5000 },
      ]
      for (const each of wrong) expect(nonceRoot(nonce, each, nodeCrypto)).not.toBe(root)
      const other = nonces[(index + 1) % 7]
      if (other !== undefined) expect(nonceRoot(other, proof, nodeCrypto)).not.toBe(root)
    })
  })
})
