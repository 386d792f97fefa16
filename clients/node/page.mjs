// What runs in the browser: follows streams with its native `EventSource` and with `@microsoft/fetch-event-source`, and
// reports what they show.
//
// Owns no more than their listeners. Reconnecting above all is theirs: nothing here may help them, or the tests would
// prove something about this file.

import {fetchEventSource} from './fetch-event-source/index.js'

const GAVE_UP = 1

const LIBRARIES = {EventSource: followNatively, 'fetch-event-source': followByFetch}

/** Open streams by number, each with the function that closes it. */
const open = new Map()

function followNatively(report, {url, events, token, lastEventId}) {
  const target = new URL(url)
  // It sets no headers: what others put there goes into the URL.
  if (token) target.searchParams.set('token', token)
  if (lastEventId) target.searchParams.set('lastEventId', lastEventId)
  const source = new EventSource(target)
  source.addEventListener('open', () => report({open: true}))
  source.addEventListener('error', () => {
    report({error: 'no reason given'})
    if (source.readyState === EventSource.CLOSED) report({exit: GAVE_UP})
  })
  for (const name of events) {
    source.addEventListener(name, (event) => report({event: event.type, id: event.lastEventId, data: event.data}))
  }
  return () => source.close()
}

function followByFetch(report, {url, events, token, lastEventId}) {
  const controller = new AbortController()
  const headers = {}
  if (token) headers.authorization = `Bearer ${token}`
  if (lastEventId) headers['last-event-id'] = lastEventId
  let status
  // No `onopen` and no `onclose`, and an `onerror` that decides nothing: what the library does by itself is what counts.
  const following = fetchEventSource(url, {
    headers,
    signal: controller.signal,
    async fetch(...request) {
      status = undefined
      const response = await fetch(...request)
      if (response.ok && response.headers.get('content-type')?.startsWith('text/event-stream')) report({open: true})
      else status = response.status
      return response
    },
    onmessage({event, id, data}) {
      if (events.includes(event || 'message')) report({event: event || 'message', id, data})
    },
    onerror(error) {
      report({error: String(error), status})
    },
  })
  following.then(() => {
    report({error: 'no reason given'})
    report({exit: GAVE_UP})
  })
  return () => controller.abort()
}

function obey(command) {
  if (command.close !== undefined) {
    open.get(command.close)?.()
    open.delete(command.close)
    return
  }
  const number = command.follow
  const report = (line) => open.has(number) && say({stream: number, ...line})
  open.set(number, () => {})
  open.set(number, LIBRARIES[command.with](report, command))
}

/** Lines that are not sent yet. One request at a time, so that they arrive in their order. */
const unsent = []
let sending = false

async function say(line) {
  unsent.push(`${JSON.stringify(line)}\n`)
  if (sending) return
  sending = true
  while (unsent.length > 0) await fetch('/reports', {method: 'POST', body: unsent.splice(0).join('')})
  sending = false
}

let rest = ''
const commands = (await fetch('/commands')).body.pipeThrough(new TextDecoderStream()).getReader()
for (let read = await commands.read(); !read.done; read = await commands.read()) {
  const lines = (rest + read.value).split('\n')
  rest = lines.pop()
  for (const line of lines) obey(JSON.parse(line))
}
