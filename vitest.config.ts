import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/harness/build-workers.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // The default of a second is what a busy machine may take for one turn of its loop.
    expect: { poll: { timeout: 10_000 } },
    // One for each core; the default leaves one idle, which is half of a small machine.
    maxWorkers: '100%',
    reporters: ['default'],
  },
})
