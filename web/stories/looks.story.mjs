// How each view looks and reads: pictures of it, light and dark, wide and phone, and no serious violation by axe.

import assert from 'node:assert/strict'
import {mkdirSync, readFileSync} from 'node:fs'
import {createRequire} from 'node:module'
import {fileURLToPath} from 'node:url'
import {behind, COMPRESSING} from './nginx.mjs'
import {doctorOf, panelOf, publisherOf, story} from './support.mjs'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const SHOTS = fileURLToPath(new URL('shots/', import.meta.url))
mkdirSync(SHOTS, {recursive: true})

const SIZES = {wide: {width: 1440, height: 900}, phone: {width: 390, height: 844}}

/** Each view, brought to a state that is worth looking at. */
const VIEWS = {
  console: async ({page, server}) => {
    await page.getByRole('button', {name: 'A second user'}).click()
    const first = panelOf(page, 'Stream 1')
    await first.connect()
    await panelOf(page, 'Stream 2').connect()
    await publisherOf(page).publish()
    await first.event('It works').waitFor()
    await first.panel.getByRole('button', {name: 'Drop and resume'}).click()
    await server.notify('While you were away', undefined, 'Kept in the log, and replayed')
    await first.panel.getByRole('button', {name: 'Resume now'}).click()
    await first.panel.locator('.resumed[data-checked=true]').waitFor()
    await first.event('While you were away').locator('summary').click()
  },
  'console/chat': async ({page}) => {
    await page.getByRole('button', {name: 'Join'}).click()
    await page.locator('.member').waitFor()
    await page.getByLabel('Message', {exact: true}).fill('Is anybody here?')
    await page.keyboard.press('Enter')
    await page.locator('.messages').getByText('Is anybody here?').waitFor()
  },
  dashboard: async ({page, server, open}) => {
    const other = panelOf(await open())
    await other.connect()
    await page.locator('tr[data-user]').nth(1).waitFor()
    for (let nth = 0; nth < 8; nth += 1) await server.notify(`Number ${nth}`)
    await other.panel.getByRole('button', {name: 'Disconnect'}).click()
    await page.locator('.bars li').first().waitFor()
  },
  'reference/sendNotification': async ({page}) => {
    await page.getByRole('button', {name: 'Send POST'}).click()
    await page.locator('.answer').waitFor()
  },
  doctor: async ({page, server}) => {
    await behind(server, `${COMPRESSING} proxy_set_header Last-Event-ID "";`, async (url) => {
      await page.goto(`${url}/#/doctor`)
      await doctorOf(page).examine()
    })
  },
  reference: async ({page}) => {
    await page.getByText('The shortest client').or(page.locator('.code')).first().waitFor()
  },
}

for (const [view, prepare] of Object.entries(VIEWS)) {
  for (const colorScheme of ['light', 'dark']) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      story(`${view} reads well, ${colorScheme}, ${size}`, {colorScheme, viewport}, async ({open, server}) => {
        const page = await open(`#/${view}`)
        await prepare({page, server, open})
        await page.evaluate(() => window.scrollTo(0, 0))
        await page.screenshot({path: `${SHOTS}${view.replace('/', '-')}-${colorScheme}-${size}.png`, fullPage: size === 'phone'})
        const {scrollWidth, clientWidth} = await page.evaluate(() => {
          const {scrollWidth, clientWidth} = document.documentElement
          return {scrollWidth, clientWidth}
        })
        assert.ok(scrollWidth <= clientWidth, `it is ${scrollWidth - clientWidth} px wider than the screen`)
        const outside = await page.evaluate(() => {
          const sticksOut = (choice) => choice.getBoundingClientRect().right > choice.closest('.segments').getBoundingClientRect().right
          return [...document.querySelectorAll('.segments label')].filter(sticksOut).map((choice) => choice.textContent)
        })
        assert.deepEqual(outside, [], 'choices stick out of their box')
        await page.evaluate(AXE)
        const {violations} = await page.evaluate(() => window.axe.run())
        const serious = violations.filter(({impact}) => impact === 'serious' || impact === 'critical')
        const told = serious.map(({id, nodes}) => `${id}: ${nodes.map(({html}) => html.slice(0, 160)).join(' | ')}`)
        assert.deepEqual(told, [])
      })
    }
  }
}
