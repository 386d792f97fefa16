// One event stream over `fetch`, followed until it is closed: what `EventSource` does, with headers, and with everything
// that happens on the way told.
//
// Owns the connection and the last id. Parsing is the package's. Must never judge what an event means, but for the few
// that the contract gives to the connection itself.

import {createParser} from 'eventsource-parser'

export interface StreamEvent {
  event: string
  /** The `id:` line; absent where there was none. */
  id?: string | undefined
  data: string
  /** When it arrived, on the clock of `performance`. */
  at: number
}

/** What the server answered instead of a stream. */
export interface Refusal {
  status: number
  code?: string
  message: string
}

export type State =
  | {is: 'closed'}
  | {is: 'connecting'}
  | {is: 'open'; since: number}
  /** It will try again by itself. */
  | {is: 'waiting'; until: number; why: string}
  /** Cut on purpose; `resume` goes on. */
  | {is: 'dropped'}
  /** It will not try again by itself. */
  | {is: 'failed'; refusal: Refusal}

export interface Options {
  url: string
  token?: string | undefined
  /** Where to go on; `earliest` for all that is kept. */
  lastEventId?: string | undefined
  onEvent: (event: StreamEvent) => void
  onState: (state: State) => void
  fetch?: typeof fetch
}

const FIRST_RETRY_MS = 3_000
const LONGEST_RETRY_MS = 15_000

/** The statuses that pass; every other refusal is for good. */
const PASSING = [429, 502, 503, 504]

/** Without a byte for so many heartbeats, the other end is gone. */
const SILENT_BEATS = 3

export class EventStream {
  lastEventId: string | undefined
  /** Connections that were opened after the first. */
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

  /** Cuts the connection as a broken network would, and stays away until `resume`. */
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
    /** Whether somebody else decides by now. */
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
        if (!PASSING.includes(response.status)) return this.#fail(refusal)
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

  /** Reads until the end. Returns a refusal if the server said not to come back. */
  async #read(body: ReadableStream<Uint8Array>, over: () => boolean): Promise<Refusal | undefined> {
    let goodbye: Refusal | undefined
    const parser = createParser({
      onEvent: (event) => {
        if (over()) return
        if (event.id !== undefined) this.lastEventId = event.id
        const name = event.event ?? 'message'
        const told = ['connected', 'expired', 'revoked', 'slow', 'draining', 'busy'].includes(name)
          ? (JSON.parse(event.data) as {heartbeatInterval?: number; reconnect?: boolean; reason?: string})
          : {}
        if (told.heartbeatInterval) this.#silence = told.heartbeatInterval * SILENT_BEATS
        if (told.reconnect === false) {
          goodbye = {status: 200, code: name, message: `The server ended this stream for good: ${told.reason ?? name}`}
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
        if (done || over()) return goodbye
        parser.feed(text.decode(value, {stream: true}))
      }
    } catch {
      return goodbye // cut rather than finished: that is how the server says "come back"
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

/** Reads what a server, or whatever stands before it, answered instead of a stream. */
export async function refusalOf(response: Response): Promise<Refusal> {
  const fallback = `${response.status} ${response.statusText}`.trim()
  try {
    const body = (await response.json()) as {message?: string; code?: string}
    return {status: response.status, ...(body.code ? {code: body.code} : {}), message: body.message ?? fallback}
  } catch {
    return {status: response.status, message: fallback}
  }
}
