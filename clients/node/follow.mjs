// Follows one event stream with npm `eventsource` and prints what the library reports, one line of JSON each.
//
// Owns its arguments and its exit status (see ../README.md). Everything between, reconnecting above all, is the
// library's: this program must never help it, or the tests would prove something about this file.

import {parseArgs} from 'node:util'
import {EventSource} from 'eventsource'

const GAVE_UP = 1
const USAGE = 2
const TIMED_OUT = 3

const options = readArguments()
const source = new EventSource(options.url, {fetch: fetchWithCredentials})
let remaining = options.count

setTimeout(() => finish(TIMED_OUT), options.timeoutMs)

source.addEventListener('open', () => print({open: true}))
source.addEventListener('error', (error) => {
  print({error: error.message ?? 'the stream ended', status: error.code})
  // CLOSED is final by the WHATWG algorithm; after anything else the library comes back by itself.
  if (source.readyState === EventSource.CLOSED) finish(GAVE_UP)
})
for (const name of options.events) source.addEventListener(name, receive)

function receive(event) {
  if (remaining === 0) return
  print({event: event.type, id: event.lastEventId, data: event.data})
  remaining -= 1
  if (remaining === 0) finish(0)
}

// The library takes no headers and no first id: its documented way to set them is a `fetch` of one's own. Its own
// `Last-Event-ID` stands after ours and wins as soon as it has seen an id.
function fetchWithCredentials(url, init) {
  const headers = {...init.headers}
  if (options.token !== undefined) headers.Authorization = `Bearer ${options.token}`
  if (options.lastEventId !== undefined) headers['Last-Event-ID'] ??= options.lastEventId
  return fetch(url, {...init, headers})
}

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function finish(status) {
  source.close()
  // An empty write is called back after all lines before it have left.
  process.stdout.write('', () => process.exit(status))
}

function readArguments() {
  try {
    const {values, positionals} = parseArgs({
      allowPositionals: true,
      options: {
        token: {type: 'string'},
        'last-event-id': {type: 'string'},
        events: {type: 'string', default: 'message'},
        count: {type: 'string', default: '1'},
        'timeout-ms': {type: 'string', default: '30000'},
      },
    })
    if (positionals.length !== 1) throw new Error('exactly one URL is needed')
    return {
      url: new URL(positionals[0]).href,
      token: values.token,
      lastEventId: values['last-event-id'],
      events: values.events.split(','),
      count: positive('--count', values.count),
      timeoutMs: positive('--timeout-ms', values['timeout-ms']),
    }
  } catch (error) {
    console.error(`follow.mjs: ${error.message}`)
    process.exit(USAGE)
  }
}

function positive(name, text) {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new Error(`${name} takes a whole number from 1, not ${text}`)
  return Number(text)
}
