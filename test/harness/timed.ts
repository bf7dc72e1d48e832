/**
 * Options of a test that asserts an upper bound in milliseconds. The bound is the code's; a pause of the machine in
 * between is not, so keeping it once in four tries is keeping it.
 */
export const TIMED = { retry: 3 } as const
