// Whether events come one by one, as they were published, or are held back.

import {ok, skipped, trouble, warning, type Finding} from './finding'
import type {Probe} from './probe'
import type {TestEvents} from './test-events'

/** How many events are published. */
export const EVENTS = 5

/** How far apart. What comes later than this came after its successor was published: held back, not just slow. */
const SPACING_MS = 500

/** How long the last may take. */
const LAST_MS = 3_000

/** A delay that a reader notices. */
const NOTICED_MS = 250

/** How much later than promised a heartbeat may come. */
const LATE_HEARTBEAT_MS = 2_000

/** A heartbeat that comes more rarely is not waited for. */
const LONGEST_HEARTBEAT_MS = 60_000

/**
 * Publishes events one by one. The stream is read meanwhile, by itself; so each event bears the time at which it came.
 * Returns what was found, and the id of the last event that came.
 */
export async function byEvents(probe: Probe, testEvents: TestEvents, cancel: AbortSignal, tell: (nth: number) => void): Promise<[Finding, string | undefined]> {
  const published: {id: string; at: number}[] = []
  const start = performance.now()
  for (let nth = 0; nth < EVENTS; nth += 1) {
    await pause(start + SPACING_MS * nth - performance.now(), cancel)
    tell(nth + 1)
    published.push({id: await testEvents.publish(cancel), at: performance.now()})
  }
  const came = new Map<string, number>()
  const deadline = performance.now() + LAST_MS
  while (came.size < EVENTS) {
    const next = await probe.next(deadline)
    cancel.throwIfAborted()
    if (next.is !== 'event') break
    if (next.event.id && testEvents.knows(next.event)) came.set(next.event.id, next.event.at)
  }
  const delays = published.map(({id, at}) => {
    const arrived = came.get(id)
    return arrived === undefined ? undefined : Math.max(arrived - at, 0)
  })
  return [judge(delays), [...came.keys()].at(-1)]
}

async function pause(ms: number, cancel: AbortSignal): Promise<void> {
  if (ms > 0) await new Promise((done) => setTimeout(done, ms))
  cancel.throwIfAborted()
}

/** The delay of each event behind the answer to its publisher in milliseconds, `undefined` where it did not come. */
export function judge(delays: readonly (number | undefined)[]): Finding {
  const all = delays.length
  const arrived = delays.filter((delay) => delay !== undefined)
  const lost = all - arrived.length
  const held = arrived.filter((delay) => delay > SPACING_MS).length
  const longest = Math.max(0, ...arrived)
  const apart = `${all} events, ${SPACING_MS} ms apart,`
  if (lost > 0) return trouble('buffering', `${lost} of ${apart} had not come ${LAST_MS / 1_000} s later`)
  if (held > 1) return trouble('buffering', `${held} of ${apart} came in clumps, up to ${longest.toFixed(0)} ms late`)
  if (longest > NOTICED_MS) {
    const message = `${all} events came one by one, but up to ${longest.toFixed(0)} ms late`
    return warning('buffering', message, 'The way is slow or busy; nothing seems to hold events back.')
  }
  return ok('buffering', `none: ${apart} came at most ${longest.toFixed(1)} ms late`)
}

/** Whether a heartbeat is waited for where nothing can be published. In milliseconds. */
export function isWaitedFor(interval: number | undefined): interval is number {
  return interval !== undefined && interval > 0 && interval <= LONGEST_HEARTBEAT_MS
}

/** Waits for a heartbeat, where nothing can be published. */
export async function byHeartbeat(probe: Probe, interval: number | undefined, why: string, cancel: AbortSignal): Promise<Finding> {
  if (!isWaitedFor(interval)) return skipped('buffering', `${why}; and heartbeats are too rare to measure by`)
  const began = performance.now()
  const seconds = (until: number) => ((until - began) / 1_000).toFixed(1)
  const deadline = began + interval + LATE_HEARTBEAT_MS
  for (;;) {
    const next = await probe.next(deadline)
    cancel.throwIfAborted()
    if (next.is === 'silence') return trouble('buffering', `no heartbeat for ${seconds(deadline)} s (${why})`)
    if (next.is === 'end') {
      return trouble('idle', `the stream was cut after ${seconds(performance.now())} s, before a heartbeat came (${why})`)
    }
    if (next.event.event === 'heartbeat') {
      return ok('buffering', `none: a heartbeat came after ${seconds(next.event.at)} s of ${(interval / 1_000).toFixed(1)} (${why})`)
    }
  }
}
