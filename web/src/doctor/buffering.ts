// Checks whether events arrive one by one, as they were published, or something buffers them.

import {ok, skipped, trouble, warning, type Finding} from './finding'
import type {Probe} from './probe'
import type {TestEvents} from './test-events'

/** The number of events that are published. */
export const EVENTS = 5

/** The time between two publishes. An event that is later arrived after the next one was published: it was buffered, and not just slow. */
const SPACING_MS = 500

/** How long the last event may take. */
const LAST_EVENT_TIMEOUT_MS = 3_000

/** The shortest delay that a reader notices. */
const NOTICEABLE_DELAY_MS = 250

/** How much later than announced a heartbeat may arrive. */
const HEARTBEAT_TOLERANCE_MS = 2_000

/** The longest interval of heartbeats for which the check waits. */
const MAX_HEARTBEAT_INTERVAL_MS = 60_000

/**
 * Publishes events one by one. The probe reads the stream meanwhile, so each event has the time at which it arrived.
 * Returns the finding, and the id of the last event that arrived.
 */
export async function byEvents(probe: Probe, testEvents: TestEvents, cancel: AbortSignal, tell: (nth: number) => void): Promise<[Finding, string | undefined]> {
  const published: {id: string; at: number}[] = []
  const start = performance.now()
  for (let nth = 0; nth < EVENTS; nth += 1) {
    await pause(start + SPACING_MS * nth - performance.now(), cancel)
    tell(nth + 1)
    published.push({id: await testEvents.publish(cancel), at: performance.now()})
  }
  const arrived = new Map<string, number>()
  const deadline = performance.now() + LAST_EVENT_TIMEOUT_MS
  while (arrived.size < EVENTS) {
    const next = await probe.next(deadline)
    cancel.throwIfAborted()
    if (next.is !== 'event') break
    if (next.event.id && testEvents.contain(next.event)) arrived.set(next.event.id, next.event.at)
  }
  const delays = published.map(({id, at}) => {
    const arrivedAt = arrived.get(id)
    return arrivedAt === undefined ? undefined : Math.max(arrivedAt - at, 0)
  })
  return [judge(delays), [...arrived.keys()].at(-1)]
}

async function pause(ms: number, cancel: AbortSignal): Promise<void> {
  if (ms > 0) await new Promise((done) => setTimeout(done, ms))
  cancel.throwIfAborted()
}

/** Judges how long after the answer to its publisher each event arrived, in milliseconds. `undefined` means that it did not arrive. */
export function judge(delays: readonly (number | undefined)[]): Finding {
  const all = delays.length
  const arrived = delays.filter((delay) => delay !== undefined)
  const lost = all - arrived.length
  const buffered = arrived.filter((delay) => delay > SPACING_MS).length
  const longest = Math.max(0, ...arrived)
  const apart = `${all} events, ${SPACING_MS} ms apart,`
  if (lost > 0) return trouble('buffering', `${lost} of ${apart} had not arrived ${LAST_EVENT_TIMEOUT_MS / 1_000} s after the last was published`)
  if (buffered > 1) return trouble('buffering', `${buffered} of ${apart} arrived together, up to ${longest.toFixed(0)} ms late`)
  if (longest > NOTICEABLE_DELAY_MS) {
    const message = `${all} events arrived one by one, but up to ${longest.toFixed(0)} ms late`
    return warning('buffering', message, 'The network or the server is slow or busy; nothing seems to buffer events.')
  }
  return ok('buffering', `none: ${apart} arrived at most ${longest.toFixed(1)} ms late`)
}

/** Returns whether heartbeats are frequent enough to wait for one. The interval is in milliseconds. */
export function isFrequent(interval: number | undefined): interval is number {
  return interval !== undefined && interval > 0 && interval <= MAX_HEARTBEAT_INTERVAL_MS
}

/** Waits for a heartbeat. For cases in which nothing can be published, for the reason `why`. */
export async function byHeartbeat(probe: Probe, interval: number | undefined, why: string, cancel: AbortSignal): Promise<Finding> {
  if (!isFrequent(interval)) return skipped('buffering', `${why}; and heartbeats are too rare to measure with`)
  const began = performance.now()
  const seconds = (until: number) => ((until - began) / 1_000).toFixed(1)
  const deadline = began + interval + HEARTBEAT_TOLERANCE_MS
  for (;;) {
    const next = await probe.next(deadline)
    cancel.throwIfAborted()
    if (next.is === 'silence') return trouble('buffering', `no heartbeat for ${seconds(deadline)} s (${why})`)
    if (next.is === 'end') {
      return trouble('idle', `the stream was cut after ${seconds(performance.now())} s, before a heartbeat arrived (${why})`)
    }
    if (next.event.event === 'heartbeat') {
      return ok('buffering', `none: a heartbeat arrived after ${seconds(next.event.at)} of ${(interval / 1_000).toFixed(1)} s (${why})`)
    }
  }
}
