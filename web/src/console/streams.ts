// The streams that the page can follow, and the topics of each.
//
// The list is generated from the server's table of stream groups. `/events` reads the same topics, so that replayed events can be
// compared with those in the log.

import type {Identity} from '../lib/identity'
import streams from './streams.json'

export interface StreamKind {
  key: string
  label: string
  path: string
  needsToken: boolean
  /** The patterns of its topics in the log; empty if its events are not stored. `{me}` is the caller's id. */
  shows: string[]
  /** The parameter that can be filled in, and the topics that the stream then shows; `*` is each name in the parameter. */
  field?: {name: string; label: string; placeholder: string; shows: string[]}
}

export const STREAMS = streams as StreamKind[]

export function pathOf(kind: StreamKind, value: string): string {
  const query = kind.field && value ? `?${new URLSearchParams({[kind.field.name]: value})}` : ''
  return kind.path + query
}

export function topicsOf(kind: StreamKind, who: Identity, value: string): string[] {
  const names = kind.field ? value.split(',').map((one) => one.trim()).filter(Boolean) : []
  const patterns = kind.field && names.length > 0 ? kind.field.shows : kind.shows
  return patterns
    .filter((pattern) => who.user || !pattern.includes('{me}'))
    .map((pattern) => pattern.replace('{me}', () => escaped(who.user)))
    .flatMap((topic) => (topic.includes('*') ? names.map((name) => topic.replace('*', () => name)) : [topic]))
}

/** Returns a user's id as a segment of a topic, with every byte escaped that a topic can't contain. */
function escaped(me: string): string {
  const plain = /[A-Za-z0-9._@:-]/
  const bytes = [...new TextEncoder().encode(me)].map((byte) => {
    const character = String.fromCharCode(byte)
    return plain.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  })
  return bytes.join('')
}
