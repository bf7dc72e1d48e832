/**
 * How the GPU policy and the one for NVIDIA's attestation service spell the same things.
 *
 * @module
 */
import { isText } from '../policy-part.ts'

/** A driver version, e.g. `550.54.14`. */
export const isDriver = isText(/^[0-9]{1,8}(?:\.[0-9]{1,8}){0,3}$/)
/** A VBIOS or NVSwitch BIOS version, e.g. `96.00.9F.00.01`. */
export const isBios = isText(/^[0-9A-F]{2}(?:\.[0-9A-F]{2}){0,4}$/)
/** `iss` of the service's tokens. */
export const isNrasIssuer = isText(/^https:\/\/[a-z0-9.-]{1,253}(?::[0-9]{1,5})?$/)
