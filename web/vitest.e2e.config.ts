import { defineConfig } from 'vitest/config';

// Tests in a real browser, one file after the other: they share the machine with the engine.
export default defineConfig({
  test: {
    environment: 'node', include: [process.env['SHOTS'] ? 'e2e/shots.ts' : 'e2e/**/*.test.ts'], fileParallelism: false, testTimeout: 60_000, hookTimeout: 60_000,
  },
});
