/**
 * What this container has mounted that it must not have.
 *
 * Source: proc_pid_mountinfo(5): root of the mount in its file system is field 4, mount point field 5, with octal escapes.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import { finding, good } from './doctor-row.ts'
import type { DoctorRow } from './doctor-row.ts'

export const MOUNT_TABLE = '/proc/self/mountinfo'
/** Sockets of container runtimes, by their last part. */
const RUNTIME_SOCKET = /(?:^|\/)(?:docker|containerd|podman|crio)\.sock$/

function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(parseInt(octal, 8)),
  )
}

/** @param path of the mount table; tests give one of their own */
export async function examineMounts(path: string = MOUNT_TABLE): Promise<DoctorRow> {
  const check = 'mounts.runtime'
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    return finding(check, 'mounts_unreadable', path)
  }
  const found = text
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , , root = '', point = '']) =>
      [root, point].map(unescape).some((one) => RUNTIME_SOCKET.test(one)),
    )
    .map(([, , , , point = '']) => unescape(point))
  return found.length === 0
    ? good(check, 'no socket of a container runtime')
    : finding(check, 'runtime_socket_mounted', found.join(', '))
}
