/**
 * Which software of an app runs, by what TAPP measured since the machine booted.
 *
 * The latest start that succeeded counts, if the app was not stopped after it. A start on top of a running one is refused: TAPP
 * itself never writes it, and either could answer. A start that failed changes nothing for the app.
 *
 * @module
 */
import type { MeasuredApp, TappOperation } from './read-tapp-operations.ts'

export type RunningApp =
  | {
      readonly ok: true
      readonly app: MeasuredApp
    }
  | {
      readonly ok: false
      readonly code: 'tapp_app_not_started' | 'tapp_app_stopped' | 'tapp_app_started_twice'
    }

/** @param operations in the order in which they were measured */
export function findRunningApp(operations: readonly TappOperation[], appId: string): RunningApp {
  let running: MeasuredApp | null = null
  let stopped = false
  for (const operation of operations) {
    switch (operation.kind) {
      case 'start':
        if (!operation.succeeded || operation.app.appId !== appId) break
        if (running !== null) return { ok: false, code: 'tapp_app_started_twice' }
        running = operation.app
        break
      case 'stop':
        // A stop that failed may have left some of it running.
        if (!operation.succeeded || operation.appId !== appId || running === null) break
        running = null
        stopped = true
        break
      case 'service':
      case 'claim':
      case 'anchors':
      case 'other':
        break
    }
  }
  return running === null
    ? { ok: false, code: stopped ? 'tapp_app_stopped' : 'tapp_app_not_started' }
    : { ok: true, app: running }
}
