// Checks whether an idle stream stays open.

import {ok, skipped, trouble, type Finding} from './finding'
import {NoStream, Probe} from './probe'

/** A stream that was silent for less than this share of the heartbeat interval was not cut because of the silence. */
const ACTIVE_SHARE = 0.5

/** The server's own endings. */
const ENDINGS = ['busy', 'expired', 'revoked', 'slow', 'draining']

/** Keeps a stream open until it is cut, but at most for `patience`. That and the heartbeat interval are in milliseconds. */
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

/** Reports a stream that was cut after it had been `open` for a time, at the end of which no byte arrived for `silence`. In milliseconds. */
export function cut(open: number, silence: number, interval: number | undefined): Finding {
  const seconds = (ms: number) => (ms / 1_000).toFixed(1)
  if (interval !== undefined && silence < interval * ACTIVE_SHARE && open > 2 * silence + 1_000) {
    const message = `cut after ${seconds(open)} s, ${seconds(silence)} s after the last byte: because of its age, not because it was idle`
    return trouble('idle', message, 'warning')
  }
  const heartbeat = interval === undefined ? 'the server announces no heartbeat' : `a heartbeat every ${seconds(interval)} s is not enough`
  return trouble('idle', `cut after ${seconds(silence)} s of silence; ${heartbeat}`)
}
