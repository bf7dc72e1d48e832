/**
 * Bounds of measuring weights. The size of a file has none: that is what weights are.
 *
 * @module
 */

/** The largest public models have a few hundred files. */
export const MAX_WEIGHTS_FILES = 65_536
export const MAX_WEIGHTS_DEPTH = 16
/** Bytes of a relative path. */
export const MAX_WEIGHTS_PATH = 1_024
/** Bytes of a note of a download: a commit, an ETag and a time. */
export const MAX_NOTE_BYTES = 4_096
/** Bytes of such a note that lists a repository, about 250 for each file. */
export const MAX_LISTING_BYTES = 4 * 1024 * 1024
/** Threads that read and hash, each one file at a time. */
export const MAX_WEIGHTS_THREADS = 8
/** Bytes that one thread holds. */
export const WEIGHTS_READ_BYTES = 4 * 1024 * 1024
/** Milliseconds between two lines about progress. */
export const WEIGHTS_PROGRESS_MS = 10_000
