/**
 * Whether a token is about a device whose evidence was appraised here: the service names the attestation key by the serial
 * number of its certificate, which depends on the key.
 *
 * @module
 */
import { toHex } from '../../../protocol/hex.ts'
import { counted } from '../../counted.ts'
import type { Judgement } from '../../quote/step-list.ts'
import type { NrasDevice } from './device-claims.ts'

/** Of evidence whose chain and signature passed. */
export interface NrasLocalDevice {
  /** Content bytes of the serial number of certificate 0. */
  readonly leafSerial: Uint8Array
  readonly driverVersion: string | null
  readonly vbiosVersion: string | null
}

function decimalOf(serial: Uint8Array): string {
  return serial.length === 0 ? '' : BigInt(`0x${toHex(serial)}`).toString()
}

/** Versions are compared without regard to case: reports spell hex in either. */
function isSame(a: string | null, b: string | null): boolean {
  return a !== null && b !== null && a.toUpperCase() === b.toUpperCase()
}

/**
 * By `ueid`, not by place in the list. With all tokens about different devices (`nras.unique`) and as many of them as there
 * is evidence, each piece of evidence has its token: none is vouched for by another one's.
 *
 * @param tokens how many device tokens the answer has
 */
export function judgeSameDevice(
  device: NrasDevice,
  local: readonly NrasLocalDevice[],
  tokens: number,
): Judgement {
  if (local.length !== tokens) {
    const detail = `evidence of ${counted(local.length, 'device')}, tokens of ${tokens}`
    return { code: 'nras_device_mismatch', detail }
  }
  const own = local.find(({ leafSerial }) => decimalOf(leafSerial) === device.ueid)
  if (own === undefined) {
    return { code: 'nras_device_mismatch', detail: `no evidence of ueid ${device.ueid ?? ''}` }
  }
  // A switch has no driver, neither in its report nor in its token.
  const driver = device.driver === null && own.driverVersion === null
  if (!driver && !isSame(device.driver, own.driverVersion)) {
    return { code: 'nras_device_mismatch', detail: `driver ${device.driver ?? 'not stated'}` }
  }
  return isSame(device.bios, own.vbiosVersion)
    ? null
    : { code: 'nras_device_mismatch', detail: `VBIOS ${device.bios ?? 'not stated'}` }
}
