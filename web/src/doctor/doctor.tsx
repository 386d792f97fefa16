// The doctor: what stands between this browser and the server, and what it does to event streams.
//
// Owns what was found, which stays while one looks at another view. Leaving it ends an examination that is under way.

import {batch, signal} from '@preact/signals'
import {useEffect} from 'preact/hooks'
import {plural} from '../lib/format'
import {identities, identity} from '../lib/identity'
import {urlOf} from '../lib/server'
import {IdentityChoice} from '../ui/identity'
import {Choice, Code, Copy, Empty} from '../ui/parts'
import {examine} from './examination'
import {asText, type Finding, type Level} from './finding'
import {PROXIES, mendOf} from './proxies'

const who = signal('')
const patience = signal('0')
const findings = signal<readonly Finding[]>([])
/** The proxy that gave its name, and the one that was chosen. */
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
      onStep: (doing) => (step.value = doing),
      onFindings: (found) => (findings.value = found),
      onProxy: (proxy) => (recognised.value = proxy),
    })
  } catch {
    end = mine.signal.aborted ? 'stopped' : 'failed'
  }
  if (current === mine) state.value = end
}

/** How it stands, in a sentence. */
function verdict(): string {
  if (state.value === 'running') return `${step.value} …`
  const of = (level: Level) => findings.value.filter((finding) => finding.level === level).map(({check}) => check)
  const told = (level: Level) => (of(level).length === 0 ? [] : [`${plural(of(level).length, level)}: ${of(level).join(', ')}`])
  const bad = [...told('problem'), ...told('warning')].join('; ')
  const unmade = of('skipped').length
  const rest = unmade ? `; ${plural(unmade, 'check')} could not be made` : ''
  switch (state.value) {
    case 'new':
      return ''
    case 'stopped':
      return `Stopped before the end. ${bad || 'No problem'} until then.`
    case 'failed':
      return 'The doctor itself failed. What it had found stands below.'
    default:
      return `${bad || `No problem: ${plural(of('ok').length, 'check')} went well`}${rest}.`
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
        <p class="lead">What stands between this browser and the server, and what it does to event streams.</p>
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
            Takes some 5 s; without a token it has to wait for a heartbeat. It opens streams of its own and publishes a few small events, which go to this user alone, as updates
            of an entity that no application knows.
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
  const mendable = findings.value.some(({byProxy}) => byProxy)
  return (
    <section class="card" aria-label="Findings">
      <header class="panel-head">
        <h2>Findings</h2>
        {findings.value.length > 0 && <Copy text={asText(findings.value, proxy)} label="Copy as text" />}
      </header>
      {findings.value.length === 0 && (
        <Empty>
          First byte, buffering, compression, version of HTTP, changed headers, token, resuming, clocks. For each there is a line
          here, and for what is wrong the lines of configuration that mend it.
        </Empty>
      )}
      {mendable && (
        <div class="row">
          <Choice
            label="Lines for"
            value={proxy}
            options={PROXIES.map(({id, name}) => ({value: id, label: name}))}
            onValue={(value) => (chosen.value = value)}
          />
          <p class="hint">
            {recognised.value
              ? `${nameOf(recognised.value)} gave its name in the head of the answer. There may be others behind it.`
              : 'No proxy gave its name; choose the one that stands before the server.'}
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
      {byProxy && <Code text={mendOf(check, proxy)} label={`${nameOf(proxy)}, against ${check}`} />}
    </li>
  )
}

function Elsewhere() {
  return (
    <section class="card" aria-label="From elsewhere">
      <h2>What a browser can’t see</h2>
      <p class="prose">
        A browser always offers compression, takes connections that are open already, so that connecting is not in its first
        byte, and looks from where it is, through its extensions and filters. From another place, in a script, or where this page
        itself does not come through, ask the command line. It makes the same checks and some more (the query, the address of
        clients, how streams end), and ends with 0 where all is well.
      </p>
      <Code text={`tidings doctor ${urlOf('/').replace(/\/$/, '')}`} label="The command line" />
      <p class="hint">
        It takes the token from <code>TIDINGS_TOKEN</code>; with <code>--patient</code> it waits for idle cuts, too.
      </p>
    </section>
  )
}
