/**
 * How reading the GPUs through NVML can fail, and what to do about each.
 *
 * @module
 */
import type { NvmlReturn } from './nvml-calls.ts'

/** What happened and what to do, for the operator. Codes are stable; `docs/errors.md` is generated from this table. */
export const NVML_ERRORS = Object.freeze({
  nvml_library_absent:
    'There is no libnvidia-ml.so.1 where container runtimes mount it. Run the container with the NVIDIA runtime (or CDI) and NVIDIA_DRIVER_CAPABILITIES=utility.',
  nvml_library_unloadable:
    'The library cannot be loaded. It must be the libnvidia-ml.so.1 of the running driver, for this processor and linked against glibc: mount it by the NVIDIA runtime, copy none into the image.',
  nvml_binding_missing:
    'The optional package koffi is not installed for this platform. Install with optional dependencies, or take the published image.',
  nvml_process_unconfined:
    'The kernel does not let the process that calls the driver give up rights and inherited descriptors (prctl: PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE; /proc/self/fd), and so the driver is not loaded. Look at the seccomp profile of the container.',
  nvml_function_missing:
    'The driver is too old to attest. Confidential computing on Hopper needs a driver of the 550 branch or newer.',
  nvml_struct_version:
    'The driver knows another layout of what was asked. Take a driver of the 550 to 590 branches, or a version of this program that knows the newer one.',
  nvml_driver_not_loaded:
    'The NVIDIA kernel driver is not loaded, no GPU is passed through, or the container has no /dev/nvidiactl. Look at lspci and dmesg of the guest, then at what the container is given.',
  nvml_driver_mismatch:
    'The library and the kernel driver differ in version. Restart the container after a driver update, so that the runtime mounts the library anew.',
  nvml_no_permission:
    'The driver refuses access. The container needs /dev/nvidiactl and a /dev/nvidia* for each GPU, readable and writable by its user.',
  nvml_not_supported:
    'The GPU or driver does not support the call. Only GPUs from Hopper on attest.',
  nvml_gpu_lost:
    'A GPU is lost, absent or waits for a reset. Look for Xid messages in dmesg, run nvidia-persistenced, and restart the machine if it does not come back.',
  nvml_not_ready: 'The driver is still starting. It is tried again.',
  nvml_failed:
    'The driver failed. Its return code is beside this; nvidia-smi and dmesg of the guest say more.',
  nvml_timeout:
    'The driver did not answer in time and its process was ended. It is tried again with a new one; if it stays, restart the machine.',
  nvml_process_died:
    'The process that calls the driver ended by itself. It is tried again with a new one; if it stays, the library or the driver is broken.',
  nvml_process_stuck:
    'The process that calls the driver hangs in the kernel and cannot be ended. Restart the machine.',
  nvml_answer_malformed:
    'What the driver gave back is not of the documented form. Take a driver of the 550 to 590 branches.',
  nvml_size_out_of_bounds:
    'The driver states a size that is zero or larger than its buffer. Take a driver of the 550 to 590 branches.',
  nvml_chain_malformed:
    'The certificate chain of a GPU is cut short or unreadable. It is tried again; if it stays, the GPU cannot attest.',
  nvml_report_malformed:
    'The attestation report of a GPU cannot be read as SPDM 1.1 with the known opaque data. It is tried again; if it stays, take a driver of the 550 to 590 branches.',
  nvml_nonce_mismatch:
    'A GPU answered another nonce than the one asked for. It is tried again; if it stays, something between this process and the GPU replays.',
  nvml_architecture_unknown:
    'A GPU has an architecture that this version has no name for. Take a newer version.',
  nvml_cc_off:
    'Confidential computing is off. Set the GPUs to CC mode (or all eight to protected PCIe) on the host, then restart the virtual machine.',
  nvml_devtools_on:
    'The GPUs run with CC developer tools, which let the host debug them. Set CC mode on without devtools on the host, then restart the virtual machine.',
  nvml_simulated_environment:
    'The driver says that its confidential computing is a simulation of NVIDIA. Use production hardware.',
  nvml_count_mismatch:
    'The number of GPUs differs from --require-gpu. Correct the flag here and in the measured compose file, or pass through as many GPUs as it says, and none more.',
})

export type NvmlErrorCode = keyof typeof NVML_ERRORS

export interface NvmlFailure {
  readonly code: NvmlErrorCode
  /** What was seen: function, return code, GPU index, counts. Never text that the driver gave. */
  readonly detail: string
}

/**
 * The message is `detail: what happened and what to do`; it may stand in a log.
 *
 * @example
 * ```ts
 * if (error instanceof NvmlError && error.code === 'nvml_cc_off') tellTheOperator(error.message)
 * ```
 */
export class NvmlError extends Error {
  override readonly name = 'NvmlError'
  readonly code: NvmlErrorCode
  readonly detail: string

  constructor({ code, detail }: NvmlFailure) {
    super(`${detail}: ${NVML_ERRORS[code]}`)
    this.code = code
    this.detail = detail
  }
}

/** nvml.h, `nvmlReturn_t`: the codes that call for something else than looking into the driver's log. */
const RETURNS: Readonly<Record<number, NvmlErrorCode>> = {
  3: 'nvml_not_supported',
  4: 'nvml_no_permission',
  6: 'nvml_gpu_lost',
  9: 'nvml_driver_not_loaded',
  10: 'nvml_timeout',
  12: 'nvml_library_unloadable',
  13: 'nvml_function_missing',
  15: 'nvml_gpu_lost',
  16: 'nvml_gpu_lost',
  18: 'nvml_driver_mismatch',
  25: 'nvml_struct_version',
  27: 'nvml_not_ready',
}

/** @param where the function's name, with the GPU's index where there is one */
export function failureOfReturn(where: string, returned: NvmlReturn): NvmlFailure {
  return { code: RETURNS[returned] ?? 'nvml_failed', detail: `${where} returned ${returned}` }
}
