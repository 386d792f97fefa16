// One stream of the console: the choices, the state of the connection, and the events.
//
// Owns the list of events and the report on a resume. It outlives its view, so nothing is lost when another view is shown.

import {batch, computed, signal} from '@preact/signals'
import {EventStream, type State, type StreamEvent} from '../lib/event-stream'
import {identity} from '../lib/identity'
import {arrivedAt} from '../lib/latency'
import {make, urlOf} from '../lib/server'
import {STREAMS, pathOf, topicsOf, type StreamKind} from './streams'

export interface Row {
  key: number
  event: string
  id?: string | undefined
  data: string
  /** The time of day at which it arrived. */
  time: number
  /** Whether it had been missed and was replayed. */
  replayed: boolean
  /** The time from publish to arrival, if this page published it. */
  latency?: number
  /** A report on a resume, which is a line of its own between events. */
  note?: Resume
}

/** The report on a resume. */
export interface Resume {
  after: string
  replayed: number
  /** The ids that the log has but the stream did not show; `undefined` until they are compared. */
  missing?: string[]
  /** Why they can't be compared. */
  unchecked?: string
  reset?: boolean
}

/** The number of rows that are kept; older ones are dropped. */
const MAX_ROWS = 500

/** The time after which a dropped connection reconnects. */
export const AWAY_MS = 3_000

let rows = 0

export class Panel {
  readonly kind = signal<StreamKind>(STREAMS[0] as StreamKind)
  readonly value = signal('')
  readonly who = signal('')
  readonly state = signal<State>({is: 'closed'})
  readonly rows = signal<Row[]>([])
  readonly lastId = signal('')
  readonly latency = signal<number | undefined>(undefined)
  readonly connectTime = signal<number | undefined>(undefined)
  readonly reconnects = signal(0)
  readonly received = signal(0)
  readonly connectionId = signal('')
  readonly filter = signal('')
  readonly beats = signal(false)
  readonly paused = signal(false)
  /** The rows that arrived while the list was paused. */
  readonly held = signal<Row[]>([])
  /** When a dropped connection will reconnect. */
  readonly backAt = signal<number | undefined>(undefined)

  readonly isActive = computed(() => !['closed', 'failed'].includes(this.state.value.is))
  readonly shown = computed(() => {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean)
    return this.rows.value.filter((row) => {
      if (row.note) return true
      if (row.event === 'heartbeat' && !this.beats.value && this.kind.value.key !== 'heartbeat') return false
      const text = `${row.event} ${row.id ?? ''} ${row.data}`.toLowerCase()
      return words.every((word) => text.includes(word))
    })
  })

  #stream: EventStream | undefined
  #startedAt = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  /** The resume in progress: its row, and the time up to which events count as missed. */
  #resume: {row: Row; until: number; ids: Set<string>} | undefined
  #resumeAfter = ''

  constructor(who: string) {
    this.who.value = who
  }

  get path(): string {
    return pathOf(this.kind.value, this.value.value.trim())
  }

  connect(lastEventId = ''): void {
    this.disconnect()
    batch(() => {
      this.reconnects.value = 0
      this.latency.value = undefined
      this.lastId.value = lastEventId
    })
    const stream = new EventStream({
      url: urlOf(this.path),
      token: identity(this.who.value).token,
      lastEventId,
      onEvent: (event) => this.#take(event),
      onState: (state) => this.#become(state),
    })
    this.#stream = stream
    stream.open()
  }

  disconnect(): void {
    clearTimeout(this.#timer)
    this.backAt.value = undefined
    this.#stream?.close()
    this.#stream = undefined
    this.#resume = undefined
  }

  /** Cuts the connection as a broken network would, and resumes later after the last id. */
  dropAndResume(): void {
    if (!this.#stream) return
    this.#resumeAfter = this.#stream.lastEventId ?? ''
    this.#stream.drop()
    this.backAt.value = performance.now() + AWAY_MS
    this.#timer = setTimeout(() => this.resume(), AWAY_MS)
  }

  resume(): void {
    clearTimeout(this.#timer)
    this.backAt.value = undefined
    this.#stream?.resume()
  }

  clear(): void {
    batch(() => {
      this.rows.value = []
      this.held.value = []
    })
  }

  setPaused(paused: boolean): void {
    batch(() => {
      this.paused.value = paused
      if (paused) return
      this.rows.value = [...this.rows.value, ...this.held.value].slice(-MAX_ROWS)
      this.held.value = []
    })
  }

  #become(state: State): void {
    batch(() => {
      this.state.value = state
      if (state.is === 'connecting') {
        this.#startedAt = performance.now()
        this.#resumeAfter ||= (this.reconnects.value > 0 || this.received.value > 0 ? this.#stream?.lastEventId : '') ?? ''
      }
      if (state.is === 'open') {
        this.connectTime.value = performance.now() - this.#startedAt
        this.reconnects.value = this.#stream?.reconnects ?? 0
      }
    })
  }

  #take(event: StreamEvent): void {
    const row: Row = {
      key: (rows += 1),
      event: event.event,
      id: event.id,
      data: event.data,
      time: Date.now(),
      replayed: false,
    }
    batch(() => {
      this.received.value += 1
      this.lastId.value = this.#stream?.lastEventId ?? ''
      if (event.event === 'connected') this.#connected(event, row)
      else if (event.event === 'reset') this.#reset(row)
      else this.#count(event, row)
    })
  }

  #connected(event: StreamEvent, row: Row): void {
    const data = JSON.parse(event.data) as {connectionId: string; timestamp: string; resumed: boolean | null}
    this.connectionId.value = data.connectionId
    this.#add(row)
    const after = this.#resumeAfter
    this.#resumeAfter = ''
    if (!this.reconnects.value || !after || data.resumed === null) return
    const note: Row = {...row, key: (rows += 1), event: 'resume', id: undefined, note: {after, replayed: 0}}
    this.#add(note)
    this.#resume = {row: note, until: Date.parse(data.timestamp), ids: new Set()}
    void this.#compare(this.#resume, after)
  }

  #reset(row: Row): void {
    this.#add(row)
    const resume = this.#resume
    this.#resume = undefined
    if (resume) this.#tell(resume.row, {reset: true})
  }

  #count(event: StreamEvent, row: Row): void {
    const resume = this.#resume
    if (resume && event.id && Date.parse(stampOf(event.data)) <= resume.until) {
      row.replayed = true
      resume.ids.add(event.id)
      this.#add(row)
      this.#tell(resume.row, {replayed: resume.ids.size})
      return
    }
    this.#add(row)
    if (!event.id) return
    arrivedAt(event.id, event.at, (ms) => {
      batch(() => {
        this.latency.value = ms
        this.#change(row.key, (one) => ({...one, latency: ms}))
      })
    })
  }

  /** Compares the replayed events with those in the log. */
  async #compare(resume: {row: Row; until: number; ids: Set<string>}, after: string): Promise<void> {
    const who = identity(this.who.value)
    const topics = topicsOf(this.kind.value, who, this.value.value.trim())
    const latestOnly = this.kind.value.key === 'status'
    const expected = new Set<string>()
    try {
      for (const topic of topics) {
        const query = new URLSearchParams({topic, after, limit: '1000'})
        const answer = await make({method: 'GET', path: `/events?${query}`, token: who.token})
        if (answer.status !== 200) throw new Error(`the log answered ${answer.status}`)
        const page = answer.body as {events: {id: string; data: unknown}[]}
        for (const {id, data} of page.events) {
          if (Date.parse(stampOf(data)) <= resume.until) expected.add(id)
        }
      }
    } catch (error) {
      return this.#tell(resume.row, {unchecked: error instanceof Error ? error.message : 'the log did not answer'})
    }
    if (latestOnly) return this.#tell(resume.row, {unchecked: 'only the newest status of each service is promised'})
    // The replay may still be arriving.
    const deadline = performance.now() + 2_000
    const missing = () => [...expected].filter((id) => !resume.ids.has(id))
    while (missing().length > 0 && performance.now() < deadline) await new Promise((done) => setTimeout(done, 50))
    if (this.#resume === resume) this.#tell(resume.row, {missing: missing()})
  }

  #tell(row: Row, news: Partial<Resume>): void {
    this.#change(row.key, (one) => (one.note ? {...one, note: {...one.note, ...news}} : one))
  }

  #add(row: Row): void {
    const list = this.paused.value ? this.held : this.rows
    list.value = [...list.value, row].slice(-MAX_ROWS)
  }

  #change(key: number, change: (row: Row) => Row): void {
    for (const list of [this.rows, this.held]) {
      if (list.value.some((row) => row.key === key)) {
        list.value = list.value.map((row) => (row.key === key ? change(row) : row))
      }
    }
  }
}

/** Returns the server's time in the data of an event. */
function stampOf(data: unknown): string {
  try {
    const parsed = (typeof data === 'string' ? JSON.parse(data) : data) as {timestamp?: unknown}
    return typeof parsed.timestamp === 'string' ? parsed.timestamp : ''
  } catch {
    return ''
  }
}
