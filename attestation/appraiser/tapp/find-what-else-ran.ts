/**
 * What ran on the machine beside the software of an app, by what TAPP measured since it booted.
 *
 * A start that failed ran for a while, and so did the app itself with other compose text, files or images: whatever ran may have
 * left something behind, or taken the app's key along, which lasts until the machine boots. The same software started again, after
 * a stop or a failure, is no other. For the same reason a service with another image counts whenever it was started: before the
 * app, in an earlier run of it, and where its start failed.
 *
 * @module
 */
import type { MeasuredApp, TappOperation } from './read-tapp-operations.ts'

export interface WhatElseRan {
  /** One line for each other app, once. */
  readonly others: readonly string[]
  /** A service of the app that was started with another image at some time; null: none was. */
  readonly changed: string | null
}

function sameTexts(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, text]) => b.get(name) === text)
}

/** @param known whether the images of a start that failed are: it names none */
function isSame(
  operation: Extract<TappOperation, { kind: 'start' }>,
  app: MeasuredApp,
  known: boolean,
): boolean {
  const { succeeded, app: one } = operation
  return (
    one.appId === app.appId &&
    one.composeHash === app.composeHash &&
    sameTexts(one.files, app.files) &&
    (succeeded ? sameTexts(one.images, app.images) : known)
  )
}

/** @returns the service that ran another image, or may have; null where none did */
function changedService(
  operations: readonly TappOperation[],
  app: MeasuredApp,
  known: boolean,
): string | null {
  for (const operation of operations) {
    if (operation.kind !== 'service' || operation.appId !== app.appId) continue
    const { succeeded, images } = operation
    // Where it failed TAPP writes the images of before, whatever was pulled and started meanwhile.
    if (sameTexts(images, app.images) && (succeeded || known)) continue
    if (!succeeded && known && images.size === 0) continue
    const service = [...images].find(([name, image]) => app.images.get(name) !== image)
    return shown(service?.[0] ?? 'one is missing')
  }
  return null
}

const shown = (text: string): string => text.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, 64)

/** @returns one line for each, once */
function othersOf(
  operations: readonly TappOperation[],
  app: MeasuredApp,
  known: boolean,
): readonly string[] {
  const others = new Set<string>()
  const started = new Set<string>()
  for (const operation of operations) {
    if (operation.kind === 'start') {
      const { appId, composeHash } = operation.app
      started.add(appId)
      if (isSame(operation, app, known)) continue
      const failed = operation.succeeded ? '' : ' (failed)'
      others.add(`${shown(appId)} ${composeHash.slice(0, 16)}${failed}`)
    } else if (operation.kind === 'service' && operation.appId !== app.appId) {
      others.add(`${shown(operation.appId)} (a service)`)
    } else if (operation.kind === 'stop' && !started.has(operation.appId)) {
      // What is stopped ran: its start was not measured.
      others.add(`${shown(operation.appId)} (stopped)`)
    }
  }
  return [...others]
}

/**
 * @param operations in the order in which they were measured
 * @param app that runs
 * @param pinned whether its compose text names every image by digest
 */
export function findWhatElseRan(
  operations: readonly TappOperation[],
  app: MeasuredApp,
  pinned: boolean,
): WhatElseRan {
  return {
    others: othersOf(operations, app, pinned),
    changed: changedService(operations, app, pinned),
  }
}
