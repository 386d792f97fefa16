// Whether a silent stream stays open.

import {ok, skipped, trouble, type Finding} from './finding'
import {NoStream, Probe} from './probe'

/** A cut that comes so soon after a heartbeat, as a share of the interval, is not for silence. */
const BUSY_SHARE = 0.5

/** The server's own endings. */
const ENDINGS = ['busy', 'expired', 'revoked', 'slow', 'draining']

/** Keeps a stream open until it is cut, or for `patience`; both in milliseconds, as is the heartbeat's interval. */
export async function wait(token: string | undefined, patience: number, interval: number | undefined, cancel: AbortSignal): Promise<Finding> {
  let probe
  try {
    probe = await Probe.open({token}, cancel)
  } catch (error) {
    if (!(error instanceof NoStream)) throw error
    return skipped('idle', error.message)
  }
  const deadline = performance.now() + patience
  let heartbeats = 0
  for (;;) {
    const next = await probe.next(deadline)
    cancel.throwIfAborted()
    if (next.is === 'silence') {
      probe.close()
      return ok('idle', `open for ${(patience / 1_000).toFixed(0)} s, with ${heartbeats} heartbeats`)
    }
    if (next.is === 'end') {
      const now = performance.now()
      return cut(now - probe.openedAt, now - probe.lastBytesAt, interval)
    }
    if (next.event.event === 'heartbeat') heartbeats += 1
    if (ENDINGS.includes(next.event.event)) {
      probe.close()
      return skipped('idle', `the server itself ended the stream: ${next.event.event}`)
    }
  }
}

/** Cut after so much in all, of which so much was silence. In milliseconds. */
export function cut(open: number, silence: number, interval: number | undefined): Finding {
  const seconds = (ms: number) => (ms / 1_000).toFixed(1)
  if (interval !== undefined && silence < interval * BUSY_SHARE && open > 2 * silence + 1_000) {
    const message = `cut after ${seconds(open)} s, ${seconds(silence)} s after the last byte: for its age, not for silence`
    return trouble('idle', message, 'warning')
  }
  const heartbeat = interval === undefined ? 'the server announces no heartbeat' : `the heartbeat, each ${seconds(interval)} s, comes too late`
  return trouble('idle', `cut after ${seconds(silence)} s of silence; ${heartbeat}`)
}
