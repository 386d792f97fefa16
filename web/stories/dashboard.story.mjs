// The dashboard, as an operator uses it.

import assert from 'node:assert/strict'
import {ANN, PATIENCE_MS, panelOf, story} from './support.mjs'

// A stream that is cut is how the server says "come back"; the browser writes a line about it.
story('an operator sees who is connected, and disconnects one', {refusals: true}, async ({open}) => {
  const visitor = await open()
  const stream = panelOf(visitor)
  await stream.choose('As', 'bob (user)')
  await stream.connect()
  const page = await open('#/dashboard')
  const table = page.getByRole('region', {name: 'Connections', exact: true})
  await table.locator('tr[data-user=bob]').waitFor()
  assert.equal(await table.locator('tr[data-user]').count(), 2)
  await table.getByLabel('User', {exact: true}).fill('bob')
  await table.locator('tr[data-user=test123]').waitFor({state: 'detached'})
  await table.getByRole('button', {name: 'Disconnect bob from notifications'}).click()
  await stream.panel.locator('[data-event=revoked]').waitFor()
  await page.getByRole('region', {name: 'Why streams ended'}).locator('li').getByText('disconnected').waitFor()
  // Its token is still good, so it comes back.
  await stream.state('open')
  await table.locator('tr[data-user=bob]').waitFor()
})

story('what an operator looks for stays looked for while streams come and go', {}, async ({open, server}) => {
  const visitor = await open()
  const stream = panelOf(visitor)
  await stream.choose('As', 'bob (user)')
  await stream.connect()
  const page = await open('#/dashboard')
  const table = page.getByRole('region', {name: 'Connections', exact: true})
  await table.locator('tr[data-user=bob]').waitFor()
  const ann = await server.stream('/notifications/stream', ANN)
  await table.locator('tr[data-user=ann]').waitFor()
  // The next look at everybody is answered late.
  let late
  const held = new Promise((done) => (late = done))
  const everybody = (url) => url.pathname === '/system/connections' && !url.searchParams.has('userId')
  await page.route(everybody, (route) => late(route))
  ann.abort()
  const route = await held
  const fate = Promise.race([
    page.waitForEvent('requestfailed', (request) => request === route.request()).then(() => 'given up'),
    page.waitForEvent('requestfinished', (request) => request === route.request()).then(() => 'answered'),
  ])
  await table.getByLabel('User', {exact: true}).fill('bob')
  await table.locator('tr[data-user=test123]').first().waitFor({state: 'detached'})
  await route.continue().catch(() => {})
  assert.equal(await fate, 'given up')
  // And the look that a newcomer makes needful is for bob alone.
  const next = page.waitForResponse((response) => new URL(response.url()).pathname === '/system/connections')
  await server.stream('/notifications/stream', ANN)
  assert.equal(new URL((await next).url()).searchParams.get('userId'), 'bob')
  assert.deepEqual(await table.locator('tr[data-user]').evaluateAll((rows) => rows.map((row) => row.dataset.user)), ['bob'])
})

story('a look at the table that was put off asks for what is looked for by then', {}, async ({open, server}) => {
  const page = await open('#/dashboard')
  const table = page.getByRole('region', {name: 'Connections', exact: true})
  await table.locator('tr[data-user=test123]').waitFor()
  // From here on the page's time stands still unless it is told to go on: the look for a newcomer is put off, and stays so.
  await page.clock.install()
  await page.clock.pauseAt(Date.now() + 1_000)
  const looks = []
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (url.pathname === '/system/connections') looks.push(url.searchParams.get('userId'))
  })
  await server.stream('/notifications/stream', ANN)
  await table.getByText('2 streams open').waitFor()
  await page.clock.runFor(100)
  await table.getByLabel('User', {exact: true}).fill('bob')
  await page.clock.runFor(1_000)
  await page.clock.runFor(600_000)
  await table.getByText('Nobody like that is connected.').waitFor()
  assert.equal(looks.at(-1), 'bob', `${looks.length} looks: ${looks}`)
  assert.ok(looks.length > 1, 'the one that was put off came too')
})

story('an operator sees events flow, rooms fill and history', {}, async ({open, server}) => {
  await server.notify('long ago')
  const page = await open('#/dashboard')
  const chat = await open('#/console/chat')
  await chat.getByRole('button', {name: 'Join'}).click()
  await page.getByRole('region', {name: 'Chat rooms'}).locator('.member').getByText('testuser').waitFor()
  const tail = page.getByRole('region', {name: 'Live tail', exact: true})
  await tail.getByRole('button', {name: 'Follow'}).click()
  await tail.locator('.event').filter({hasText: 'long ago'}).waitFor()
  await server.notify('just now')
  await tail.locator('.event').filter({hasText: 'just now'}).waitFor()
})

story('an operator drains the server, if that is meant', {refusals: true}, async ({open, server}) => {
  const page = await open('#/dashboard')
  const visitor = await open()
  const stream = panelOf(visitor)
  await stream.connect()
  const drain = page.getByRole('region', {name: 'Drain', exact: true})
  await drain.getByRole('button', {name: 'Drain …'}).click()
  await drain.getByRole('button', {name: 'Keep it running'}).and(page.locator(':focus')).waitFor()
  await page.keyboard.press('Escape')
  await drain.getByRole('alertdialog').waitFor({state: 'detached'})
  assert.equal((await server.call('GET', '/health/ready')).status, 200)
  await drain.getByRole('button', {name: 'Drain …'}).click()
  await drain.getByRole('button', {name: 'Drain and stop'}).click()
  await stream.panel.locator('[data-event=draining]').waitFor()
  await server.ended()
  await page.getByText('what is shown below was true before').waitFor()
})

story('the dashboard is for admins, and says so', {refusals: true}, async ({open}) => {
  const page = await open('#/dashboard')
  await page.getByText('Streams behind').waitFor()
  await page.getByLabel('Watch as').selectOption({label: 'ann (user)'})
  await page.getByText('The dashboard is for the role admin').waitFor()
})

story('the dashboard’s stream is closed when nobody looks', {}, async ({open, server}) => {
  const page = await open('#/dashboard')
  await page.getByText('Streams behind').waitFor()
  await page.getByRole('link', {name: 'Console', exact: true}).click()
  await page.getByRole('heading', {name: 'Console'}).waitFor()
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const {body} = await server.call('GET', '/system/stats')
    if (body.totalConnections === 0) break
    assert.ok(Date.now() < deadline, JSON.stringify(body.connectionsByType))
    await new Promise((done) => setTimeout(done, 50))
  }
})
