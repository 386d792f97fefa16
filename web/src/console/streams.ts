// The streams that can be followed from the page, and which topics each shows.
//
// The list is generated from the server's table of stream groups. `/events` reads the same topics, so what was replayed can be
// compared with what is in the log.

import type {Identity} from '../lib/identity'
import streams from './streams.json'

export interface StreamKind {
  key: string
  label: string
  path: string
  needsToken: boolean
  /** The patterns of the topics that are in the log; none where nothing is stored. `{me}` stands for the caller's id. */
  shows: string[]
  /** The one parameter that can be filled in, and what the stream shows then, `*` being each name in it. */
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

/** A user's id as a segment of a topic: every byte escaped that a topic can't hold. */
function escaped(me: string): string {
  const plain = /[A-Za-z0-9._@:-]/
  const bytes = [...new TextEncoder().encode(me)].map((byte) => {
    const character = String.fromCharCode(byte)
    return plain.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  })
  return bytes.join('')
}
