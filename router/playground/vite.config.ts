import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Served by the program at /playground/, so that every address is relative to it.
export default defineConfig({
  base: '/playground/',
  plugins: [
    react(),
    {
      // Go embeds the folder and must find it in a fresh clone too.
      name: 'keep-folder',
      generateBundle() {
        this.emitFile({ type: 'asset', fileName: '.gitkeep', source: '' });
      },
    },
  ],
  build: { target: 'es2022', chunkSizeWarningLimit: 2000, sourcemap: false },
  server: { proxy: { '/graphql': { target: 'http://127.0.0.1:8080', ws: true } } },
});
