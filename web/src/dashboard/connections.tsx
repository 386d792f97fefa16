// The table of open streams: filtered by user or topic, page by page, each with a button that ends it.
//
// It is read again when the stream of the dashboard reports that streams opened or ended, never by a timer.

import {useEffect, useRef, useState} from 'preact/hooks'
import {bytes, count, plural, span} from '../lib/format'
import {make, type Answer} from '../lib/server'
import {AnswerView} from '../ui/answer'
import {Choice, Empty} from '../ui/parts'
import {sum, type Stats} from './watch'

interface Connection {
  id: string
  userId?: string
  address?: string
  connectedAt: string
  lastActivity: string
  subscriptions: string[]
  topics: string[]
  lastEventId: string
  /** `null` while it is behind. */
  lagBytes: number | null
}

interface Page {
  connections: Connection[]
  next?: string
}

const SIZE = 25

/** The shortest time between two updates of the table, however many streams open and end. */
const REST_MS = 1_500

function pathOf(by: string, text: string, cursor: string): string {
  const query = new URLSearchParams({limit: String(SIZE)})
  if (text.trim()) query.set(by, text.trim())
  if (cursor) query.set('cursor', cursor)
  return `/system/connections?${query}`
}

export function Connections({stats, token}: {stats: Stats; token: string | undefined}) {
  const [by, setBy] = useState('userId')
  const [text, setText] = useState('')
  /** The cursors at which the pages up to this one begin. */
  const [cursors, setCursors] = useState<string[]>([''])
  const [page, setPage] = useState<Page>()
  const [refused, setRefused] = useState<Answer>()
  const readAt = useRef(0)
  const reading = useRef<AbortController | undefined>(undefined)
  const cursor = cursors.at(-1) ?? ''
  const changes = stats.totalOpened + sum(stats.ended)

  // The current filter: a delayed read must not use the filter of the time at which it was requested.
  const wanted = useRef({path: '', token})
  wanted.current = {path: pathOf(by, text, cursor), token}

  const read = async () => {
    reading.current?.abort() // an older question's answer must not come last
    const abort = new AbortController()
    reading.current = abort
    readAt.current = performance.now()
    const {path, token} = wanted.current
    try {
      const answer = await make({method: 'GET', path, token}, abort.signal)
      if (abort.signal.aborted) return
      setRefused(answer.status === 200 ? undefined : answer)
      if (answer.status === 200) setPage(answer.body as Page)
    } catch {
      // The stream of the dashboard shows that the server is gone.
    }
  }

  useEffect(() => {
    const rest = Math.max(0, readAt.current + REST_MS - performance.now())
    const timer = setTimeout(() => void read(), rest)
    return () => clearTimeout(timer)
  }, [changes])
  useEffect(() => {
    const timer = setTimeout(() => void read(), 200)
    return () => clearTimeout(timer)
  }, [by, text, cursor, token])
  useEffect(() => () => reading.current?.abort(), [])

  const end = async (id: string) => {
    const answer = await make({method: 'DELETE', path: `/system/connections/${id}`, token})
    // 404: the stream has ended meanwhile, which was the intention.
    setRefused(answer.status === 200 || answer.status === 404 ? undefined : answer)
    await read()
  }

  const now = Date.parse(stats.timestamp)
  const rows = page?.connections ?? []
  return (
    <section class="card" aria-label="Connections">
      <header class="panel-head">
        <h2>Connections</h2>
        <span class="hint">{plural(stats.totalConnections, 'stream')} open</span>
      </header>
      <div class="row find">
        <Choice
          label="Find by"
          value={by}
          options={[
            {value: 'userId', label: 'User'},
            {value: 'topic', label: 'Topic'},
          ]}
          onValue={(value) => {
            setBy(value)
            setCursors([''])
          }}
        />
        <div class="field">
          <label for="find-connection">{by === 'userId' ? 'User' : 'Topic'}</label>
          <input
            id="find-connection"
            type="search"
            value={text}
            placeholder={by === 'userId' ? 'the whole id' : 'notifications, chat/room/general, …'}
            onInput={(event) => {
              setText(event.currentTarget.value)
              setCursors([''])
            }}
          />
        </div>
        <button type="button" disabled={cursors.length === 1} onClick={() => setCursors(cursors.slice(0, -1))}>
          Back
        </button>
        <button type="button" disabled={!page?.next} onClick={() => page?.next && setCursors([...cursors, page.next])}>
          Next
        </button>
      </div>
      {refused && <AnswerView answer={refused} />}
      <div class="scroll" tabIndex={0} role="region" aria-label="Table of connections">
        <table>
          <thead>
            <tr>
              <th scope="col">User</th>
              <th scope="col">Stream</th>
              <th scope="col">Topics</th>
              <th scope="col">Age</th>
              <th scope="col">Quiet for</th>
              <th scope="col">Address</th>
              <th scope="col">Behind</th>
              <th scope="col">Last id</th>
              <th scope="col">
                <span class="unseen">What to do</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((one) => (
              <tr key={one.id} data-connection={one.id} data-user={one.userId ?? ''}>
                <td>{one.userId ?? <span class="faint">anonymous</span>}</td>
                <td>{one.subscriptions[0]}</td>
                <td class="mono topics">{one.topics.join(' ') || '–'}</td>
                <td class="num">{span(Math.max(0, now - Date.parse(one.connectedAt)))}</td>
                <td class="num">{span(Math.max(0, now - Date.parse(one.lastActivity)))}</td>
                <td class="mono">{one.address ?? '–'}</td>
                <td class="num">{one.lagBytes === null ? 'catching up' : one.lagBytes ? bytes(one.lagBytes) : '–'}</td>
                <td class="mono">{one.lastEventId}</td>
                <td>
                  <button
                    type="button"
                    class="danger small"
                    aria-label={`Disconnect ${one.userId ?? 'anonymous'} from ${one.subscriptions[0]}`}
                    onClick={() => void end(one.id)}
                  >
                    Disconnect
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {page && rows.length === 0 && <Empty>{text ? 'Nobody like that is connected.' : 'Nobody is connected.'}</Empty>}
      </div>
      {cursors.length > 1 && <p class="hint">Page {count(cursors.length)}</p>}
    </section>
  )
}
