// Follows one event stream with npm `eventsource-client` and prints what the library reports, one line of JSON each.
//
// Owns nothing but the library's callbacks. Must never close the stream or look at a status for it: the library comes back
// whatever it was answered, and that is what the tests are to see.

import {createEventSource} from 'eventsource-client'
import {GAVE_UP, countdown, finish, readArguments, say, watchedFetch} from './following.mjs'

const options = readArguments()
const take = countdown(options)
const seen = {status: undefined}

const source = createEventSource({
  url: options.url,
  headers: options.token === undefined ? {} : {Authorization: `Bearer ${options.token}`},
  initialLastEventId: options.lastEventId,
  // It calls `onConnect` for every answer, also for a refusal.
  fetch: watchedFetch(seen),
  onMessage: ({event, id, data}) => take(event ?? 'message', id ?? '', data),
  // The only word on a connection that failed or ended is that there will be another.
  onScheduleReconnect: () => say({error: 'no reason given', status: seen.status}),
  // After a 204 it closes itself, right after this.
  onDisconnect: () => queueMicrotask(giveUpIfClosed),
})

function giveUpIfClosed() {
  if (source.readyState !== 'closed') return
  say({error: 'no reason given', status: seen.status})
  finish(GAVE_UP)
}
