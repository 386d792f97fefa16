// Follows one event stream over `fetch` until it is closed. Does what `EventSource` does, can send headers, and reports every
// change of its state.
//
// Owns the connection and the last id; a package does the parsing. Must never interpret events, except the few that are about the
// connection itself.

import {createParser} from 'eventsource-parser'

export interface StreamEvent {
  event: string
  /** The `id:` line, if there was one. */
  id?: string | undefined
  data: string
  /** The time of arrival, from `performance.now()`. */
  at: number
}

/** The answer of a server that did not open a stream. */
export interface Refusal {
  status: number
  code?: string
  message: string
}

export type State =
  | {is: 'closed'}
  | {is: 'connecting'}
  | {is: 'open'; since: number}
  /** It will reconnect by itself. */
  | {is: 'waiting'; until: number; why: string}
  /** The connection was cut on purpose; `resume` reconnects. */
  | {is: 'dropped'}
  /** It will not reconnect by itself. */
  | {is: 'failed'; refusal: Refusal}

export interface Options {
  url: string
  token?: string | undefined
  /** The id after which to resume, or `earliest` for all stored events. */
  lastEventId?: string | undefined
  onEvent: (event: StreamEvent) => void
  onState: (state: State) => void
  fetch?: typeof fetch
}

const FIRST_RETRY_MS = 3_000
const LONGEST_RETRY_MS = 15_000

/** The statuses of temporary refusals; after every other one, the stream does not reconnect. */
const TEMPORARY = [429, 502, 503, 504]

/** The number of missing heartbeats after which the connection counts as dead. */
const MISSED_HEARTBEATS = 3

export class EventStream {
  lastEventId: string | undefined
  /** The number of connections after the first. */
  reconnects = 0
  state: State = {is: 'closed'}

  readonly #options: Options
  #retry = FIRST_RETRY_MS
  #failures = 0
  #opened = 0
  #silence = 0
  #current: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #watchdog: ReturnType<typeof setTimeout> | undefined

  constructor(options: Options) {
    this.#options = options
    this.lastEventId = options.lastEventId || undefined
  }

  open(): void {
    this.#stop()
    void this.#connect()
  }

  /** Cuts the connection as a broken network would, and reconnects only when `resume` is called. */
  drop(): void {
    this.#stop()
    this.#become({is: 'dropped'})
  }

  resume(): void {
    this.open()
  }

  close(): void {
    this.#stop()
    this.#become({is: 'closed'})
  }

  #stop(): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#watchdog)
    const current = this.#current
    this.#current = undefined
    current?.abort()
  }

  #become(state: State): void {
    this.state = state
    this.#options.onState(state)
  }

  async #connect(): Promise<void> {
    const connection = new AbortController()
    this.#current = connection
    /** Whether another connection has replaced this one. */
    const over = () => this.#current !== connection
    this.#become({is: 'connecting'})
    let why = 'The connection broke'
    try {
      const response = await (this.#options.fetch ?? fetch)(this.#options.url, {
        headers: {
          Accept: 'text/event-stream',
          ...(this.#options.token ? {Authorization: `Bearer ${this.#options.token}`} : {}),
          ...(this.lastEventId ? {'Last-Event-ID': this.lastEventId} : {}),
        },
        cache: 'no-store',
        signal: connection.signal,
      })
      if (over()) return
      if (!response.ok || !response.body) {
        const refusal = await refusalOf(response)
        if (over()) return
        if (!TEMPORARY.includes(response.status)) return this.#fail(refusal)
        why = refusal.message
        this.#retry = Number(response.headers.get('retry-after')) * 1_000 || this.#retry
      } else {
        this.#failures = 0
        this.#opened += 1
        this.reconnects = this.#opened - 1
        this.#become({is: 'open', since: performance.now()})
        const last = await this.#read(response.body, over)
        if (over()) return
        if (last) return this.#fail(last)
        this.#failures = 0
      }
    } catch {
      if (over()) return
    }
    this.#wait(why)
  }

  /** Reads the stream to its end. Returns a refusal if the server said not to reconnect. */
  async #read(body: ReadableStream<Uint8Array>, over: () => boolean): Promise<Refusal | undefined> {
    let ending: Refusal | undefined
    const parser = createParser({
      onEvent: (event) => {
        if (over()) return
        if (event.id !== undefined) this.lastEventId = event.id
        const name = event.event ?? 'message'
        const data = ['connected', 'expired', 'revoked', 'slow', 'draining', 'busy'].includes(name)
          ? (JSON.parse(event.data) as {heartbeatInterval?: number; reconnect?: boolean; reason?: string})
          : {}
        if (data.heartbeatInterval) this.#silence = data.heartbeatInterval * MISSED_HEARTBEATS
        if (data.reconnect === false) {
          ending = {status: 200, code: name, message: `The server ended this stream for good: ${data.reason ?? name}`}
        }
        this.#options.onEvent({event: name, id: event.id, data: event.data, at: performance.now()})
      },
      onRetry: (milliseconds) => {
        this.#retry = milliseconds
      },
    })
    const text = new TextDecoder()
    const reader = body.getReader()
    try {
      for (;;) {
        this.#watch()
        const {done, value} = await reader.read()
        if (done || over()) return ending
        parser.feed(text.decode(value, {stream: true}))
      }
    } catch {
      return ending // the body was cut off, so that clients reconnect
    } finally {
      clearTimeout(this.#watchdog)
    }
  }

  #watch(): void {
    clearTimeout(this.#watchdog)
    if (this.#silence === 0) return
    const current = this.#current
    this.#watchdog = setTimeout(() => {
      if (this.#current !== current) return
      this.#stop()
      this.#wait('No heartbeat came')
    }, this.#silence)
  }

  #wait(why: string): void {
    const delay = Math.min(this.#retry * 1.5 ** this.#failures, Math.max(this.#retry, LONGEST_RETRY_MS))
    this.#failures += 1
    this.#become({is: 'waiting', until: performance.now() + delay, why})
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#connect(), delay)
  }

  #fail(refusal: Refusal): void {
    this.#stop()
    this.#become({is: 'failed', refusal})
  }
}

/** Reads the answer of a server, or of a proxy in front of it, that did not open a stream. */
export async function refusalOf(response: Response): Promise<Refusal> {
  const fallback = `${response.status} ${response.statusText}`.trim()
  try {
    const body = (await response.json()) as {message?: string; code?: string}
    return {status: response.status, ...(body.code ? {code: body.code} : {}), message: body.message ?? fallback}
  } catch {
    return {status: response.status, message: fallback}
  }
}
