// Follows one event stream with npm `eventsource` and prints what the library reports, one line of JSON each.
//
// Owns nothing but the library's listeners. Reconnecting above all is the library's: this program must never help it, or
// the tests would prove something about this file.

import {EventSource} from 'eventsource'
import {GAVE_UP, countdown, finish, readArguments, say} from './following.mjs'

const options = readArguments()
const take = countdown(options)
const source = new EventSource(options.url, {fetch: fetchWithCredentials})

source.addEventListener('open', () => say({open: true}))
source.addEventListener('error', (error) => {
  say({error: error.message ?? 'no reason given', status: error.code})
  // CLOSED is final by the WHATWG algorithm; after anything else the library comes back by itself.
  if (source.readyState === EventSource.CLOSED) finish(GAVE_UP)
})
for (const name of options.events) {
  source.addEventListener(name, (event) => take(event.type, event.lastEventId, event.data))
}

// The library takes no headers and no first id: its documented way to set them is a `fetch` of one's own. Its own
// `Last-Event-ID` stands after ours and wins as soon as it has seen an id.
function fetchWithCredentials(url, init) {
  const headers = {...init.headers}
  if (options.token !== undefined) headers.Authorization = `Bearer ${options.token}`
  if (options.lastEventId !== undefined) headers['Last-Event-ID'] ??= options.lastEventId
  return fetch(url, {...init, headers})
}
