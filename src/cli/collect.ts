/**
 * An option that may stand several times.
 *
 * @module
 */

export const collect = (value: string, all: readonly string[] = []): readonly string[] => [
  ...all,
  value,
]
