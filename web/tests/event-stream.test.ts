// The event stream client against answers that are written by hand, byte by byte, on a clock of the test's.

import {afterEach, beforeEach, expect, test, vi} from 'vitest'
import {EventStream, type State, type StreamEvent} from '../src/lib/event-stream'

/** A connection that the test feeds. */
interface Wire {
  headers: Headers
  send: (text: string | Uint8Array) => Promise<void>
  finish: () => Promise<void>
  cut: () => Promise<void>
  aborted: () => boolean
}

const CONNECTED = 'event: connected\nretry: 2000\ndata: {"heartbeatInterval":10000,"retry":2000}\nid: a-1\n\n'

let wires: Wire[]
let events: StreamEvent[]
let states: State[]

beforeEach(() => {
  vi.useFakeTimers()
  wires = []
  events = []
  states = []
})
afterEach(() => vi.useRealTimers())

const settle = () => vi.advanceTimersByTimeAsync(0)
const words = () => states.map(({is}) => is)

/** A stream whose first answer is `first`; later ones are streams. */
function follow(options: {lastEventId?: string; token?: string; first?: Response} = {}): EventStream {
  let {first} = options
  const stream = new EventStream({
    url: 'http://server/stream',
    token: options.token,
    lastEventId: options.lastEventId,
    onEvent: (event) => events.push(event),
    onState: (state) => states.push(state),
    fetch: async (_url, init) => {
      const answer = first
      first = undefined
      return answer ?? wire(init)
    },
  })
  stream.open()
  return stream
}

function wire(init: RequestInit | undefined): Response {
  let controller!: ReadableStreamDefaultController<Uint8Array>
  const body = new ReadableStream<Uint8Array>({start: (given) => void (controller = given)})
  init?.signal?.addEventListener('abort', () => controller.error(new DOMException('aborted', 'AbortError')))
  const encoder = new TextEncoder()
  wires.push({
    headers: new Headers(init?.headers),
    send: async (text) => {
      controller.enqueue(typeof text === 'string' ? encoder.encode(text) : text)
      await settle()
    },
    finish: async () => {
      controller.close()
      await settle()
    },
    cut: async () => {
      controller.error(new TypeError('network error'))
      await settle()
    },
    aborted: () => init?.signal?.aborted ?? false,
  })
  return new Response(body, {headers: {'content-type': 'text/event-stream'}})
}

/** The connection of that number. */
const at = (nth: number): Wire => wires[nth] as Wire

test('the first request carries the token and the cursor, and the id only if there is one', async () => {
  follow({token: 'secret', lastEventId: 'a-7'})
  follow()
  await settle()
  expect(at(0).headers.get('authorization')).toBe('Bearer secret')
  expect(at(0).headers.get('last-event-id')).toBe('a-7')
  expect(at(1).headers.has('last-event-id')).toBe(false)
  expect(at(1).headers.get('accept')).toBe('text/event-stream')
})

test('events arrive whole however the bytes are cut', async () => {
  follow()
  await settle()
  const bytes = new TextEncoder().encode(`${CONNECTED}event: notification\nid: a-2\ndata: {"title":"grüße 📣"}\n\n`)
  for (const byte of bytes) await at(0).send(Uint8Array.of(byte))
  expect(events.map(({event, id}) => [event, id])).toEqual([
    ['connected', 'a-1'],
    ['notification', 'a-2'],
  ])
  expect(JSON.parse(events[1]?.data ?? '')).toEqual({title: 'grüße 📣'})
})

test('an event without an id changes nothing of where one stands', async () => {
  const stream = follow()
  await settle()
  await at(0).send(`${CONNECTED}event: heartbeat\ndata: {}\n\n`)
  expect([events[1]?.id, stream.lastEventId]).toEqual([undefined, 'a-1'])
})

test('a cut connection comes back after the server’s retry, by the last id', async () => {
  const stream = follow()
  await settle()
  await at(0).send(`${CONNECTED}event: notification\nid: a-2\ndata: {}\n\n`)
  await at(0).cut()
  expect(words()).toEqual(['connecting', 'open', 'waiting'])
  await vi.advanceTimersByTimeAsync(1_999)
  expect(wires).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(at(1).headers.get('last-event-id')).toBe('a-2')
  expect(stream.reconnects).toBe(1)
})

test('a finished body is a break like any other, unless the server said not to come back', async () => {
  follow()
  await settle()
  await at(0).send(CONNECTED)
  await at(0).finish()
  expect(words().at(-1)).toBe('waiting')
  await vi.advanceTimersByTimeAsync(2_000)
  await at(1).send('event: expired\ndata: {"reason":"expired","reconnect":false}\n\n')
  await at(1).finish()
  expect(states.at(-1)).toMatchObject({is: 'failed', refusal: {status: 200, code: 'expired'}})
  await vi.advanceTimersByTimeAsync(60_000)
  expect(wires).toHaveLength(2)
})

test('a lasting refusal is told and not repeated', async () => {
  const refusal = {statusCode: 401, error: 'Unauthorized', message: 'Authentication token is required', code: 'token_missing'}
  follow({first: Response.json(refusal, {status: 401})})
  await settle()
  expect(states.at(-1)).toEqual({
    is: 'failed',
    refusal: {status: 401, code: 'token_missing', message: 'Authentication token is required'},
  })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(wires).toHaveLength(0)
})

test('a passing refusal is repeated when the server says', async () => {
  follow({first: Response.json({message: 'full'}, {status: 503, headers: {'retry-after': '5'}})})
  await settle()
  expect(states.at(-1)).toMatchObject({is: 'waiting', why: 'full'})
  await vi.advanceTimersByTimeAsync(5_000)
  expect(words().at(-1)).toBe('open')
})

test('three heartbeats of silence are the end of a connection', async () => {
  follow()
  await settle()
  await at(0).send(CONNECTED)
  await vi.advanceTimersByTimeAsync(29_999)
  expect(words().at(-1)).toBe('open')
  await vi.advanceTimersByTimeAsync(1)
  expect(states.at(-1)).toMatchObject({is: 'waiting', why: 'No heartbeat came'})
  expect(at(0).aborted()).toBe(true)
})

test('a dropped connection stays away until it is resumed, by its last id', async () => {
  const stream = follow()
  await settle()
  await at(0).send(CONNECTED)
  stream.drop()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(wires).toHaveLength(1)
  expect(words().at(-1)).toBe('dropped')
  stream.resume()
  await settle()
  expect(at(1).headers.get('last-event-id')).toBe('a-1')
})

test('a closed stream says nothing more, whatever was on its way', async () => {
  const stream = follow()
  await settle()
  await at(0).send(CONNECTED)
  stream.close()
  await settle()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(events).toHaveLength(1)
  expect(words().at(-1)).toBe('closed')
  expect(wires).toHaveLength(1)
})
