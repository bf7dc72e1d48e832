/**
 * Instants as people read them.
 *
 * @module
 */

/** @param seconds Unix seconds, as a GeneralizedTime can hold them */
export function instantText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}
