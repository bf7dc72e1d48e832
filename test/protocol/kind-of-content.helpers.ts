/** Vectors of the kinds of content beside chat, under both crypto ports. */
import { expect } from 'vitest'
import { nobleCrypto } from '../../attestation/crypto/noble.ts'
import { nodeCrypto } from '../../attestation/crypto/node.ts'
import { CONTENT_KINDS, contentDigest } from '../../attestation/protocol/content.ts'
import { createAccumulator } from '../../attestation/protocol/content-kinds.ts'
import { canonicalize } from '../../attestation/protocol/jcs.ts'

type Json = Readonly<Record<string, unknown>>

/** What one vector's answer says, in the vector's own terms. */
export function kindOfContent({ opening, kind, body, chunks }: Json): unknown {
  const known = CONTENT_KINDS.find((each) => each === kind)
  if (known === undefined) throw new Error(`no kind ${String(kind)}`)
  const events = body === undefined ? (chunks as readonly unknown[]) : [body]
  const [first, other] = [nodeCrypto, nobleCrypto].map((crypto) => {
    const accumulator = createAccumulator(known, crypto)
    events.forEach((event) => accumulator.add(event))
    const { content, status, uncovered } = accumulator.summarize()
    return {
      text: content === null ? null : canonicalize(content),
      status,
      uncovered,
      digest:
        content === null
          ? null
          : contentDigest(content, Buffer.from(String(opening), 'hex'), crypto),
      finish_reasons: content === null ? null : accumulator.finishReasons(),
    }
  })
  expect(other).toEqual(first)
  return first
}
