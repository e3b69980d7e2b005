import { svelte } from '@sveltejs/vite-plugin-svelte';
import { viteSingleFile } from 'vite-plugin-singlefile';
import { defineConfig } from 'vitest/config';
import { firstFrame } from './scripts/first_frame';

// One HTML file with everything in it: `glimt serve` embeds it and serves nothing else.
export default defineConfig({
  plugins: [svelte(), viteSingleFile(), firstFrame()],
  build: { target: 'es2022', assetsInlineLimit: 1e8, cssCodeSplit: false, chunkSizeWarningLimit: 4096, modulePreload: false },
  server: { proxy: { '/v1': 'http://127.0.0.1:11434', '/api': 'http://127.0.0.1:11434', '/health': 'http://127.0.0.1:11434', '/slots': 'http://127.0.0.1:11434' } },
  test: { environment: 'node', include: ['test/**/*.test.ts'], setupFiles: ['test/setup.ts'] },
});
