import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** The package's own name means its sources here, as it means dist for everybody else. */
const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^mmucheck$/, replacement: source('src/index.ts') },
      { find: /^mmucheck\/harness$/, replacement: source('harness/index.ts') },
    ],
  },
  test: {
    include: ['{src,harness,qemu,guest-stubs,bench,test}/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
