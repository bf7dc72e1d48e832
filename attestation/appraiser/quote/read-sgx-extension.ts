/**
 * What a PCK certificate says about its platform: the SGX extension, OID 1.2.840.113741.1.13.1 (Intel SGX PCK Certificate
 * and CRL Profile Specification, §1.3.5).
 *
 * @module
 */
import { oidOf, readDer, smallIntegerOf, TAG } from '../x509/der.ts'
import type { DerNode } from '../x509/der.ts'
import { MAX_CERTIFICATE_BYTES } from '../x509/parse-certificate.ts'
import type { Certificate } from '../x509/parse-certificate.ts'

export const OID_SGX_EXTENSION = '1.2.840.113741.1.13.1'
const COMPONENTS = 16
const MAX_SVN = 255
const MAX_PCE_SVN = 65_535
const MEMBER = { ppid: 1, tcb: 2, pceId: 3, fmspc: 4, pceSvn: 17 } as const

export interface PckPlatform {
  /** 16 bytes: Platform Provisioning ID. */
  readonly ppid: Uint8Array
  /** 6 bytes: family, model, stepping, platform and custom SKU. */
  readonly fmspc: Uint8Array
  /** 2 bytes. */
  readonly pceId: Uint8Array
  /** 16 numbers, 0 to 255. */
  readonly components: readonly number[]
  readonly pceSvn: number
}

/** Members of a SEQUENCE of {OID, value} below `arc`, by the last arc of their OID. */
function membersOf(node: DerNode | undefined, arc: string): Map<number, DerNode> | null {
  if (node?.tag !== TAG.sequence) return null
  const members = new Map<number, DerNode>()
  for (const { tag, children } of node.children) {
    const oid = oidOf(children[0])
    const value = children[1]
    if (tag !== TAG.sequence || children.length !== 2 || oid === null || value === undefined) {
      return null
    }
    const number = oid.startsWith(`${arc}.`) ? Number(oid.slice(arc.length + 1)) : Number.NaN
    // Two of one: readers would pick different ones.
    if (!Number.isInteger(number) || members.has(number)) return null
    members.set(number, value)
  }
  return members
}

function octetsOf(node: DerNode | undefined, length: number): Uint8Array | null {
  return node?.tag === TAG.octetString && node.content.length === length ? node.content : null
}

/** What was read, for as long as somebody holds the certificate. Its bytes are nobody else's, so they do not change. */
const platforms = new WeakMap<Certificate, PckPlatform>()

/** @returns null where the certificate has no such extension, or one in another form */
export function readSgxExtension(certificate: Certificate): PckPlatform | null {
  const known = platforms.get(certificate)
  if (known !== undefined) return known
  const platform = platformOf(certificate)
  if (platform !== null) platforms.set(certificate, platform)
  return platform
}

function platformOf(certificate: Certificate): PckPlatform | null {
  const extension = certificate.extensions.get(OID_SGX_EXTENSION)
  if (extension === undefined) return null
  const parsed = readDer(extension.value, MAX_CERTIFICATE_BYTES)
  if (!parsed.ok) return null
  const members = membersOf(parsed.node, OID_SGX_EXTENSION)
  const tcb = membersOf(members?.get(MEMBER.tcb), `${OID_SGX_EXTENSION}.${MEMBER.tcb}`)
  if (members === null || tcb === null) return null
  const ppid = octetsOf(members.get(MEMBER.ppid), 16)
  const fmspc = octetsOf(members.get(MEMBER.fmspc), 6)
  const pceId = octetsOf(members.get(MEMBER.pceId), 2)
  const pceSvn = smallIntegerOf(tcb.get(MEMBER.pceSvn))
  if (ppid === null || fmspc === null || pceId === null) return null
  if (pceSvn === null || pceSvn > MAX_PCE_SVN) return null
  const components: number[] = []
  for (let index = 1; index <= COMPONENTS; index++) {
    const svn = smallIntegerOf(tcb.get(index))
    if (svn === null || svn > MAX_SVN) return null
    components.push(svn)
  }
  return { ppid, fmspc, pceId, components, pceSvn }
}
