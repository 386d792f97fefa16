// What the programs here that follow one stream share: their arguments, the lines they print, how they end.
//
// Must never touch the network: that is the libraries' part, in the programs beside this file.

import {parseArgs} from 'node:util'

export const GAVE_UP = 1
const USAGE = 2
const TIMED_OUT = 3

/** Reads the command line, ends the program if it is wrong, and starts its time limit. */
export function readArguments() {
  const options = parse()
  setTimeout(() => finish(TIMED_OUT), options.timeoutMs)
  return options
}

/** Prints the events with a wanted name and ends the program with status 0 after the last one wanted. */
export function countdown({events, count}) {
  let remaining = count
  return (event, id, data) => {
    if (remaining === 0 || !events.includes(event)) return
    say({event, id, data})
    remaining -= 1
    if (remaining === 0) finish(0)
  }
}

/**
 * A `fetch` for libraries that take one, which tells what they don't: that a connection was accepted as an event stream,
 * and with which status it was not. It hands on what the library asks and what the server answers.
 */
export function watchedFetch(seen) {
  return async (url, init) => {
    seen.status = undefined
    const response = await fetch(url, init)
    if (response.ok && response.headers.get('content-type')?.startsWith('text/event-stream')) say({open: true})
    else seen.status = response.status
    return response
  }
}

export function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

export function finish(status) {
  // An empty write is called back after all lines before it have left.
  process.stdout.write('', () => process.exit(status))
}

function parse() {
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
    console.error(error.message)
    process.exit(USAGE)
  }
}

function positive(name, text) {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new Error(`${name} takes a whole number from 1, not ${text}`)
  return Number(text)
}
