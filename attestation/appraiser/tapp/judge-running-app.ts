/**
 * Holds what runs on a machine of TAPP against what a policy names.
 *
 * @module
 */
import { fail, info, pass } from '../check.ts'
import type { Check } from '../check.ts'
import { counted } from '../counted.ts'
import type { WhatElseRan } from './find-what-else-ran.ts'
import type { MeasuredApp, TappOperation } from './read-tapp-operations.ts'
import type { TappPolicy } from './tapp-policy.ts'

export const TAPP_PROVES = {
  'app.id': 'The app is one that the policy names.',
  'tapp.files': 'The files that are mounted into the app are those that the policy names.',
  'tapp.images': 'The images of the app are those that it was started with and that are accepted.',
  'tapp.other_apps': 'The log shows nothing else that was started on the machine since it booted.',
  'tapp.claim': 'Who owns the machine, by TAPP’s own measurement.',
} as const

/** Names in details. */
const MAX_LISTED = 8

function listed(items: readonly string[]): string {
  const more = items.length - MAX_LISTED
  return `${items.slice(0, MAX_LISTED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

const shown = (text: string): string => text.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, 64)

function appIdCheck(app: MeasuredApp, { appIds }: TappPolicy): Check {
  const id = 'app.id'
  const detail = shown(app.appId)
  if (appIds === null) return info(id, 'app_not_pinned', TAPP_PROVES[id], detail)
  return appIds.includes(app.appId)
    ? pass(id, TAPP_PROVES[id], detail)
    : fail(id, 'app_not_accepted', TAPP_PROVES[id], detail)
}

function filesCheck(app: MeasuredApp, { mountFiles }: TappPolicy): Check {
  const id = 'tapp.files'
  if (app.files.size === 0) return pass(id, TAPP_PROVES[id], 'none')
  const all = [...app.files]
  if (mountFiles === null) {
    const names = all.map(([path, digest]) => `${shown(path)} ${digest}`)
    return info(id, 'mount_files_not_pinned', TAPP_PROVES[id], listed(names))
  }
  const odd = all.find(
    ([path, digest]) => !mountFiles.some((file) => file.path === path && file.sha384 === digest),
  )
  return odd === undefined
    ? pass(id, TAPP_PROVES[id], listed(all.map(([path]) => shown(path))))
    : fail(id, 'mount_files_not_accepted', TAPP_PROVES[id], `${shown(odd[0])} ${odd[1]}`)
}

function imagesCheck(app: MeasuredApp, changed: string | null, { images }: TappPolicy): Check {
  const id = 'tapp.images'
  if (changed !== null) return fail(id, 'images_changed', TAPP_PROVES[id], changed)
  const all = [...app.images].map(([service, image]) => `${shown(service)} ${shown(image)}`)
  if (images === null) return info(id, 'images_not_pinned', TAPP_PROVES[id], listed(all))
  const odd = [...app.images].find(([, image]) => !images.includes(image))
  if (odd === undefined && all.length > 0) return pass(id, TAPP_PROVES[id], listed(all))
  return fail(
    id,
    'images_not_accepted',
    TAPP_PROVES[id],
    odd === undefined ? 'none' : shown(odd[1]),
  )
}

function othersCheck(others: readonly string[], { allowOtherApps }: TappPolicy): Check {
  const id = 'tapp.other_apps'
  if (others.length === 0) return pass(id, TAPP_PROVES[id])
  // Another app can hold the same socket, ask for the same evidence and answer in the place of this one.
  return allowOtherApps
    ? info(id, 'tapp_other_app_allowed', TAPP_PROVES[id], listed(others))
    : fail(id, 'tapp_other_app', TAPP_PROVES[id], listed(others))
}

/** Owner and trust anchors: for a person to read. Only that the owner is one is judged. */
export function claimCheck(operations: readonly TappOperation[]): Check {
  const id = 'tapp.claim'
  const claims = operations.filter((operation) => operation.kind === 'claim')
  const anchors = operations.filter((operation) => operation.kind === 'anchors')
  const [first] = claims
  if (claims.some(({ owner }) => owner !== first?.owner)) {
    return fail(id, 'tapp_owner_ambiguous', TAPP_PROVES[id], `${claims.length} claims`)
  }
  const revised = anchors.at(-1)
  const detail = [
    first === undefined ? 'never claimed' : `claimed ${first.shown}`,
    ...(revised === undefined
      ? []
      : [`trust anchors revised ${counted(anchors.length, 'time')}, now ${revised.shown}`]),
  ].join('; ')
  return info(id, 'tapp_claim_shown', TAPP_PROVES[id], detail)
}

/** @returns app.id, tapp.files, .images and .other_apps */
export function judgeRunningApp(
  app: MeasuredApp,
  { others, changed }: WhatElseRan,
  policy: TappPolicy,
): Check[] {
  return [
    appIdCheck(app, policy),
    filesCheck(app, policy),
    imagesCheck(app, changed, policy),
    othersCheck(others, policy),
  ]
}
