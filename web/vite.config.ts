import {env} from 'node:process'
import {defineConfig} from 'vite'

// One script and one style sheet under plain names: the server puts what they hold into the names under which it serves
// them, so that a commit of `dist` shows what changed and not what was renamed. Relative, for whatever the page stands below.
export default defineConfig({
  base: './',
  build: {
    target: 'es2022',
    outDir: env['TIDINGS_WEB_DIST'] ?? 'dist',
    emptyOutDir: true,
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        codeSplitting: false,
        entryFileNames: 'assets/app.js',
        assetFileNames: ({names}) => (names[0]?.endsWith('.css') ? 'assets/app.css' : 'assets/[name][extname]'),
      },
    },
  },
  server: {proxy: proxied()},
  preview: {proxy: proxied()},
})

/** What a server of one's own answers while the page is worked on. */
function proxied() {
  const paths = ['/api', '/openapi.json', '/notifications', '/realtime', '/chat', '/system', '/events', '/health']
  return Object.fromEntries(paths.map((path) => [path, env['TIDINGS_URL'] ?? 'http://localhost:3000']))
}
