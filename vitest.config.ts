import { defineConfig } from 'vitest/config'

// Real processes want the machine for themselves: one file after another, and the projects one after another too.
const realProcesses = {
  pool: 'forks',
  fileParallelism: false,
  testTimeout: 60_000,
  hookTimeout: 60_000,
} as const

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/{protocol,runtime,preload,contracts,architecture,bench,soak,sim,fuzz}/**/*.test.ts'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...realProcesses,
          name: 'cluster',
          include: ['test/{cluster,examples}/**/*.test.ts'],
          globalSetup: 'test/support/build.ts',
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...realProcesses,
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          globalSetup: 'test/support/build.ts',
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...realProcesses,
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          globalSetup: 'test/support/build.ts',
          // It installs from the npm registry.
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
