// Measures how long an event takes from the publish on this page to each stream on this page.
//
// Owns the matching by event id: the answer to the publish and the event may arrive in either order. Both times are from the
// same clock, so the clocks of other machines do not matter.

type Told = (ms: number) => void

/** The number of publishes and of events that are remembered; older ones can't be matched. */
const KEPT = 256

const sent = new Map<string, number>()
const arrived = new Map<string, {at: number; tell: Told}[]>()

/** Records that the publish that was sent at `at` became the event with this id. */
export function published(id: string, at: number): void {
  keep(sent, id, at)
  for (const one of arrived.get(id) ?? []) one.tell(one.at - at)
  arrived.delete(id)
}

/** Records that the event with this id arrived at `at`. Calls `tell` with the latency when it is known, if ever. */
export function arrivedAt(id: string, at: number, tell: Told): void {
  const left = sent.get(id)
  if (left === undefined) keep(arrived, id, [...(arrived.get(id) ?? []), {at, tell}])
  else tell(at - left)
}

function keep<Value>(map: Map<string, Value>, id: string, value: Value): void {
  map.set(id, value)
  const [oldest] = map.keys()
  if (map.size > KEPT && oldest !== undefined) map.delete(oldest)
}
