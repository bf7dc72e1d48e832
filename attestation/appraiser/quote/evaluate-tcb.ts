/**
 * Which state the platform, its TDX module and its quoting enclave are in, by Intel's signed documents.
 *
 * Source: PCS API v4, "Get TDX TCB Info", the comparison of TCB levels; Intel SGX and TDX DCAP Quote Verification Library,
 * evaluation of a TDX TCB and relaunch check.
 *
 * @module
 */
import type { CheckCode } from '../codes.ts'
import { toHex } from '../../protocol/hex.ts'
import type { Quote } from './parse-quote.ts'
import type {
  LevelState,
  ModuleSigner,
  PlatformLevel,
  SvnLevel,
  TcbInfo,
} from './parse-tcb-info.ts'
import type { PckPlatform } from './read-sgx-extension.ts'
import { mergeStatuses } from './tcb-status.ts'
import type { TcbStatus } from './tcb-status.ts'

export interface Fault {
  readonly code: CheckCode
  readonly detail: string
}

/** State of platform and module under one tee_tcb_svn. */
export interface TdxLevel {
  readonly status: TcbStatus
  readonly platform: LevelState
  /** Null for a module of version 0, whose SVN is among the platform's components. */
  readonly module: LevelState | null
}

function reaches(svns: Iterable<number>, wanted: readonly number[], from: number): boolean {
  const have = [...svns]
  return wanted.every((svn, index) => index < from || (have[index] ?? -1) >= svn)
}

/** Byte 1 of tee_tcb_svn: major version of the module. */
export function moduleVersion(teeTcbSvn: Uint8Array): number {
  return teeTcbSvn[1] ?? 0
}

function platformLevel(
  info: TcbInfo,
  platform: PckPlatform,
  teeTcbSvn: Uint8Array,
): PlatformLevel | undefined {
  // From version 1 on the first two bytes are the module's own, and it has its own levels.
  const from = moduleVersion(teeTcbSvn) === 0 ? 0 : 2
  return info.levels.find(
    (level) =>
      reaches(platform.components, level.sgxComponents, 0) &&
      platform.pceSvn >= level.pceSvn &&
      reaches(teeTcbSvn, level.tdxComponents, from),
  )
}

export function svnLevelOf(levels: readonly SvnLevel[], svn: number): SvnLevel | undefined {
  return levels.find(({ isvSvn }) => svn >= isvSvn)
}

/** Level of platform and module for `teeTcbSvn`. */
export function tdxLevel(
  info: TcbInfo,
  platform: PckPlatform,
  teeTcbSvn: Uint8Array,
): TdxLevel | Fault {
  const level = platformLevel(info, platform, teeTcbSvn)
  if (level === undefined) {
    return {
      code: 'tcb_level_missing',
      detail: `components ${platform.components.join(' ')}, PCE ${platform.pceSvn}, TEE ${toHex(teeTcbSvn)}`,
    }
  }
  const version = moduleVersion(teeTcbSvn)
  if (version === 0) return { status: level.status, platform: level, module: null }
  const identity = info.modules.find((module) => module.version === version)
  if (identity === undefined) {
    return { code: 'tdx_module_unknown', detail: `module version ${version}` }
  }
  const svn = teeTcbSvn[0] ?? 0
  const module = svnLevelOf(identity.levels, svn)
  if (module === undefined) {
    return { code: 'tcb_level_missing', detail: `TDX module ${version}, SVN ${svn}` }
  }
  return { status: mergeStatuses([level.status, module.status]), platform: level, module }
}

/** Whether masked `actual` is `expected`, byte by byte. */
export function matchesMasked(actual: Uint8Array, expected: Uint8Array, mask: Uint8Array): boolean {
  return (
    actual.length === expected.length &&
    actual.every((byte, index) => (byte & (mask[index] ?? 0xff)) === expected[index])
  )
}

/** Who must have signed the module of the quote, by its version. */
export function moduleFault(quote: Quote, info: TcbInfo): Fault | null {
  const version = moduleVersion(quote.teeTcbSvn)
  const signer: ModuleSigner | undefined =
    version === 0 ? info.module : info.modules.find((module) => module.version === version)
  if (signer === undefined) {
    return { code: 'tdx_module_unknown', detail: `module version ${version}` }
  }
  if (toHex(quote.mrSignerSeam) !== toHex(signer.mrSigner)) {
    return { code: 'tdx_module_mismatch', detail: 'signer' }
  }
  return matchesMasked(quote.seamAttributes, signer.attributes, signer.attributesMask)
    ? null
    : { code: 'tdx_module_mismatch', detail: 'attributes' }
}
