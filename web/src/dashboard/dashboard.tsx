// The view *Dashboard*: connections, deliveries, and the reasons why streams ended. Its data comes from an event stream.

import {signal} from '@preact/signals'
import {useEffect, useMemo} from 'preact/hooks'
import {bytes, count, plural, span} from '../lib/format'
import {identities, identity} from '../lib/identity'
import {adviceOn} from '../ui/answer'
import {IdentityChoice} from '../ui/identity'
import {Empty} from '../ui/parts'
import {Chart, type Line} from './chart'
import {Connections} from './connections'
import {Drain} from './drain'
import {Tail} from './tail'
import {p99, samples, state, stats, stop, sum, watch, type Stats} from './watch'

const who = signal('')

/** The colour of each kind of stream, which does not depend on the others that are open. */
const COLORS: Record<string, string> = {
  notifications: '--accent',
  'realtime-updates': '--blue',
  chat: '--violet',
  'system-status': '--warn',
  dashboard: '--faint',
}

export function Dashboard() {
  const key = who.value || (identities.value.find(({admin}) => admin)?.key ?? 'nobody')
  useEffect(() => {
    watch(key)
    return stop
  }, [key])
  const news = stats.value
  return (
    <>
      <div class="view-head">
        <h1>Dashboard</h1>
        <p class="lead">Who is connected, what flows, and why streams ended: told each second, over an event stream.</p>
        <div class="sub who">
          <IdentityChoice label="Watch as" value={key} onValue={(value) => (who.value = value)} />
        </div>
      </div>
      <Trouble />
      {news ? <Account news={news} token={identity(key).token} /> : state.value.is === 'open' && <Empty>Waiting for the first account …</Empty>}
    </>
  )
}

function Trouble() {
  const now = state.value
  if (now.is === 'failed') {
    return (
      <div class="trouble" role="alert">
        <p>
          <span class="chip bad">{now.refusal.status}</span> {now.refusal.code && <code>{now.refusal.code}</code>}{' '}
          {now.refusal.message}
        </p>
        <p class="advice">
          {now.refusal.code === 'forbidden' ? 'The dashboard is for the role admin: choose or paste such a token.' : adviceOn(now.refusal.code)}
        </p>
      </div>
    )
  }
  if (now.is === 'waiting') {
    return (
      <p class="trouble mild" role="status">
        {now.why}. Trying again in a moment; what is shown below was true before.
      </p>
    )
  }
  return null
}

function Account({news, token}: {news: Stats; token: string | undefined}) {
  const all = samples.value
  const last = all.at(-1)
  const times = useMemo(() => all.map(({at}) => at), [all])
  const kinds = [...new Set(all.flatMap(({byType}) => Object.keys(byType)))].filter((kind) => kind !== 'heartbeat').sort()
  const streams = useMemo<Line[]>(
    () =>
      kinds.map((kind) => ({
        label: kind,
        color: COLORS[kind] ?? '--ink',
        values: all.map(({byType}) => byType[kind] ?? 0),
      })),
    [all, kinds.join()],
  )
  const flow = useMemo<Line[]>(
    () => [
      {label: 'published', color: '--accent', values: all.map(({publishes}) => publishes)},
      {label: 'opened', color: '--good', values: all.map(({opens}) => opens)},
      {label: 'ended', color: '--bad', values: all.map(({ends}) => ends)},
    ],
    [all],
  )
  const deliveries = useMemo<Line[]>(
    () => [{label: 'delivered', color: '--accent', values: all.map(({deliveries}) => deliveries)}],
    [all],
  )
  const delay = useMemo(() => p99(all), [all])
  const perSecond = (value: number) => (value < 10 ? value.toFixed(1).replace('.0', '') : count(Math.round(value)))
  return (
    <div class="dashboard">
      <dl class="tiles">
        <Tile name="Connections" value={count(news.totalConnections)} note={`${count(news.authenticatedConnections)} with a user`} />
        <Tile name="Publishes per second" value={perSecond(last?.publishes ?? 0)} note={`${count(news.published)} in the log’s count`} />
        <Tile name="Deliveries per second" value={perSecond(last?.deliveries ?? 0)} note={`${count(news.deliveries)} live, since the start`} />
        <Tile name="Delay, p99" value={delay === undefined ? '–' : delay === null ? '> 10 s' : `≤ ${span(delay)}`} note="from the log to the write, last minute" />
        <Tile name="Opened per second" value={perSecond(last?.opens ?? 0)} note={`${count(news.totalOpened)} since the start`} />
        <Tile
          name="Streams behind"
          value={count(news.lag.streams)}
          note={news.lag.streams ? `at most ${bytes(news.lag.mostBytes)}` : 'nobody waits'}
          bad={news.lag.streams > 0}
        />
        <Tile name="Memory" value={news.memory === null ? '–' : bytes(news.memory)} note="resident" />
        <Tile name="Up for" value={span(news.uptime * 1_000)} note={`head ${news.head}`} />
      </dl>
      <div class="charts">
        <Chart title="Open streams" times={times} lines={streams} write={(value) => count(Math.round(value))} />
        <Chart title="Per second" times={times} lines={flow} write={perSecond} />
        <Chart title="Deliveries per second" times={times} lines={deliveries} write={perSecond} />
      </div>
      <Connections stats={news} token={token} />
      <div class="lower">
        <Reasons title="Why streams ended" counts={news.ended} none="None has ended yet." />
        <Reasons title="Refused and closed" counts={{...news.refused, ...news.closed}} none="Nobody was refused." />
        <Rooms news={news} />
      </div>
      <Drain stats={news} token={token} />
      <Tail as={who.value || (identities.value.find(({admin}) => admin)?.key ?? '')} />
    </div>
  )
}

function Tile({name, value, note, bad = false}: {name: string; value: string; note: string; bad?: boolean}) {
  return (
    <div class="card tile">
      <dt>{name}</dt>
      <dd>
        <span class={`figure ${bad ? 'bad-text' : ''}`}>{value}</span>
        <span class="hint">{note}</span>
      </dd>
    </div>
  )
}

/** Counts by reason, the most frequent first. Reasons with a count of 0 are listed too, to show what is counted. */
function Reasons({title, counts, none}: {title: string; counts: Record<string, number>; none: string}) {
  const all = sum(counts)
  const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a)
  const never = sorted.filter(([, number]) => number === 0).map(([reason]) => reason)
  return (
    <section class="card" aria-label={title}>
      <h2>{title}</h2>
      {all === 0 && <p class="faint">{none}</p>}
      <ul class="bars">
        {sorted
          .filter(([, number]) => number > 0)
          .map(([reason, number]) => (
            <li key={reason}>
              <span class="mono">{reason}</span>
              <span class="num">{count(number)}</span>
              <progress max={all} value={number} aria-label={`${reason}: ${number} of ${all}`} />
            </li>
          ))}
      </ul>
      {never.length > 0 && <p class="hint mono">0: {never.join(', ')}</p>}
    </section>
  )
}

function Rooms({news}: {news: Stats}) {
  return (
    <section class="card" aria-label="Chat rooms">
      <header class="panel-head">
        <h2>Chat rooms</h2>
        <span class="hint">{plural(news.roomsInUse, 'room')} in use</span>
      </header>
      {news.rooms.length === 0 && <p class="faint">No room has a member, or a stream of its own.</p>}
      <ul class="rooms">
        {news.rooms.map((room) => (
          <li key={room.room}>
            <p class="line spread">
              <strong>{room.room}</strong>
              <span class="hint">
                {plural(room.members, 'member')}, {plural(room.streams, 'stream')}
              </span>
            </p>
            <p class="members">
              {room.first.map((name, nth) => (
                <span key={nth} class="member">
                  {name}
                </span>
              ))}
              {room.members > room.first.length && <span class="faint">and {count(room.members - room.first.length)} more</span>}
            </p>
          </li>
        ))}
      </ul>
    </section>
  )
}
