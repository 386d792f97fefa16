// Checks whether a reader that reconnects receives exactly the events that it missed.

import {ok, problem, skipped, trouble, type Finding} from './finding'
import {FIRST_EVENT_TIMEOUT_MS, NoStream, PATH, Probe, type Connected} from './probe'
import {Unpublished, type TestEvents} from './test-events'

/** The number of events that are published while no stream is open. */
export const MISSED = 3

/** How long to wait, after the missed events, for events that are delivered twice. */
const REPETITION_WAIT_MS = 250

const LOSS_MEANING =
  'Readers lose events when they reconnect, or see some twice. If there are several servers behind the proxy, they must share one log, or each reader must reconnect to the server that it had before.'

/** Publishes events, then opens the stream after the event `last`, and expects exactly the new events. */
export async function resume(testEvents: TestEvents, token: string, last: string, cancel: AbortSignal): Promise<Finding[]> {
  const findings: Finding[] = []
  try {
    const missed: string[] = []
    for (let nth = 0; nth < MISSED; nth += 1) missed.push(await testEvents.publish(cancel))
    let [probe, connected] = await open({token, after: last}, cancel)
    if (connected.resumed == null) {
      findings.push(trouble('last-event-id', 'Last-Event-ID was sent, but did not reach the server'))
      probe.close()
      // Sends the id in the URL, to see whether the rest works.
      ;[probe, connected] = await open({token, path: `${PATH}&lastEventId=${encodeURIComponent(last)}`}, cancel)
    } else {
      findings.push(ok('last-event-id', 'it arrived'))
    }
    findings.push(judge(missed, await read(probe, testEvents, missed.length, cancel)))
    probe.close()
  } catch (error) {
    if (!(error instanceof Unpublished || error instanceof NoStream)) throw error
    findings.push(skipped('resume', error.message))
  }
  return findings
}

async function open(asked: {token: string; after?: string; path?: string}, cancel: AbortSignal): Promise<[Probe, Connected]> {
  const probe = await Probe.open(asked, cancel)
  const connected = await probe.connected()
  cancel.throwIfAborted()
  if ('connectionId' in connected) return [probe, connected]
  probe.close()
  throw new NoStream('refused', 'the stream did not begin with `connected`')
}

/** Returns the ids of the events that arrive, in order, and waits a moment longer for repetitions. */
async function read(probe: Probe, testEvents: TestEvents, expected: number, cancel: AbortSignal): Promise<string[]> {
  const arrived: string[] = []
  let deadline = performance.now() + FIRST_EVENT_TIMEOUT_MS
  for (;;) {
    const next = await probe.next(deadline)
    cancel.throwIfAborted()
    if (next.is !== 'event') return arrived
    if (!next.event.id || !testEvents.contain(next.event)) continue
    arrived.push(next.event.id)
    if (arrived.length === expected) deadline = performance.now() + REPETITION_WAIT_MS
  }
}

export function judge(missed: readonly string[], arrived: readonly string[]): Finding {
  const all = missed.length
  const some = missed.filter((id) => arrived.includes(id)).length
  if (missed.join() === arrived.join()) return ok('resume', `exactly the ${all} missed events arrived, in order`)
  const message =
    some < all ? `${some} of ${all} missed events arrived` : `after ${all} missed events, ${arrived.length} arrived, or they were out of order`
  return problem('resume', message, LOSS_MEANING)
}
