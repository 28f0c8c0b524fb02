import { defineConfig } from 'vitest/config';

const shared = { testTimeout: 30_000, hookTimeout: 30_000, pool: 'forks' } as const;

export default defineConfig({
  test: {
    projects: [
      { test: { ...shared, name: 'limen', include: ['src/**/*.test.ts', 'test/**/*.test.ts'] } },
      // What is done with a running `limen up` is done once more with an Envoy in place of Limen's proxy.
      {
        test: {
          ...shared,
          name: 'envoy',
          include: ['test/walkthroughs/**/*.test.ts', 'test/up.test.ts'],
          env: { LIMEN_TEST_DATA_PLANE: 'envoy' },
        },
      },
    ],
  },
});
