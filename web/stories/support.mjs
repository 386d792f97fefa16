// A server of one's own, a browser, and pages that may not complain: what every story needs.
//
// Owns the processes: whatever a story starts ends with it. `TIDINGS_BINARY` and `TIDINGS_CHROMIUM` say what to start.

import assert from 'node:assert/strict'
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync, mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {delimiter, join} from 'node:path'
import {after, test} from 'node:test'
import {fileURLToPath} from 'node:url'
import {chromium} from 'playwright-core'

export const ADMIN = 'dGVzdDEyMzp0ZXN0dXNlcjp0ZXN0QGV4YW1wbGUuY29tOnVzZXIsYWRtaW4='
export const ANN = 'YW5uOmFubjphbm5AZXhhbXBsZS5jb206dXNlcg=='

const BINARY = process.env.TIDINGS_BINARY ?? fileURLToPath(new URL('../../target/debug/tidings', import.meta.url))

/** The one limit of time: longer than anything takes on the busiest machine. What takes longer hangs. */
export const PATIENCE_MS = 600_000

// A sandbox needs privileges that a container seldom has. The rest keeps the browser from calling anybody else.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

let browser

/** The one browser of this file. */
async function launched() {
  browser ??= chromium.launch({executablePath: found(process.env.TIDINGS_CHROMIUM ?? 'chromium'), args: FLAGS})
  return browser
}

/** The path of a program: the driver takes no names. */
function found(program) {
  if (program.includes('/')) return program
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? program
}

after(async () => (await browser)?.close())

export class Server {
  /** Answers that are still being read: `fetch` cuts one that the garbage collector finds (undici's `FinalizationRegistry`). */
  streams = []

  static async start(settings = {}) {
    const server = new Server()
    server.directory = mkdtempSync(join(tmpdir(), 'tidings-page-'))
    server.settings = {PORT: '0', HOST: '127.0.0.1', LOG_LEVEL: 'error', DRAIN_SECONDS: '0', ...settings}
    await server.run()
    return server
  }

  async run() {
    this.child = spawn(BINARY, [], {
      cwd: this.directory,
      env: this.settings,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    for await (const text of this.child.stderr.setEncoding('utf8').iterator({destroyOnReturn: false})) {
      said += text
      const [, url] = /listening\s+(http:\/\/\S+)/.exec(said) ?? []
      if (url) {
        this.url = url.replace(/\/$/, '')
        this.settings.PORT = new URL(url).port
        this.child.stderr.resume()
        return
      }
    }
    throw new Error(`the server ended: ${said}`)
  }

  /** As a crash would: nobody is told. */
  async kill() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill('SIGKILL')
    await once(this.child, 'exit')
  }

  /** Waits for its end, which must not be by a signal. */
  async ended() {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit')
    assert.equal(this.child.exitCode, 0)
  }

  async end() {
    await this.kill()
    rmSync(this.directory, {recursive: true, force: true})
  }

  async call(method, path, body, token = ADMIN) {
    const response = await fetch(this.url + path, {
      method,
      headers: {Authorization: `Bearer ${token}`, 'Content-Type': 'application/json'},
      ...(body === undefined ? {} : {body: JSON.stringify(body)}),
    })
    return {status: response.status, body: await response.json()}
  }

  /** Opens a stream outside of any browser; `abort` ends it. */
  async stream(path, token = ADMIN) {
    const stream = new AbortController()
    const response = await fetch(this.url + path, {headers: {Authorization: `Bearer ${token}`}, signal: stream.signal})
    assert.equal(response.status, 200)
    this.streams.push(response)
    return stream
  }

  notify(title, target, message = 'm') {
    return this.call('POST', `/notifications/send${target ? `?targetUserId=${target}` : ''}`, {title, message})
  }
}

/**
 * A test in a browser: `tell` gets a page opener and the server. No page may log an error; where a story is about
 * refusals, the browser's own lines about them are passed over.
 */
export function story(name, {settings, refusals = false, ...look}, tell) {
  test(name, {timeout: 2 * PATIENCE_MS}, async () => {
    const browser = await launched()
    const server = await Server.start(settings)
    const context = await browser.newContext({viewport: {width: 1440, height: 900}, ...look})
    context.setDefaultTimeout(PATIENCE_MS)
    const complaints = []
    const open = async (path = '', at = server.url) => {
      const page = await context.newPage()
      page.on('pageerror', (error) => complaints.push(String(error)))
      page.on('console', (message) => {
        const expected = refusals && message.text().startsWith('Failed to load resource')
        if (['error', 'warning'].includes(message.type()) && !expected) complaints.push(message.text())
      })
      await page.goto(`${at}/${path}`)
      return page
    }
    try {
      await context.grantPermissions(['clipboard-read', 'clipboard-write'])
      if (process.env.TIDINGS_WEB_FRESH) await fromDist(context)
      await tell({open, server, context})
      assert.deepEqual(complaints, [], 'the browser’s console is silent')
    } finally {
      await context.close()
      await server.end()
    }
  })
}

/** Gives pages what was built last instead of what the binary carries: no need to build that while one works on the page. */
async function fromDist(context) {
  for (const extension of ['js', 'css']) {
    const path = fileURLToPath(new URL(`../dist/assets/app.${extension}`, import.meta.url))
    await context.route(`**/assets/app-*.${extension}`, (route) => route.fulfill({path}))
  }
}

/** The nth panel of the console, with what is done there. */
export function panelOf(page, name = 'Stream') {
  const panel = page.getByRole('region', {name, exact: true})
  return {
    panel,
    connect: async () => {
      await panel.getByRole('button', {name: 'Connect', exact: true}).click()
      await panel.locator('[data-event=connected]').first().waitFor()
    },
    choose: (label, option) => panel.getByLabel(label, {exact: true}).selectOption({label: option}),
    event: (text) => panel.locator('.event').filter({hasText: text}),
    /** What the panel says of itself. */
    fact: async (fact) => (await panel.locator('dl div').filter({hasText: fact}).locator('dd').textContent()).trim(),
    state: (state) => page.locator(`section[aria-label="${name}"][data-state=${state}]`).waitFor(),
  }
}

/** The form for publishing. */
export function publisherOf(page) {
  const form = page.getByRole('region', {name: 'Publish', exact: true})
  return {
    form,
    fill: (label, text) => form.getByLabel(label, {exact: true}).fill(text),
    choose: (label, option) => form.getByLabel(label, {exact: true}).selectOption({label: option}),
    publish: async () => {
      await form.getByRole('button', {name: 'Publish', exact: true}).click()
    },
    answered: (status) => form.locator(`.answer[data-status="${status}"]`).waitFor(),
  }
}

/** The doctor, and what it found. */
export function doctorOf(page) {
  const status = page.getByRole('region', {name: 'Examination'}).getByRole('status')
  const findings = page.getByRole('region', {name: 'Findings'})
  return {
    status,
    finding: (check) => findings.locator(`[data-check=${check}]`),
    examine: async () => {
      await page.getByRole('button', {name: /^Examine/}).click()
      await page.locator('.verdict.done').waitFor()
    },
    /** The checks of these levels, as `check: level`. */
    found: (levels) =>
      findings.locator('li').evaluateAll(
        (all, levels) =>
          all.map(({dataset}) => dataset).filter(({level}) => levels.includes(level)).map(({check, level}) => `${check}: ${level}`),
        levels,
      ),
    choose: (label, option) => page.getByLabel(label, {exact: true}).selectOption({label: option}),
  }
}
