// Whether a reader that comes back gets exactly what it missed.

import {ok, problem, skipped, trouble, type Finding} from './finding'
import {FIRST_MS, NoStream, PATH, Probe, type Connected} from './probe'
import {Unpublished, type TestEvents} from './test-events'

/** How many events are published while nobody reads. */
export const MISSED = 3

/** How long to listen for what should not come again. */
const REPEATS_MS = 250

const HOLES =
  'Readers lose events when they come back, or see some twice. Where several servers stand behind the proxy, they must share one log, or each reader must come back to its own.'

/** Comes back after the event `last`, which it saw, and then some that it did not. */
export async function resume(testEvents: TestEvents, token: string, last: string, cancel: AbortSignal): Promise<Finding[]> {
  const findings: Finding[] = []
  try {
    const missed: string[] = []
    for (let nth = 0; nth < MISSED; nth += 1) missed.push(await testEvents.publish(cancel))
    let [probe, connected] = await open({token, after: last}, cancel)
    if (connected.resumed == null) {
      findings.push(trouble('last-event-id', 'Last-Event-ID was sent, and the server did not see one'))
      probe.close()
      // By the URL, to see whether the rest works.
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
  throw new NoStream('refused', 'the second stream did not begin as the first did')
}

/** The ids of the events that come, in order, with a moment more for repeats. */
async function read(probe: Probe, testEvents: TestEvents, expected: number, cancel: AbortSignal): Promise<string[]> {
  const came: string[] = []
  let deadline = performance.now() + FIRST_MS
  for (;;) {
    const next = await probe.next(deadline)
    cancel.throwIfAborted()
    if (next.is !== 'event') return came
    if (!next.event.id || !testEvents.knows(next.event)) continue
    came.push(next.event.id)
    if (came.length === expected) deadline = performance.now() + REPEATS_MS
  }
}

export function judge(missed: readonly string[], came: readonly string[]): Finding {
  const all = missed.length
  const some = missed.filter((id) => came.includes(id)).length
  if (missed.join() === came.join()) return ok('resume', `exactly the ${all} missed events came, in order`)
  const message = some < all ? `${some} of ${all} missed events came` : `${all} missed events came as ${came.length}, or out of order`
  return problem('resume', message, HOLES)
}
