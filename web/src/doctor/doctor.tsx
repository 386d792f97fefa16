// The view *Doctor*: measures what the proxies between this browser and the server do to event streams.
//
// Owns the findings, which remain while another view is shown. Leaving this view ends a running examination.

import {batch, signal} from '@preact/signals'
import {useEffect} from 'preact/hooks'
import {plural} from '../lib/format'
import {identities, identity} from '../lib/identity'
import {urlOf} from '../lib/server'
import {IdentityChoice} from '../ui/identity'
import {Choice, Code, Copy, Empty} from '../ui/parts'
import {examine} from './examination'
import {asText, type Finding, type Level} from './finding'
import {PROXIES, fixOf} from './proxies'

const who = signal('')
const patience = signal('0')
const findings = signal<readonly Finding[]>([])
/** The proxy that was recognised, and the one that was chosen. */
const recognised = signal<string | undefined>(undefined)
const chosen = signal('')
const step = signal('')
const state = signal<'new' | 'running' | 'done' | 'stopped' | 'failed'>('new')
let current: AbortController | undefined

const PATIENCE = [
  {value: '0', label: 'No'},
  {value: '90', label: 'For 90 s'},
  {value: '300', label: 'For 5 min'},
]

async function run(key: string): Promise<void> {
  const mine = new AbortController()
  current?.abort()
  current = mine
  batch(() => {
    findings.value = []
    recognised.value = undefined
    step.value = 'Beginning'
    state.value = 'running'
  })
  let end: typeof state.value = 'done'
  try {
    await examine({
      who: identity(key),
      patience: Number(patience.value) * 1_000,
      cancel: mine.signal,
      onStep: (description) => (step.value = description),
      onFindings: (found) => (findings.value = found),
      onProxy: (proxy) => (recognised.value = proxy),
    })
  } catch {
    end = mine.signal.aborted ? 'stopped' : 'failed'
  }
  if (current === mine) state.value = end
}

/** Returns the state of the examination, in a sentence. */
function verdict(): string {
  if (state.value === 'running') return `${step.value} …`
  const of = (level: Level) => findings.value.filter((finding) => finding.level === level).map(({check}) => check)
  const listed = (level: Level) => (of(level).length === 0 ? [] : [`${plural(of(level).length, level)}: ${of(level).join(', ')}`])
  const bad = [...listed('problem'), ...listed('warning')].join('; ')
  const skipped = of('skipped').length
  const rest = skipped ? `; ${plural(skipped, 'check')} could not be made` : ''
  switch (state.value) {
    case 'new':
      return ''
    case 'stopped':
      return `Stopped before the end. ${bad || 'No problem'} until then.`
    case 'failed':
      return 'The doctor itself failed. Its findings so far are below.'
    default:
      return `${bad || `No problem: ${plural(of('ok').length, 'check')} passed`}${rest}.`
  }
}

export function Doctor() {
  useEffect(() => () => current?.abort(), [])
  const key = who.value || (identities.value[0]?.key ?? '')
  const running = state.value === 'running'
  return (
    <>
      <div class="view-head">
        <h1>Doctor</h1>
        <p class="lead">What the proxies between this browser and the server do to event streams.</p>
        <div class="sub who">
          <IdentityChoice label="Examine as" value={key} onValue={(value) => (who.value = value)} disabled={running} />
        </div>
      </div>
      <div class="doctor">
        <section class="card" aria-label="Examination">
          <div class="row">
            <Choice
              label="Wait for idle cuts"
              value={patience.value}
              options={PATIENCE}
              onValue={(value) => (patience.value = value)}
              disabled={running}
            />
            <button type="button" class={running ? '' : 'primary'} onClick={() => (running ? current?.abort() : void run(key))}>
              {running ? 'Stop' : state.value === 'new' ? 'Examine' : 'Examine again'}
            </button>
          </div>
          <p class="hint">
            Takes about 5 s; without a token it has to wait for a heartbeat. It opens its own streams and publishes a few small events, which go to this user alone, as updates
            of an entity that no application has.
          </p>
          <p class={`verdict ${state.value}`} role="status">
            {running && <span class="dot connecting" aria-hidden="true" />}
            {verdict()}
          </p>
        </section>
        <Findings />
        <Elsewhere />
      </div>
    </>
  )
}

function Findings() {
  const proxy = chosen.value || (recognised.value ?? PROXIES[0]?.id ?? '')
  const hasFixes = findings.value.some(({byProxy}) => byProxy)
  return (
    <section class="card" aria-label="Findings">
      <header class="panel-head">
        <h2>Findings</h2>
        {findings.value.length > 0 && <Copy text={asText(findings.value, proxy)} label="Copy as text" />}
      </header>
      {findings.value.length === 0 && (
        <Empty>
          First byte, buffering, compression, version of HTTP, changed headers, token, resuming, clocks. Each has a line here, and each
          problem has the lines of configuration that fix it.
        </Empty>
      )}
      {hasFixes && (
        <div class="row">
          <Choice
            label="Lines for"
            value={proxy}
            options={PROXIES.map(({id, name}) => ({value: id, label: name}))}
            onValue={(value) => (chosen.value = value)}
          />
          <p class="hint">
            {recognised.value
              ? `${nameOf(recognised.value)} was recognised by the head of the answer. There may be others behind it.`
              : 'The proxy could not be recognised; choose the one in front of the server.'}
          </p>
        </div>
      )}
      {findings.value.length > 0 && (
        <ul class="findings">
          {findings.value.map((finding, nth) => (
            <FindingView key={nth} finding={finding} proxy={proxy} />
          ))}
        </ul>
      )}
    </section>
  )
}

const nameOf = (proxy: string) => PROXIES.find(({id}) => id === proxy)?.name ?? proxy

const LOOKS = {ok: 'good', skipped: '', warning: 'warn', problem: 'bad'} as const

function FindingView({finding: {check, level, message, meaning, byProxy}, proxy}: {finding: Finding; proxy: string}) {
  return (
    <li data-check={check} data-level={level}>
      <p class="found">
        <span class={`chip ${LOOKS[level]}`}>{level}</span>
        <strong class="mono">{check}</strong>
        <span>{message}</span>
      </p>
      {meaning && <p class="advice">{meaning}</p>}
      {byProxy && <Code text={fixOf(check, proxy)} label={`${nameOf(proxy)}, against ${check}`} />}
    </li>
  )
}

function Elsewhere() {
  return (
    <section class="card" aria-label="From elsewhere">
      <h2>What a browser can’t see</h2>
      <p class="prose">
        A browser always offers compression, reuses open connections, so that its first byte does not include the time to connect,
        and measures only its own network, with its extensions and filters. From another place, in a script, or if this page itself
        can’t be loaded, use the command line. It makes the same checks and some more (the query, the address of clients, how
        streams end), and exits with 0 if it finds no problem.
      </p>
      <Code text={`tidings doctor ${urlOf('/').replace(/\/$/, '')}`} label="The command line" />
      <p class="hint">
        It reads the token from <code>TIDINGS_TOKEN</code>; with <code>--patient</code> it waits for idle cuts, too.
      </p>
    </section>
  )
}
