/** What keeps this process alive, to see what a test has left behind. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Handles that keep a process alive, by kind. */
export function openHandles(): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) {
    if (/TCP|Pipe|Timeout|Immediate/.test(kind)) counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

/** Waits until no more of any kind are open than then. */
export async function settlesTo(to: Readonly<Record<string, number>>): Promise<void> {
  const until = performance.now() + 5_000
  const more = () =>
    Object.entries(openHandles()).filter(([kind, count]) => count > (to[kind] ?? 0))
  while (more().length > 0) {
    if (performance.now() > until) throw new Error(`left open: ${JSON.stringify(more())}`)
    await sleep(20)
  }
}
