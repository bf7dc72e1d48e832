/**
 * Closes descriptors that a process was started with and was not meant to have.
 *
 * A descriptor that came through execve has no close-on-exec flag, or it would not be there; all that Node opens has it
 * (libuv sets O_CLOEXEC throughout). So what is without the flag was inherited: from whoever started the service, since that
 * itself hands on what it holds only where it says so.
 *
 * @module
 */
import { closeSync, readdirSync } from 'node:fs'

const F_GETFD = 1
const FD_CLOEXEC = 1

/**
 * @param above the highest descriptor that is meant to be there
 * @throws where there is no koffi, or no `/proc`
 */
export async function closeInherited(above: number): Promise<void> {
  const koffi = await import('koffi')
  const fcntl = koffi.load(null).func('fcntl', 'int32_t', ['int32_t', 'int32_t', 'uint64_t'])
  for (const name of readdirSync('/proc/self/fd')) {
    const handle = Number(name)
    if (handle <= above) continue
    const flags: unknown = fcntl(handle, F_GETFD, 0)
    // Negative: it was that of the folder just read.
    if (typeof flags === 'number' && flags >= 0 && (flags & FD_CLOEXEC) === 0) closeSync(handle)
  }
}
