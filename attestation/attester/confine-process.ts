/**
 * What a process gives up so that other programs of its user, and code that it loads, reach less.
 *
 * - `PR_SET_DUMPABLE` 0 (prctl(2), proc(5)): another process of the same user may neither attach to this one nor open its
 *   `/proc/<pid>/mem`, `environ` and `fd`, and no core dump of it is written. Undone by execve: each process does it for itself.
 * - `PR_SET_NO_NEW_PRIVS` 1: nothing that it starts gains rights by setuid bits or file capabilities. Kept for good and
 *   inherited by every process started from this thread.
 *
 * Root, and whoever has CAP_SYS_PTRACE, is not kept out.
 *
 * @module
 */

const PR_GET_DUMPABLE = 3
const PR_SET_DUMPABLE = 4
const PR_SET_NO_NEW_PRIVS = 38
const PR_GET_NO_NEW_PRIVS = 39

/** `unbound`: there is no binding to call the kernel by. `refused`: the kernel, or a filter before it, did not do both. */
export type Confinement = 'confined' | 'unbound' | 'refused'

/** Read back after it was set: it is claimed only where the kernel says so. */
export async function confineProcess(): Promise<Confinement> {
  let koffi
  try {
    koffi = await import('koffi')
  } catch {
    return 'unbound'
  }
  try {
    // Of the program itself, so that no path decides which C library answers.
    const native = koffi
      .load(null)
      .func('prctl', 'int32_t', ['int32_t', 'uint64_t', 'uint64_t', 'uint64_t', 'uint64_t'])
    const prctl = (option: number, value: number): unknown => native(option, value, 0, 0, 0)
    prctl(PR_SET_DUMPABLE, 0)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    const done = prctl(PR_GET_DUMPABLE, 0) === 0 && prctl(PR_GET_NO_NEW_PRIVS, 0) === 1
    return done ? 'confined' : 'refused'
  } catch {
    // No such function: not Linux.
    return 'refused'
  }
}
