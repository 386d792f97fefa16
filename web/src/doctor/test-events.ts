// The events that the doctor publishes in order to measure their delivery.
//
// Guarantees that they disturb nobody: they are updates of an entity that no application has, to the caller alone.

import type {StreamEvent} from '../lib/event-stream'
import {make} from '../lib/server'
import {parsed} from './probe'

/** A publish that takes longer is reported as failed; the server answers in milliseconds. */
const ANSWER_MS = 10_000

/** An event could not be published; the message says why. */
export class Unpublished extends Error {}

export class TestEvents {
  readonly #token: string
  readonly #path: string
  /** A random id of this run, so that two doctors of one user can distinguish their events. */
  readonly #run = random()

  constructor(token: string, user: string) {
    this.#token = token
    this.#path = `/realtime/update?targetUserId=${encodeURIComponent(user)}`
  }

  /** Publishes one event and returns its id. */
  async publish(cancel: AbortSignal): Promise<string> {
    const body = JSON.stringify({entity: 'tidings-doctor', action: 'update', data: {run: this.#run}})
    const limit = AbortSignal.any([cancel, AbortSignal.timeout(ANSWER_MS)])
    try {
      const headers = {'Idempotency-Key': random()}
      const {status, body: answer} = await make({method: 'POST', path: this.#path, token: this.#token, body, headers}, limit)
      const {eventId, message, code} = (typeof answer === 'object' ? answer : undefined) as {eventId?: string; message?: string; code?: string}
      if (status === 200 && eventId) return eventId
      if (status === 200) throw new Unpublished('the answer to a publish did not contain an event id')
      throw new Unpublished(`publishing failed: ${message ?? 'refused'} (${status}${code ? `, ${code}` : ''})`)
    } catch (error) {
      cancel.throwIfAborted()
      if (error instanceof Unpublished) throw error
      throw new Unpublished(limit.aborted ? `a publish was not answered within ${ANSWER_MS / 1_000} s` : 'publishing failed: no answer')
    }
  }

  /** Returns whether an event is one of these. */
  contain(event: StreamEvent): boolean {
    return (parsed(event.data) as {data?: {run?: string}} | undefined)?.data?.run === this.#run
  }
}

/** Returns 128 random bits. `crypto.randomUUID` does not exist over plain http. */
export function random(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
