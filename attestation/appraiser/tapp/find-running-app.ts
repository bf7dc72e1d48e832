/**
 * Which software of an app runs, and what else was started, by what TAPP measured since the machine booted.
 *
 * The latest start that succeeded counts, if the app was not stopped after it. A start on top of a running one is refused: TAPP
 * itself never writes it, and either could answer. A start that failed changes nothing for the app, but what it started ran for
 * a while, so it counts among what else was started. So does the app itself with other compose text, files or images: whatever
 * ran on the machine may have left something behind. The same software started again, after a stop or a failure, is no other.
 *
 * @module
 */
import type { MeasuredApp, TappOperation } from './read-tapp-operations.ts'

export type RunningApp =
  | {
      readonly ok: true
      readonly app: MeasuredApp
      /** One line for each other app, once. */
      readonly others: readonly string[]
      /** A service that was started anew with another image; null: none was. */
      readonly changed: string | null
    }
  | {
      readonly ok: false
      readonly code: 'tapp_app_not_started' | 'tapp_app_stopped' | 'tapp_app_started_twice'
    }

function sameTexts(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, text]) => b.get(name) === text)
}

/** A start that failed names no images, so it is the same where the rest is. */
function isSame(one: MeasuredApp, succeeded: boolean, app: MeasuredApp): boolean {
  return (
    one.appId === app.appId &&
    one.composeHash === app.composeHash &&
    sameTexts(one.files, app.files) &&
    (!succeeded || sameTexts(one.images, app.images))
  )
}

const shown = (text: string): string => text.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, 64)

/** @param operations in the order in which they were measured */
export function findRunningApp(operations: readonly TappOperation[], appId: string): RunningApp {
  let running: MeasuredApp | null = null
  let stopped = false
  let changed: string | null = null
  for (const operation of operations) {
    switch (operation.kind) {
      case 'start':
        if (!operation.succeeded || operation.app.appId !== appId) break
        if (running !== null) return { ok: false, code: 'tapp_app_started_twice' }
        running = operation.app
        changed = null
        break
      case 'stop':
        // A stop that failed may have left some of it running.
        if (!operation.succeeded || operation.appId !== appId || running === null) break
        running = null
        stopped = true
        break
      case 'service':
        if (!operation.succeeded || operation.appId !== appId || running === null) break
        if (!sameTexts(operation.images, running.images)) {
          const { images } = running
          const service = [...operation.images].find(([name, image]) => images.get(name) !== image)
          changed = shown(service?.[0] ?? 'one is missing')
        }
        break
      case 'claim':
      case 'anchors':
      case 'other':
        break
    }
  }
  if (running === null) {
    return { ok: false, code: stopped ? 'tapp_app_stopped' : 'tapp_app_not_started' }
  }
  const app = running
  const others = operations.flatMap((operation) =>
    operation.kind === 'start' && !isSame(operation.app, operation.succeeded, app)
      ? [
          `${shown(operation.app.appId)} ${operation.app.composeHash.slice(0, 16)}${operation.succeeded ? '' : ' (failed)'}`,
        ]
      : [],
  )
  return { ok: true, app, others: [...new Set(others)], changed }
}
