// The doctor, as somebody who runs a proxy uses it: straight to the server, and through a real nginx, right and wrong.

import assert from 'node:assert/strict'
import {behind, BUFFERING, COMPRESSING, RIGHT} from './nginx.mjs'
import {doctorOf, story} from './support.mjs'

/** No warnings: where the machine is busy, the doctor is right to say that events are late. */
const BAD = ['problem']
const settings = {HEARTBEAT_INTERVAL: '10s'}

/** For where a heartbeat has to be waited for. */
const beating = {HEARTBEAT_INTERVAL: '2s'}

const CHECKS = ['http-version', 'first-byte', 'compression', 'headers', 'clock', 'authorization', 'heartbeat', 'buffering', 'last-event-id', 'resume']

story('straight to the server everything is well', {settings}, async ({open}) => {
  const page = await open('#/doctor')
  const doctor = doctorOf(page)
  await doctor.examine()
  assert.deepEqual(await doctor.found(['skipped', ...BAD]), [])
  for (const check of CHECKS) await doctor.finding(check).waitFor()
  await page.getByRole('button', {name: 'Copy as text'}).click()
  await page.getByRole('button', {name: 'Copied'}).waitFor()
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^ok {7}resume {9}exactly the 3 missed events arrived, in order$/m)
})

story('behind a right nginx too', {settings}, async ({open, server}) => {
  await behind(server, RIGHT, async (url) => {
    const doctor = doctorOf(await open('#/doctor', url))
    await doctor.examine()
    assert.deepEqual(await doctor.found(BAD), [])
    assert.match(await doctor.finding('headers').textContent(), /a proxy removed X-Accel-Buffering/)
  })
})

story('over TLS the browser speaks HTTP/2', {settings, ignoreHTTPSErrors: true}, async ({open, server}) => {
  const tell = async (url) => {
    const doctor = doctorOf(await open('#/doctor', url))
    await doctor.examine()
    assert.deepEqual(await doctor.found(BAD), [])
    assert.match(await doctor.finding('http-version').textContent(), /HTTP\/2$/)
    for (const check of CHECKS) assert.equal(await doctor.finding(check).getAttribute('data-level'), 'ok', check)
  }
  await behind(server, RIGHT, tell, {tls: true})
})

story('an nginx that buffers is told to stop, by lines that can be copied', {settings}, async ({open, server}) => {
  await behind(server, BUFFERING, async (url) => {
    const page = await open('#/doctor', url)
    const doctor = doctorOf(page)
    await doctor.examine()
    assert.deepEqual(await doctor.found(BAD), ['buffering: problem'])
    const finding = doctor.finding('buffering')
    await finding.getByRole('region', {name: 'nginx, against buffering'}).getByText('proxy_buffering off;').waitFor()
    await page.getByText('nginx was recognised').waitFor()
    await doctor.choose('Lines for', 'HAProxy')
    await finding.getByRole('region', {name: 'HAProxy, against buffering'}).getByText('wait-for-body').waitFor()
    await doctor.choose('Lines for', 'nginx')
    await finding.getByRole('button', {name: 'Copy'}).click()
    await finding.getByRole('button', {name: 'Copied'}).waitFor()
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^proxy_buffering off;$/m)
  })
})

story('compression is found and the rest still measured', {settings}, async ({open, server}) => {
  await behind(server, COMPRESSING, async (url) => {
    const doctor = doctorOf(await open('#/doctor', url))
    await doctor.examine()
    assert.deepEqual(await doctor.found(BAD), ['compression: problem'])
    assert.equal(await doctor.finding('resume').getAttribute('data-level'), 'ok')
  })
})

story('a lost Last-Event-ID and a rewritten head are seen', {settings}, async ({open, server}) => {
  const lines = 'proxy_set_header Last-Event-ID ""; proxy_hide_header Cache-Control; add_header Cache-Control "public, max-age=60";'
  await behind(server, `${RIGHT} ${lines}`, async (url) => {
    const doctor = doctorOf(await open('#/doctor', url))
    await doctor.examine()
    assert.deepEqual(await doctor.found(BAD), ['headers: problem', 'last-event-id: problem'])
    assert.equal(await doctor.finding('resume').getAttribute('data-level'), 'ok')
  })
})

// The browser writes a line about a stream that is cut.
story('an idle cut is timed', {settings, refusals: true}, async ({open, server}) => {
  await behind(server, `${RIGHT} proxy_read_timeout 3s;`, async (url) => {
    const doctor = doctorOf(await open('#/doctor', url))
    await doctor.choose('Wait for idle cuts', 'For 90 s')
    await doctor.examine()
    assert.deepEqual(await doctor.found(BAD), ['idle: problem'])
    assert.match(await doctor.finding('idle').textContent(), /of silence; a heartbeat every 10\.0 s is not enough/)
  })
})

story('it is stopped by the keyboard, and leaves no stream behind', {settings}, async ({open, server}) => {
  const page = await open('#/doctor')
  const doctor = doctorOf(page)
  await doctor.choose('Wait for idle cuts', 'For 5 min')
  await page.getByRole('button', {name: 'Examine'}).press('Enter')
  await doctor.status.filter({hasText: 'Keeping a stream open for 300 s'}).waitFor()
  await page.keyboard.press('Enter')
  await doctor.status.filter({hasText: 'Stopped before the end. No problem until then.'}).waitFor()
  for (;;) {
    const {body} = await server.call('GET', '/system/connections')
    if (body.connections.length === 0) break
  }
  await page.getByRole('button', {name: 'Examine again'}).waitFor()
})

story('without a token, what needs a publish says what it could not do', {settings: beating}, async ({open}) => {
  const page = await open('#/doctor')
  const doctor = doctorOf(page)
  await doctor.choose('Examine as', 'Anonymous (no token)')
  await doctor.examine()
  assert.deepEqual(await doctor.found(['skipped', ...BAD]), ['authorization: skipped', 'resume: skipped'])
  assert.match(await doctor.finding('resume').textContent(), /there is no user to publish to: the stream is anonymous/)
  assert.match(await doctor.finding('buffering').textContent(), /none: a heartbeat arrived after/)
  assert.match(await doctor.status.textContent(), /; 2 checks could not be made\.$/)
})

story('a token that is dropped on the way is missed', {settings: beating}, async ({open, server}) => {
  await behind(server, `${RIGHT} proxy_set_header Authorization "";`, async (url) => {
    const doctor = doctorOf(await open('#/doctor', url))
    await doctor.examine()
    assert.deepEqual(await doctor.found(BAD), ['authorization: problem'])
    assert.match(await doctor.finding('buffering').textContent(), /none: a heartbeat arrived after/)
  })
})

story('a user who may not publish is told what that leaves open', {settings: beating, refusals: true}, async ({open}) => {
  const page = await open('#/doctor')
  const refusal = {status: 403, json: {success: false, message: 'Not yours', code: 'forbidden'}}
  await page.route('**/realtime/update*', (route) => route.fulfill(refusal))
  const doctor = doctorOf(page)
  await doctor.examine()
  assert.deepEqual(await doctor.found(['skipped', ...BAD]), ['resume: skipped'])
  assert.match(await doctor.finding('resume').textContent(), /publishing failed: Not yours \(403, forbidden\)/)
  assert.match(await doctor.finding('buffering').textContent(), /none: a heartbeat arrived after/)
})

const production = {...settings, APP_ENV: 'production', JWT_SECRET: 'only-for-the-stories-of-the-page-0123456789'}

story('in production a token that is refused is explained', {settings: production, refusals: true}, async ({open}) => {
  const page = await open('#/doctor')
  const doctor = doctorOf(page)
  await doctor.choose('Examine as', 'Paste a token …')
  await page.getByLabel('Token').fill('eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjF9.c2ln')
  await page.getByRole('button', {name: 'Use it'}).click()
  await doctor.examine()
  assert.deepEqual(await doctor.found(BAD), ['token: problem', 'reach: problem'])
  assert.match(await doctor.finding('reach').textContent(), /\(401, token_\w+\)/)
})
