// Checks the head of the answer and the first event.

import {ok, problem, skipped, trouble, warning, type Finding} from './finding'
import {isEventStream, type Connected, type Probe} from './probe'

/** The longest time to the first event that a page does not notice. */
const SLOW_MS = 1_000

/** The leeway that the server allows for the times in tokens. */
const LEEWAY_S = 30

/** The largest difference between two clocks that users do not notice in times and ages that a page shows. */
const SKEW_S = 5

/** The remaining lifetime of a token below which the stream ends soon. */
const SHORT_LIFE_S = 300

/** The directives of the server's `Cache-Control`, which must reach caches. */
const DIRECTIVES = ['no-store', 'no-cache', 'no-transform']

/** The shortest idle timeout of common proxies: nginx and ALB wait for 60 s, most others for 30 s. */
const SHORTEST_IDLE_TIMEOUT_MS = 30_000

/** Judges how long the first event took. Must be called after `connected` was read. */
export function firstByte({openedAt, headAt, lastBytesAt}: Pick<Probe, 'openedAt' | 'headAt' | 'lastBytesAt'>): Finding {
  const first = lastBytesAt - openedAt
  const message = `the head after ${(headAt - openedAt).toFixed(1)} ms, the first event after ${first.toFixed(1)} ms`
  return first > SLOW_MS
    ? warning('first-byte', message, 'The network is slow, or the server is busy.')
    : ok('first-byte', message)
}

/** Judges the version of HTTP by the browser's name of the protocol: `http/1.1`, `h2`, `h3`. */
export function version(protocol: string | undefined, https: boolean): Finding {
  if (!protocol) return skipped('http-version', 'this browser does not report it')
  if (protocol === 'h2' || protocol === 'h3') return ok('http-version', `HTTP/${protocol.slice(1)}`)
  const name = protocol.toUpperCase()
  return https
    ? trouble('http-version', name, 'warning')
    : ok('http-version', `${name}; browsers use HTTP/2 only over https, and at most six connections without it`)
}

/** Judges whether the stream is compressed. The browser has decompressed it already. */
export function compression(headers: Headers): Finding {
  const encoding = headers.get('content-encoding')?.trim()
  return encoding && encoding.toLowerCase() !== 'identity'
    ? trouble('compression', `Content-Encoding: ${encoding}`)
    : ok('compression', 'none, though browsers offer it')
}

/** Reports header fields that a proxy changed, and an answer that comes from a cache. */
export function rewritten(headers: Headers, requestId: string): Finding {
  const wrong = []
  if (!isEventStream(headers)) wrong.push(`Content-Type: ${headers.get('content-type') ?? 'missing'}`)
  const control = (headers.get('cache-control') ?? '').toLowerCase()
  const lost = DIRECTIVES.filter((directive) => !control.includes(directive))
  if (lost.length > 0) wrong.push(`Cache-Control without ${lost.join(', ')}`)
  const age = headers.get('age')
  if (age !== null) wrong.push(`it comes from a cache (Age: ${age})`)
  if (wrong.length > 0) return trouble('headers', wrong.join('; '))
  // nginx obeys the first field and does not forward it; many proxies give each request their own id.
  const accel = headers.has('x-accel-buffering') ? '' : '; a proxy removed X-Accel-Buffering'
  const id = headers.get('x-request-id') === requestId ? '' : '; a proxy replaced X-Request-Id'
  return ok('headers', `Content-Type and Cache-Control are the server’s${accel}${id}`)
}

/**
 * Compares the clocks. `timestamp` is the time in `connected`, from the server's own clock; `Date` may be from the clock of a
 * proxy. The request took `elapsed`, and the server read its clock at some moment of it, so being behind by that much is not
 * skew. Times are in milliseconds, `now` on the wall clock.
 */
export function clock(timestamp: string | undefined, headers: Headers, now: number, elapsed: number): Finding {
  const server = Date.parse(timestamp ?? '')
  const date = Date.parse(headers.get('date') ?? '')
  const remote = Number.isNaN(server) ? date : server
  if (Number.isNaN(remote)) return skipped('clock', 'neither `connected` nor a Date field contains a time')
  const behind = (now - remote) / 1_000
  const skew = behind > 0 ? -Math.max(behind - elapsed / 1_000, 0) : -behind
  const whose = Number.isNaN(server) ? 'Date field’s' : 'server’s'
  const off = Math.abs(skew)
  const message = `the ${whose} clock is ${off.toFixed(1)} s ${skew < 0 ? 'behind' : 'ahead of'} this machine’s`
  if (off > LEEWAY_S) {
    return problem('clock', message, 'Tokens are refused too early or too late, because the server tolerates 30 s. Synchronize both clocks by NTP.')
  }
  return off > SKEW_S ? warning('clock', message, 'Synchronize both clocks by NTP.') : ok('clock', message)
}

/** Judges the lifetime that the claims of a token contain. Returns nothing if it is not a JSON Web Token. `now` is in milliseconds. */
export function token(claims: Record<string, unknown> | undefined, now: number): Finding | undefined {
  if (!claims) return undefined
  const until = (name: string) => (typeof claims[name] === 'number' ? claims[name] - now / 1_000 : undefined)
  const [left, ahead] = [until('exp'), until('iat')]
  if (ahead !== undefined && ahead > LEEWAY_S) {
    const message = `it was issued ${ahead.toFixed(0)} s in the future, by this machine’s clock`
    return problem('token', message, 'The clock of the machine that issues tokens differs from this one. Synchronize both by NTP.')
  }
  if (left === undefined) return ok('token', 'it never expires')
  if (left < 0) return problem('token', `it expired ${(-left).toFixed(0)} s ago`, 'The server refuses it, or will within seconds. Get a new one.')
  return left < SHORT_LIFE_S
    ? warning('token', `it expires in ${left.toFixed(0)} s`, 'The stream ends when it expires. Get a new one before that.')
    : ok('token', `it is valid for another ${left.toFixed(0)} s`)
}

export function authorization(connected: Connected, sent: boolean): Finding {
  if (!sent) return skipped('authorization', 'there is no token; choose an identity, or paste one')
  if (connected.authenticated) return ok('authorization', 'the token arrived, and the server knows its user')
  return connected.authError
    ? problem('authorization', `the server refused the token: ${connected.authError}`, 'It arrived, but the stream is anonymous. Get a token that this server accepts.')
    : trouble('authorization', 'Authorization was sent, and the stream is anonymous')
}

/** Judges the heartbeat interval that the server announces, in milliseconds, without waiting for a heartbeat. */
export function heartbeat(interval: number | undefined): Finding {
  if (!interval) return skipped('heartbeat', 'the server does not announce an interval')
  const every = `one every ${(interval / 1_000).toFixed(1)} s`
  return interval > SHORTEST_IDLE_TIMEOUT_MS
    ? warning('heartbeat', every, 'Many proxies cut a stream after 30 or 60 s of silence. Set HEARTBEAT_INTERVAL=25s, or wait for idle cuts to test this proxy.')
    : ok('heartbeat', `${every}, before common proxies cut an idle stream`)
}
