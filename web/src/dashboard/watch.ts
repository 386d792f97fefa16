// What the server does, as its own event stream tells: the newest account and the last minutes.
//
// Owns that stream, which is open only while the dashboard is looked at: it costs the server something, and the browser
// one of its few connections.

import {batch, signal} from '@preact/signals'
import {EventStream, type State} from '../lib/event-stream'
import {identity} from '../lib/identity'
import {urlOf} from '../lib/server'

export interface Stats {
  timestamp: string
  uptime: number
  totalConnections: number
  authenticatedConnections: number
  connectionsByType: Record<string, number>
  totalOpened: number
  refused: Record<string, number>
  ended: Record<string, number>
  closed: Record<string, number>
  published: number
  deliveries: number
  head: string
  lag: {streams: number; mostBytes: number}
  memory: number | null
  rooms: {room: string; streams: number; members: number; first: string[]}[]
  roomsInUse: number
}

/** What is drawn of a second. */
export interface Sample {
  /** In seconds since 1970, by the server's clock. */
  at: number
  byType: Record<string, number>
  total: number
  memory: number | null
  /** Per second, since the sample before. */
  publishes: number
  deliveries: number
  opens: number
  ends: number
}

/** Five minutes. */
const KEPT = 300

export const state = signal<State>({is: 'closed'})
export const stats = signal<Stats | undefined>(undefined)
export const samples = signal<Sample[]>([])

let stream: EventStream | undefined

export function watch(key: string): void {
  stop()
  batch(() => {
    stats.value = undefined
    samples.value = []
  })
  stream = new EventStream({
    url: urlOf('/system/dashboard/stream'),
    token: identity(key).token,
    onState: (news) => (state.value = news),
    onEvent: ({event, data}) => {
      if (event === 'stats') take(JSON.parse(data) as Stats)
    },
  })
  stream.open()
}

export function stop(): void {
  stream?.close()
  stream = undefined
}

function take(news: Stats): void {
  const before = stats.value
  const at = Date.parse(news.timestamp) / 1_000
  const elapsed = before ? at - Date.parse(before.timestamp) / 1_000 : 0
  // After a restart everything is counted from nothing again.
  const rate = (now: number, then: number) => (elapsed > 0 && now >= then ? (now - then) / elapsed : 0)
  const sample: Sample = {
    at,
    byType: news.connectionsByType,
    total: news.totalConnections,
    memory: news.memory,
    publishes: before ? rate(news.published, before.published) : 0,
    deliveries: before ? rate(news.deliveries, before.deliveries) : 0,
    opens: before ? rate(news.totalOpened, before.totalOpened) : 0,
    ends: before ? rate(sum(news.ended), sum(before.ended)) : 0,
  }
  batch(() => {
    stats.value = news
    samples.value = [...samples.value, sample].slice(-KEPT)
  })
}

export const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((all, one) => all + one, 0)
