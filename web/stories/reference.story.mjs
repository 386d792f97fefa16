// The reference, as somebody who integrates uses it.

import assert from 'node:assert/strict'
import {ADMIN, story} from './support.mjs'

story('every call is described and can be tried in place', {}, async ({open}) => {
  const page = await open('#/reference')
  const index = page.getByRole('navigation', {name: 'Calls'})
  await index.getByRole('link').nth(30).waitFor()
  await index.getByLabel('Find a call').fill('notifications/send')
  await index.getByText('/notifications/send').click()
  const call = page.getByRole('article')
  await call.getByText('Send a notification to one user, or to everybody').waitFor()
  const snippet = call.getByRole('region', {name: 'Snippet'})
  assert.ok((await snippet.textContent()).includes(ADMIN), 'the identity is filled in')
  for (const [language, has] of [['JavaScript', 'await fetch('], ['Python', 'httpx.request('], ['Rust', 'reqwest::Client']]) {
    await call.getByText(language, {exact: true}).click()
    assert.ok((await snippet.textContent()).includes(has), language)
  }
  await call.getByLabel('targetUserId (query)').fill('ann')
  await call.getByRole('button', {name: 'Send POST'}).click()
  await call.locator('.answer[data-status="200"]').waitFor()
  await call.getByText('Notification sent successfully to ann').waitFor()
})

story('a stream is tried in place', {}, async ({open}) => {
  const page = await open('#/reference/heartbeatStream')
  await page.getByRole('button', {name: 'Open the stream'}).click()
  const events = page.getByRole('region', {name: 'Events'})
  await events.getByText('event: heartbeat').waitFor()
  await page.getByRole('button', {name: 'Close the stream'}).click()
})

story('a refusal in the reference is explained', {refusals: true}, async ({open}) => {
  const page = await open('#/reference/listConnections')
  await page.getByLabel('Call as').selectOption({label: 'ann (user)'})
  await page.getByRole('button', {name: 'Send GET'}).click()
  await page.locator('.answer[data-status="403"]').waitFor()
  await page.getByText('The token is good, but its user may not do this').waitFor()
})

story('the guide shows each framework', {}, async ({open}) => {
  const page = await open('#/reference')
  const frameworks = [
    ['React', 'useEffect'],
    ['Vue', 'onScopeDispose'],
    ['Angular', 'Injectable'],
    ['Go', 'bufio.NewScanner'],
    ['Java', 'EventSources.processResponse'],
    ['Kotlin', 'install(SSE)'],
    ['Plain JavaScript', 'EventSource'],
  ]
  for (const [name, has] of frameworks) {
    await page.getByRole('radio', {name, exact: true}).check()
    await page.locator('.code').filter({hasText: has}).first().waitFor()
  }
})
