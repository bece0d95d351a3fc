import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// The hub (or dev/mock.mjs) that the development server passes requests on to.
const hub = process.env.MEMWATCH_HUB ?? 'http://127.0.0.1:4000';

export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    sourcemap: false,
    assetsInlineLimit: 0, // a strict policy allows no data: URLs
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
  },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': hub, '/ws': { target: hub, ws: true } },
  },
  test: { include: ['test/**/*.test.ts'] },
});
