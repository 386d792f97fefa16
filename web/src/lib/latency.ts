// How long an event takes from the publish on this page to each stream on this page.
//
// Owns the matching by event id: either may come first, the answer to the publish or the event. Both ends are on one
// clock, so no other machine's time is believed.

type Told = (ms: number) => void

/** So many are remembered; older ones will not be matched any more. */
const KEPT = 256

const sent = new Map<string, number>()
const arrived = new Map<string, {at: number; tell: Told}[]>()

/** A publish that left at `at` became the event of this id. */
export function published(id: string, at: number): void {
  keep(sent, id, at)
  for (const one of arrived.get(id) ?? []) one.tell(one.at - at)
  arrived.delete(id)
}

/** The event of this id came at `at`; `tell` learns the latency, now, later or never. */
export function came(id: string, at: number, tell: Told): void {
  const left = sent.get(id)
  if (left === undefined) keep(arrived, id, [...(arrived.get(id) ?? []), {at, tell}])
  else tell(at - left)
}

function keep<Value>(map: Map<string, Value>, id: string, value: Value): void {
  map.set(id, value)
  const [oldest] = map.keys()
  if (map.size > KEPT && oldest !== undefined) map.delete(oldest)
}
