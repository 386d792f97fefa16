// Opens one stream through the proxies, and reads it with the time at which each event arrived. It never reconnects.
//
// Owns the connection, which ends with `close` or with the examination. Must never judge what arrives.

import {createParser} from 'eventsource-parser'
import {refusalOf, type Refusal, type StreamEvent} from '../lib/event-stream'
import {urlOf} from '../lib/server'

/** The stream of the test events, which are updates of an entity that no application has. */
export const PATH = '/realtime/stream?entities=tidings-doctor'

/** How long a head, or a first event, may take before it counts as buffered. */
export const FIRST_EVENT_TIMEOUT_MS = 5_000

/** The data of the event `connected`. */
export interface Connected {
  timestamp?: string
  connectionId: string
  authenticated: boolean
  authError?: string
  userId?: string
  heartbeatInterval?: number
  resumed?: boolean | null
}

/** The outcome of waiting: an event, nothing before the deadline, or the end of the stream. */
export type Next = {is: 'event'; event: StreamEvent} | {is: 'silence'} | {is: 'end'}

/** Why there is no stream. */
export class NoStream extends Error {
  readonly why: 'timeout' | 'refused' | 'unreachable'
  readonly refusal: Refusal | undefined

  constructor(why: NoStream['why'], message: string, refusal?: Refusal) {
    super(message)
    this.why = why
    this.refusal = refusal
  }
}

export interface RequestOptions {
  path?: string
  token?: string | undefined
  after?: string | undefined
  requestId?: string
}

export class Probe {
  readonly headers: Headers
  readonly openedAt: number
  readonly headAt: number
  /** When the last bytes arrived, including the head. */
  lastBytesAt: number

  readonly #connection: AbortController
  #waiting: StreamEvent[] = []
  #ended = false
  #wake: (() => void) | undefined

  private constructor(response: Response, openedAt: number, connection: AbortController) {
    this.headers = response.headers
    this.openedAt = openedAt
    this.headAt = this.lastBytesAt = performance.now()
    this.#connection = connection
    void this.#read(response.body)
  }

  /** Opens a stream. A 200 of any content type counts, because a proxy may have changed the type. */
  static async open({path = PATH, token, after, requestId}: RequestOptions, cancel: AbortSignal): Promise<Probe> {
    const connection = new AbortController()
    cancel.throwIfAborted()
    cancel.addEventListener('abort', () => connection.abort(), {once: true})
    const openedAt = performance.now()
    const headTimeout = setTimeout(() => connection.abort(), FIRST_EVENT_TIMEOUT_MS)
    try {
      const headers = {...headersFor(token), ...(after ? {'Last-Event-ID': after} : {}), ...(requestId ? {'X-Request-Id': requestId} : {})}
      const response = await fetch(urlOf(path), {headers, cache: 'no-store', signal: connection.signal})
      if (response.status !== 200) {
        const refusal = await refusalOf(response)
        const code = refusal.code ? `, ${refusal.code}` : ''
        throw new NoStream('refused', `${refusal.message} (${refusal.status}${code})`, refusal)
      }
      return new Probe(response, openedAt, connection)
    } catch (error) {
      cancel.throwIfAborted()
      if (error instanceof NoStream) throw error
      if (connection.signal.aborted) throw new NoStream('timeout', `no answer within ${FIRST_EVENT_TIMEOUT_MS / 1_000} s`)
      throw new NoStream('unreachable', 'the server can’t be reached')
    } finally {
      clearTimeout(headTimeout)
    }
  }

  /** Waits for the next event. The deadline is a time of `performance.now()`. */
  async next(deadline: number): Promise<Next> {
    for (;;) {
      const event = this.#waiting.shift()
      if (event) return {is: 'event', event}
      if (this.#ended) return {is: 'end'}
      const left = deadline - performance.now()
      if (left <= 0) return {is: 'silence'}
      await new Promise<void>((done) => {
        const timer = setTimeout(done, left)
        this.#wake = () => {
          clearTimeout(timer)
          done()
        }
      })
    }
  }

  /** Reads the event `connected`, by which a Tidings server is recognised. */
  async connected(): Promise<Connected | Next> {
    const next = await this.next(performance.now() + FIRST_EVENT_TIMEOUT_MS)
    if (next.is !== 'event' || next.event.event !== 'connected') return next
    const data = parsed(next.event.data) as Partial<Connected> | undefined
    return typeof data?.connectionId === 'string' ? (data as Connected) : next
  }

  close(): void {
    this.#connection.abort()
  }

  async #read(body: ReadableStream<Uint8Array> | null): Promise<void> {
    const parser = createParser({
      onEvent: ({event = 'message', id, data}) => this.#waiting.push({event, id, data, at: this.lastBytesAt}),
    })
    const text = new TextDecoder()
    try {
      const reader = body?.getReader()
      for (;;) {
        const piece = await reader?.read()
        if (!piece || piece.done) break
        this.lastBytesAt = performance.now()
        parser.feed(text.decode(piece.value, {stream: true}))
        this.#wake?.()
      }
    } catch {
      // The body was cut off: by the server, to make the client reconnect, or by a proxy.
    }
    this.#ended = true
    this.#wake?.()
  }
}

export function headersFor(token: string | undefined): Record<string, string> {
  return {Accept: 'text/event-stream', ...(token ? {Authorization: `Bearer ${token}`} : {})}
}

export function isEventStream(headers: Headers): boolean {
  return (headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() === 'text/event-stream'
}

export function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
