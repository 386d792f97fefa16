// The list of events of a stream: one line each, which can be opened; the newest is last and stays visible.

import {useLayoutEffect, useRef, useState} from 'preact/hooks'
import {plural, pretty, span, summary, timeOf} from '../lib/format'
import {identity} from '../lib/identity'
import {snippet} from '../lib/snippets'
import {Code, Copy, Empty} from '../ui/parts'
import type {Panel, Resume, Row} from './panel'

/** Events with a colour of their own. */
const LOUD = new Set(['notification', 'realtime-update', 'chat-message', 'system-status', 'typing'])
const ENDINGS = new Set(['reset', 'busy', 'draining', 'revoked', 'slow', 'expired'])

export function EventList({panel}: {panel: Panel}) {
  const shown = panel.shown.value
  const list = useRef<HTMLDivElement>(null)
  const atEnd = useRef(true)
  useLayoutEffect(() => {
    const element = list.current
    if (element && atEnd.current) element.scrollTop = element.scrollHeight
  }, [shown])
  return (
    <>
      <div class="toolbar">
        <input
          type="search"
          aria-label="Filter events"
          placeholder="Filter"
          value={panel.filter.value}
          onInput={(event) => (panel.filter.value = event.currentTarget.value)}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={panel.beats.value}
            onChange={(event) => (panel.beats.value = event.currentTarget.checked)}
          />
          Heartbeats
        </label>
        <button type="button" aria-pressed={panel.paused.value} onClick={() => panel.setPaused(!panel.paused.value)}>
          {panel.paused.value ? `Go on (${panel.held.value.length})` : 'Pause'}
        </button>
        <button type="button" class="quiet" onClick={() => panel.clear()}>
          Clear
        </button>
      </div>
      <div
        class="events"
        ref={list}
        role="log"
        aria-label="Events"
        tabIndex={0}
        onScroll={({currentTarget: element}) => {
          atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < 24
        }}
      >
        {shown.length === 0 ? (
          <Nothing panel={panel} />
        ) : (
          shown.map((row) =>
            row.note ? <ResumeLine key={row.key} note={row.note} /> : <EventLine key={row.key} row={row} panel={panel} />,
          )
        )}
      </div>
    </>
  )
}

function Nothing({panel}: {panel: Panel}) {
  if (panel.rows.value.length > 0) return <Empty>Nothing matches the filter.</Empty>
  if (panel.isActive.value) return <Empty>Waiting for the first event.</Empty>
  return (
    <Empty>
      <p>Nothing yet. Connect, then publish something.</p>
    </Empty>
  )
}

function EventLine({row, panel}: {row: Row; panel: Panel}) {
  const tone = LOUD.has(row.event) ? row.event : ENDINGS.has(row.event) ? 'ending' : 'plain'
  // The content is rendered only while the line is open, because there may be hundreds of lines.
  const [open, setOpen] = useState(false)
  const again = {method: 'GET', path: panel.path, token: identity(panel.who.value).token, stream: true, lastEventId: row.id}
  return (
    <details class={`event ${row.replayed ? 'replayed' : ''}`} data-event={row.event} data-id={row.id} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <time class="mono faint">{timeOf(row.time)}</time>
        <span class={`name ${tone}`}>{row.event}</span>
        <span class="what">{summary(row.event, row.data)}</span>
        {row.replayed && <span class="chip">replayed</span>}
        {row.latency !== undefined && <span class="faint num">{span(row.latency)}</span>}
        <span class="id mono faint">{row.id ?? 'no id'}</span>
      </summary>
      {open && (
        <div class="inside">
          <Code text={pretty(row.data)} label={`Data of ${row.event}`} />
          {row.id && <Copy label="Copy as curl: go on after this event" text={snippet('curl', again)} />}
        </div>
      )}
    </details>
  )
}

function ResumeLine({note}: {note: Resume}) {
  return (
    <p class="resumed" data-replayed={note.replayed} data-checked={note.missing !== undefined}>
      <strong>Resumed</strong> after <code>{note.after}</code>: {plural(note.replayed, 'event')} replayed
      {note.reset && ', and a reset: not all of it could be had'}
      {note.missing?.length === 0 && ', none missing by the log'}
      {note.missing && note.missing.length > 0 && (
        <span class="bad-text">
          , {note.missing.length} missing: {note.missing.join(', ')}
        </span>
      )}
      {note.unchecked && `; ${note.unchecked}`}.
    </p>
  )
}
