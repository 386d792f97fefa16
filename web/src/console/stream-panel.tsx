// The view of one stream: what to open and as which user, the state of the connection, and the events.

import {useEffect, useState} from 'preact/hooks'
import {count, span} from '../lib/format'
import {identity} from '../lib/identity'
import {snippet} from '../lib/snippets'
import type {State} from '../lib/event-stream'
import {adviceOn} from '../ui/answer'
import {IdentityChoice} from '../ui/identity'
import {Choice, Copy, Text} from '../ui/parts'
import {EventList} from './event-list'
import type {Panel} from './panel'
import {STREAMS} from './streams'

const WORDS: Record<State['is'], string> = {
  closed: 'Not connected',
  connecting: 'Connecting',
  open: 'Connected',
  waiting: 'Reconnecting',
  dropped: 'Dropped',
  failed: 'Refused',
}

export function StreamPanel({panel, name, onRemove}: {panel: Panel; name: string; onRemove?: () => void}) {
  const kind = panel.kind.value
  const active = panel.isActive.value
  const call = {method: 'GET', path: panel.path, token: identity(panel.who.value).token, stream: true}
  return (
    <section class="card panel" aria-label={name} data-state={panel.state.value.is}>
      <header class="panel-head">
        <h2>{name}</h2>
        <Copy label="Copy as curl" text={snippet('curl', {...call, lastEventId: panel.lastId.value})} />
        {onRemove && (
          <button type="button" class="quiet" onClick={onRemove} aria-label={`Remove ${name}`}>
            Remove
          </button>
        )}
      </header>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault()
          if (active) panel.disconnect()
          else panel.connect()
        }}
      >
        <Choice
          label="Stream"
          value={kind.key}
          disabled={active}
          options={STREAMS.map(({key, label}) => ({value: key, label}))}
          onValue={(key) => {
            panel.kind.value = STREAMS.find((one) => one.key === key) ?? kind
            panel.value.value = ''
          }}
        />
        {kind.field && (
          <Text
            label={kind.field.label}
            placeholder={kind.field.placeholder}
            value={panel.value.value}
            disabled={active}
            onValue={(value) => (panel.value.value = value)}
          />
        )}
        <IdentityChoice value={panel.who.value} disabled={active} onValue={(key) => (panel.who.value = key)} />
        <button type="submit" class={active ? '' : 'primary'}>
          {active ? 'Disconnect' : 'Connect'}
        </button>
      </form>
      <p class="path mono faint">GET {panel.path}</p>
      <Status panel={panel} />
      <EventList panel={panel} />
    </section>
  )
}

function Status({panel}: {panel: Panel}) {
  const state = panel.state.value
  const now = useNow(state.is === 'waiting' || state.is === 'dropped' || state.is === 'connecting')
  return (
    <>
      <dl class="facts">
        <div>
          <dt>State</dt>
          <dd aria-live="polite">
            <span class={`dot ${state.is}`} aria-hidden="true" />
            {WORDS[state.is]}
          </dd>
        </div>
        <Fact name="Last id" value={panel.lastId.value} mono />
        <Fact name="Latency" value={panel.latency.value === undefined ? '' : span(panel.latency.value)} />
        <Fact name="First byte" value={panel.connectTime.value === undefined ? '' : span(panel.connectTime.value)} />
        <Fact name="Reconnects" value={count(panel.reconnects.value)} />
        <Fact name="Events" value={count(panel.received.value)} />
      </dl>
      <Trouble panel={panel} now={now} />
      {(state.is === 'open' || state.is === 'dropped') && (
        <p class="line resume-line">
          {state.is === 'open' ? (
            <button type="button" onClick={() => panel.dropAndResume()} disabled={!panel.lastId.value}>
              Drop and resume
            </button>
          ) : (
            <button type="button" onClick={() => panel.resume()}>
              Resume now
            </button>
          )}
          <span class="hint">
            {state.is === 'open'
              ? 'Cuts the connection for 3 s, comes back by the last id, compares what came with the log.'
              : `Away for another ${span(Math.max(0, (panel.backAt.value ?? now) - now))}. Publish something meanwhile.`}
          </span>
        </p>
      )}
    </>
  )
}

/** Says why no events arrive, and what to do. */
function Trouble({panel, now}: {panel: Panel; now: number}) {
  const state = panel.state.value
  const [connectingSince, setSince] = useState(now)
  useEffect(() => setSince(performance.now()), [state.is])
  if (state.is === 'failed') {
    const {status, code, message} = state.refusal
    return (
      <div class="trouble" role="alert">
        <p>
          <span class="chip bad">{status === 200 ? 'ended' : status}</span> {code && <code>{code}</code>} {message}
        </p>
        {adviceOn(code) && <p class="advice">{adviceOn(code)}</p>}
      </div>
    )
  }
  if (state.is === 'waiting') {
    return (
      <p class="trouble mild" role="status">
        {state.why}. Trying again in {Math.max(0, Math.ceil((state.until - now) / 1_000))} s
        {panel.lastId.value && (
          <>
            {' '}
            after <code>{panel.lastId.value}</code>
          </>
        )}
        .
      </p>
    )
  }
  if (state.is === 'connecting' && now - connectingSince > 2_500) {
    return (
      <p class="trouble mild" role="status">
        Still waiting. A browser keeps six connections to one server over HTTP/1.1, in all tabs together, and each stream
        takes one: close another stream or tab.
      </p>
    )
  }
  return null
}

function Fact({name, value, mono}: {name: string; value: string; mono?: boolean}) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={mono ? 'mono' : ''}>{value || '–'}</dd>
    </div>
  )
}

/** Returns the current time, updated as long as it is needed. */
function useNow(running: boolean): number {
  const [now, setNow] = useState(performance.now())
  useEffect(() => {
    if (!running) return undefined
    setNow(performance.now())
    const timer = setInterval(() => setNow(performance.now()), 200)
    return () => clearInterval(timer)
  }, [running])
  return now
}
