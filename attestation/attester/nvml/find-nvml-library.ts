/**
 * Where the driver's library lies. Absolute paths alone, so that no LD_LIBRARY_PATH, working directory or loader
 * configuration decides which code speaks for the GPU.
 *
 * @module
 */
import { statSync } from 'node:fs'

/** In the order in which they are tried: Debian's and Ubuntu's layout, RHEL's, Yocto's, Kubernetes device plugins', driver containers'. */
export const NVML_LIBRARIES: readonly string[] = [
  '/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1',
  '/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.1',
  '/usr/lib64/libnvidia-ml.so.1',
  '/usr/lib/libnvidia-ml.so.1',
  '/usr/local/nvidia/lib64/libnvidia-ml.so.1',
  '/usr/local/nvidia/lib/libnvidia-ml.so.1',
  '/run/nvidia/driver/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1',
  '/run/nvidia/driver/usr/lib64/libnvidia-ml.so.1',
]

/** @returns the first path that is a file, or null */
export function findNvmlLibrary(paths: readonly string[] = NVML_LIBRARIES): string | null {
  return paths.find(isFile) ?? null
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}
