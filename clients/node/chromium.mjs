// Runs Chromium with one page, page.mjs, in which streams are followed: takes commands on standard input and prints
// what the page reports, one line of JSON each (see ../README.md).
//
// Owns the browser, its profile and the page's little server; all three end with standard input. No driver of browsers
// is between: one is made for one version of Chromium, and Debian's moves on every few weeks. Must never touch a stream
// itself.

import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtempSync, rmSync} from 'node:fs'
import {readFile} from 'node:fs/promises'
import {createServer} from 'node:http'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

// A sandbox needs privileges that a container seldom has, and nothing but our own page is opened. The rest keeps the
// browser from calling anybody else, and from slowing a page down that nobody looks at.
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-quic',
  '--no-first-run',
  '--no-proxy-server',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  // The browser ends when the other end of this pipe is gone, even if this program was killed.
  '--remote-debugging-pipe',
]

// How long the browser may take to end when it is asked to.
const GRACE_MS = 2_000

// How much of what the browser complained about is shown if it ends before its time.
const COMPLAINTS = 4_000

const FILES = {
  '/': ['page.html', 'text/html'],
  '/page.mjs': ['page.mjs', 'text/javascript'],
}
const LIBRARY = '/fetch-event-source/'
const LIBRARY_FILES = 'node_modules/@microsoft/fetch-event-source/lib/esm'

const [executable, trustedKey] = process.argv.slice(2)
if (executable === undefined) {
  console.error('the path of Chromium is needed')
  process.exit(2)
}

const profile = mkdtempSync(join(tmpdir(), 'tidings-chromium-'))
const server = createServer(answer).listen(0, '127.0.0.1')
await once(server, 'listening')
const page = `http://127.0.0.1:${server.address().port}/`
// Certificates of this key are trusted whoever vouches for them.
const trust = trustedKey === undefined ? [] : [`--ignore-certificate-errors-spki-list=${trustedKey}`]
const browser = spawn(executable, [...FLAGS, ...trust, `--user-data-dir=${profile}`, page], {
  stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
})

let complaints = ''
let ending = false
browser.stderr.setEncoding('utf8').on('data', (text) => {
  complaints = (complaints + text).slice(-COMPLAINTS)
})
browser.on('error', (error) => ended(error.message))
browser.on('exit', (code, signal) => ended(`it ended with ${code ?? signal}`))
for (const pipe of browser.stdio.slice(3)) pipe.on('error', () => {}).resume()

// The page asks once and keeps reading. Commands that come before wait here.
let pageReads
const commands = new Promise((resolve) => {
  pageReads = resolve
})
process.stdin.setEncoding('utf8').on('data', (text) => commands.then((response) => response.write(text)))
process.stdin.on('end', end)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, end)

async function answer(request, response) {
  const path = request.url
  if (path === '/commands') {
    response.writeHead(200, {'Content-Type': 'application/x-ndjson'}).flushHeaders()
    pageReads(response)
  } else if (path === '/reports') {
    request.pipe(process.stdout, {end: false})
    request.on('end', () => response.end())
  } else if (path.startsWith(LIBRARY)) {
    // Its modules name each other without an extension.
    const name = path.slice(LIBRARY.length)
    await send(response, join(LIBRARY_FILES, name.endsWith('.js') ? name : `${name}.js`), 'text/javascript')
  } else if (Object.hasOwn(FILES, path)) {
    await send(response, ...FILES[path])
  } else {
    response.writeHead(404).end()
  }
}

async function send(response, file, type) {
  const content = await readFile(new URL(file, import.meta.url))
  response.writeHead(200, {'Content-Type': `${type}; charset=utf-8`}).end(content)
}

function end() {
  if (ending) return
  ending = true
  for (const pipe of browser.stdio.slice(3)) pipe.destroy()
  setTimeout(() => browser.kill('SIGKILL'), GRACE_MS).unref()
}

function ended(how) {
  if (!ending) console.error(`${executable}: ${how}\n${complaints}`)
  rmSync(profile, {recursive: true, force: true, maxRetries: 5, retryDelay: 50})
  process.exit(ending ? 0 : 1)
}
