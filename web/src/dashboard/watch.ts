// The data of the dashboard from the server's event stream: the newest statistics, and those of the last minutes.
//
// Owns that stream, which is open only while the dashboard is shown, because it takes resources of the server and one of the
// browser's few connections.

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
  delays: Delays
  head: string
  lag: {streams: number; mostBytes: number}
  memory: number | null
  rooms: {room: string; streams: number; members: number; first: string[]}[]
  roomsInUse: number
}

/** The number of writes whose delay was at most `bound` milliseconds and longer than the previous bound; the last has no bound. */
export type Delays = [bound: number | null, count: number][]

/** The values of one second in the charts. */
export interface Sample {
  /** Seconds since 1970, from the server's clock. */
  at: number
  byType: Record<string, number>
  total: number
  memory: number | null
  delays: Delays
  /** Per second, since the previous sample. */
  publishes: number
  deliveries: number
  opens: number
  ends: number
}

/** Five minutes. */
const MAX_SAMPLES = 300

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
  // After a restart, all counts begin at 0.
  const rate = (now: number, then: number) => (elapsed > 0 && now >= then ? (now - then) / elapsed : 0)
  const sample: Sample = {
    at,
    byType: news.connectionsByType,
    total: news.totalConnections,
    memory: news.memory,
    delays: news.delays,
    publishes: before ? rate(news.published, before.published) : 0,
    deliveries: before ? rate(news.deliveries, before.deliveries) : 0,
    opens: before ? rate(news.totalOpened, before.totalOpened) : 0,
    ends: before ? rate(sum(news.ended), sum(before.ended)) : 0,
  }
  batch(() => {
    stats.value = news
    samples.value = [...samples.value, sample].slice(-MAX_SAMPLES)
  })
}

/** Returns the smallest bound that 99 of 100 delays of the last minute did not exceed; nothing without delays, `null` above all bounds. */
export function p99(all: Sample[]): number | null | undefined {
  const now = all.at(-1)?.delays ?? []
  const then = all.at(-60)?.delays ?? all[0]?.delays ?? []
  const counts = now.map(([bound, count], nth) => [bound, Math.max(0, count - (then[nth]?.[1] ?? 0))] as const)
  const total = counts.reduce((sum, [, count]) => sum + count, 0)
  let seen = 0
  return counts.find(([, count]) => count > 0 && (seen += count) >= total * 0.99)?.[0]
}

export const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((all, one) => all + one, 0)
