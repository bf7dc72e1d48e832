/**
 * Whether this user may read and write a path.
 *
 * @module
 */
import { accessSync, constants } from 'node:fs'

export type MayUse = (path: string) => boolean

export const mayUse: MayUse = (path) => {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
