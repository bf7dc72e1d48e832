/**
 * Exit codes of the command line.
 *
 * @module
 */

export const EXIT = Object.freeze({
  accepted: 0,
  /** Also: a command could not do its work. */
  internal: 1,
  usage: 2,
  rejected: 10,
  unsupported: 20,
  malformed: 30,
})
