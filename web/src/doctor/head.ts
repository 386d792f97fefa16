// What the head of the answer and the first event say.

import {ok, problem, skipped, trouble, warning, type Finding} from './finding'
import {isEventStream, type Connected, type Probe} from './probe'

/** A first event that takes longer makes a page wait. */
const SLOW_MS = 1_000

/** The server grants tokens this much. */
const LEEWAY_S = 30

/** A clock that is further off shows in ages and times of day. */
const SKEW_S = 5

/** A token that lives on for less is about to end the stream. */
const SHORT_LIFE_S = 300

/** What the server asks of caches and must reach them. */
const DIRECTIVES = ['no-store', 'no-cache', 'no-transform']

/** The shortest patience of common proxies: nginx and ALB wait for 60 s; 30 s are usual for the rest. */
const COMMON_CUT_MS = 30_000

/** After `connected` was read. */
export function firstByte({openedAt, headAt, lastBytesAt}: Pick<Probe, 'openedAt' | 'headAt' | 'lastBytesAt'>): Finding {
  const first = lastBytesAt - openedAt
  const message = `the head after ${(headAt - openedAt).toFixed(1)} ms, the first event after ${first.toFixed(1)} ms`
  return first > SLOW_MS
    ? warning('first-byte', message, 'The way to the server is slow, or the server is busy.')
    : ok('first-byte', message)
}

/** By the name of the protocol that the browser gives: `http/1.1`, `h2`, `h3`. */
export function version(protocol: string | undefined, https: boolean): Finding {
  if (!protocol) return skipped('http-version', 'this browser could not tell it')
  if (protocol === 'h2' || protocol === 'h3') return ok('http-version', `HTTP/${protocol.slice(1)}`)
  const name = protocol.toUpperCase()
  return https
    ? trouble('http-version', name, 'warning')
    : ok('http-version', `${name}; browsers speak HTTP/2 over https alone, and open six connections without it`)
}

/** How the stream is compressed; the browser has undone it already. */
export function compression(headers: Headers): Finding {
  const encoding = headers.get('content-encoding')?.trim()
  return encoding && encoding.toLowerCase() !== 'identity'
    ? trouble('compression', `Content-Encoding: ${encoding}`)
    : ok('compression', 'none, though browsers offer it')
}

/** What was changed on the way, or kept by a cache. */
export function rewritten(headers: Headers, requestId: string): Finding {
  const wrong = []
  if (!isEventStream(headers)) wrong.push(`Content-Type: ${headers.get('content-type') ?? 'missing'}`)
  const control = (headers.get('cache-control') ?? '').toLowerCase()
  const lost = DIRECTIVES.filter((directive) => !control.includes(directive))
  if (lost.length > 0) wrong.push(`Cache-Control without ${lost.join(', ')}`)
  const age = headers.get('age')
  if (age !== null) wrong.push(`it comes from a cache (Age: ${age})`)
  if (wrong.length > 0) return trouble('headers', wrong.join('; '))
  // nginx takes the first for itself and does not hand it on; many give each request an id of their own.
  const accel = headers.has('x-accel-buffering') ? '' : '; X-Accel-Buffering was taken out on the way'
  const id = headers.get('x-request-id') === requestId ? '' : '; X-Request-Id was replaced on the way'
  return ok('headers', `Content-Type and Cache-Control are the server’s${accel}${id}`)
}

/**
 * The server's own clock stands in `connected`; `Date` may be that of a proxy. It was read at some time while the answer was
 * under way for `took`, so that much behind is no skew. Times in milliseconds, `now` on the wall clock.
 */
export function clock(timestamp: string | undefined, headers: Headers, now: number, took: number): Finding {
  const server = Date.parse(timestamp ?? '')
  const date = Date.parse(headers.get('date') ?? '')
  const told = Number.isNaN(server) ? date : server
  if (Number.isNaN(told)) return skipped('clock', 'neither the server nor a Date field says what time it is')
  const behind = (now - told) / 1_000
  const skew = behind > 0 ? -Math.max(behind - took / 1_000, 0) : -behind
  const whose = Number.isNaN(server) ? 'Date field’s' : 'server’s'
  const off = Math.abs(skew)
  const message = `the ${whose} clock is ${off.toFixed(1)} s ${skew < 0 ? 'behind' : 'ahead of'} this machine’s`
  if (off > LEEWAY_S) {
    return problem('clock', message, 'Tokens are refused too early or too late: more than 30 s are not forgiven. Let both machines keep time by NTP.')
  }
  return off > SKEW_S ? warning('clock', message, 'Let both machines keep time by NTP.') : ok('clock', message)
}

/** What a token says about its own time, from its claims; nothing where it is no JSON Web Token. `now` in milliseconds. */
export function token(claims: Record<string, unknown> | undefined, now: number): Finding | undefined {
  if (!claims) return undefined
  const until = (name: string) => (typeof claims[name] === 'number' ? claims[name] - now / 1_000 : undefined)
  const [left, ahead] = [until('exp'), until('iat')]
  if (ahead !== undefined && ahead > LEEWAY_S) {
    const message = `it was issued ${ahead.toFixed(0)} s in the future, by this machine’s clock`
    return problem('token', message, 'The clock of who issues tokens differs from this one. Let both keep time by NTP.')
  }
  if (left === undefined) return ok('token', 'it never expires')
  if (left < 0) return problem('token', `it expired ${(-left).toFixed(0)} s ago`, 'The server refuses it, or will in seconds. Get a new one.')
  return left < SHORT_LIFE_S
    ? warning('token', `it expires in ${left.toFixed(0)} s`, 'The stream ends with it; a new one has to be had by then.')
    : ok('token', `it lives for ${left.toFixed(0)} s more`)
}

export function authorization(connected: Connected, sent: boolean): Finding {
  if (!sent) return skipped('authorization', 'there is no token; choose an identity, or paste one')
  if (connected.authenticated) return ok('authorization', 'the token arrived, and the server knows its user')
  return connected.authError
    ? problem('authorization', `the server refused the token: ${connected.authError}`, 'It arrived, but the stream is anonymous. Get a token that this server accepts.')
    : trouble('authorization', 'Authorization was sent, and the stream is anonymous')
}

/** What the server promises, without waiting for it. In milliseconds. */
export function heartbeat(interval: number | undefined): Finding {
  if (!interval) return skipped('heartbeat', 'the server does not say how often it comes')
  const each = `one each ${(interval / 1_000).toFixed(1)} s`
  return interval > COMMON_CUT_MS
    ? warning('heartbeat', each, 'Many proxies cut after 30 or 60 s of silence. Set HEARTBEAT_INTERVAL=25s, and wait for idle cuts to see what this one does.')
    : ok('heartbeat', `${each}, sooner than common proxies cut`)
}
