// Makes the checks of `tidings doctor` that a browser can make, in the same order.
//
// Owns the streams that it opens: all are closed when the examination ends, however it ends. What it publishes goes to the
// caller alone. Must never put a token into a URL, where it would be logged.

import {adviceOn} from '../ui/answer'
import {claimsOf, type Identity} from '../lib/identity'
import {urlOf} from '../lib/server'
import {problem, skipped, trouble, type Finding} from './finding'
import * as buffering from './buffering'
import * as head from './head'
import * as idle from './idle'
import {FIRST_EVENT_TIMEOUT_MS, NoStream, PATH, Probe, headersFor, isEventStream, type Connected} from './probe'
import {guess} from './proxies'
import {MISSED, resume} from './resume'
import {TestEvents, Unpublished, random} from './test-events'

export interface Options {
  who: Identity
  /** How long to keep an idle stream open, in milliseconds; 0 skips this check. */
  patience: number
  cancel: AbortSignal
  /** Called with a description of the current step. */
  onStep: (step: string) => void
  onFindings: (findings: readonly Finding[]) => void
  onProxy: (proxy: string) => void
}

/** Nothing more can be measured. The reason is among the findings. */
class Stop extends Error {}

/** Runs all checks, and calls `onFindings` after each. Fails only if it is cancelled. */
export async function examine(options: Options): Promise<void> {
  const done = new AbortController()
  try {
    await new Examination({...options, cancel: AbortSignal.any([options.cancel, done.signal])}).run()
  } catch (error) {
    if (!(error instanceof Stop)) throw error
  } finally {
    done.abort()
  }
}

class Examination {
  readonly #options: Options
  #findings: Finding[] = []

  constructor(options: Options) {
    this.#options = options
  }

  async run(): Promise<void> {
    const {who, patience, cancel, onStep} = this.#options
    this.#add(head.token(who.token === undefined ? undefined : claimsOf(who.token), Date.now()))
    onStep('Asking for the version of HTTP')
    this.#add(head.version(await protocol(cancel), location.protocol === 'https:'))
    onStep('Opening a stream')
    const requestId = random()
    const probe = await this.#open(requestId)
    this.#recognise(probe.headers)
    const connected = await this.#identify(probe)
    this.#add(head.firstByte(probe))
    this.#add(head.compression(probe.headers))
    this.#add(head.rewritten(probe.headers, requestId))
    this.#add(head.clock(connected.timestamp, probe.headers, Date.now(), probe.lastBytesAt - probe.openedAt))
    this.#add(head.authorization(connected, who.token !== undefined))
    this.#add(head.heartbeat(connected.heartbeatInterval))
    await this.#deliveries(probe, connected)
    if (patience > 0) {
      onStep(`Keeping a stream open for ${patience / 1_000} s, to see whether silence gets it cut`)
      this.#add(await idle.wait(who.token, patience, connected.heartbeatInterval, cancel))
    }
  }

  #add(...findings: (Finding | undefined)[]): void {
    this.#findings = [...this.#findings, ...findings.filter((finding) => finding !== undefined)]
    this.#options.onFindings(this.#findings)
  }

  #recognise(headers: Headers): void {
    const proxy = guess(headers)
    if (proxy) this.#options.onProxy(proxy)
  }

  async #open(requestId: string): Promise<Probe> {
    const {who, cancel} = this.#options
    try {
      return await Probe.open({token: who.token, requestId}, cancel)
    } catch (error) {
      if (!(error instanceof NoStream)) throw error
      if (error.why === 'timeout') return this.#noHead()
      return this.#unmeasured(error.message, adviceOn(error.refusal?.code))
    }
  }

  /** Reports that the head of the stream did not arrive. If `HEAD`, which is not a stream, is answered, the proxy buffers streams. */
  async #noHead(): Promise<never> {
    const {who, cancel, onStep} = this.#options
    onStep('Nothing arrived; asking only for the head')
    const seconds = FIRST_EVENT_TIMEOUT_MS / 1_000
    try {
      const limit = AbortSignal.any([cancel, AbortSignal.timeout(FIRST_EVENT_TIMEOUT_MS)])
      const answer = await fetch(urlOf(PATH), {method: 'HEAD', headers: headersFor(who.token), cache: 'no-store', signal: limit})
      if (isEventStream(answer.headers)) {
        this.#recognise(answer.headers)
        this.#add(trouble('buffering', `nothing of the stream arrived within ${seconds} s, but HEAD was answered`))
        throw new Stop()
      }
    } catch (error) {
      cancel.throwIfAborted()
      if (error instanceof Stop) throw error
    }
    return this.#unmeasured(
      `no answer within ${seconds} s`,
      'Over HTTP/1.1 all tabs together have six connections to a server. If other tabs have open streams, close them and examine again.',
    )
  }

  /** Waits for the first event, by which a Tidings server is recognised. */
  async #identify(probe: Probe): Promise<Connected> {
    const connected = await probe.connected()
    this.#options.cancel.throwIfAborted()
    if ('connectionId' in connected) return connected
    if (connected.is === 'event' && connected.event.event === 'busy') {
      return this.#unmeasured(`the server accepts no more streams now: ${connected.event.data}`, adviceOn('too_many_connections'))
    }
    if (connected.is === 'silence' && isEventStream(probe.headers)) {
      this.#add(trouble('buffering', `the head arrived, but no event within ${FIRST_EVENT_TIMEOUT_MS / 1_000} s`))
      throw new Stop()
    }
    const kind = probe.headers.get('content-type') ?? 'an answer without a Content-Type'
    return this.#unmeasured(`this is not a Tidings server: ${new URL(urlOf(PATH)).pathname} answered with ${kind}`)
  }

  /** Checks whether events arrive one by one, and whether events that are published while no stream is open arrive on the next one. */
  async #deliveries(probe: Probe, connected: Connected): Promise<void> {
    const {who, cancel, onStep} = this.#options
    const user = connected.authenticated ? connected.userId : undefined
    if (who.token === undefined || user === undefined) {
      return this.#byHeartbeat(probe, connected, 'there is no user to publish to: the stream is anonymous')
    }
    const testEvents = new TestEvents(who.token, user)
    try {
      const tell = (nth: number) => onStep(`Publishing event ${nth} of ${buffering.EVENTS}`)
      const [finding, last] = await buffering.byEvents(probe, testEvents, cancel, tell)
      probe.close()
      // Buffering explains a late first event, too.
      if (finding.level === 'problem') this.#findings = this.#findings.filter(({check}) => check !== 'first-byte')
      this.#add(finding)
      if (last === undefined || finding.level === 'problem') return this.#add(skipped('resume', 'not all events arrived one by one'))
      onStep(`Reconnecting after ${MISSED} missed events`)
      this.#add(...(await resume(testEvents, who.token, last, cancel)))
    } catch (error) {
      if (!(error instanceof Unpublished)) throw error
      await this.#byHeartbeat(probe, connected, error.message)
    }
  }

  async #byHeartbeat(probe: Probe, {heartbeatInterval}: Connected, why: string): Promise<void> {
    const {cancel, onStep} = this.#options
    if (buffering.isFrequent(heartbeatInterval)) onStep(`Waiting for a heartbeat, up to ${(heartbeatInterval / 1_000).toFixed(0)} s`)
    this.#add(await buffering.byHeartbeat(probe, heartbeatInterval, why, cancel), skipped('resume', why))
    probe.close()
  }

  #unmeasured(message: string, meaning = 'Nothing more can be measured from here.'): never {
    this.#add(problem('reach', message, meaning))
    throw new Stop()
  }
}

/** How long the browser may take to report the timing of an answered call. */
const TIMING_TIMEOUT_MS = 1_000

/** Returns the protocol of a short call. Streams have the same, because they share connections with calls. */
async function protocol(cancel: AbortSignal): Promise<string | undefined> {
  const url = urlOf('/api')
  const since = performance.now()
  let found = (_protocol: string | undefined): void => {}
  const reported = new Promise<string | undefined>((done) => (found = done))
  const observer = new PerformanceObserver((list) => {
    const entry = list.getEntriesByName(url).find(({startTime}) => startTime >= since) as PerformanceResourceTiming | undefined
    if (entry) found(entry.nextHopProtocol || undefined)
  })
  observer.observe({type: 'resource'})
  try {
    const limit = AbortSignal.any([cancel, AbortSignal.timeout(FIRST_EVENT_TIMEOUT_MS)])
    await (await fetch(url, {cache: 'no-store', signal: limit})).text()
    setTimeout(() => found(undefined), TIMING_TIMEOUT_MS)
    return await reported
  } catch {
    cancel.throwIfAborted()
    return undefined
  } finally {
    observer.disconnect()
  }
}
