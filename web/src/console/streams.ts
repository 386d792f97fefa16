// The streams that there are: their paths, who may open them, and which topics each shows.
//
// Owns the page's copy of that table (the contract's section 4). `/events` reads the same topics, so what was replayed can
// be compared with what is in the log.

import type {Identity} from '../lib/identity'

export interface StreamKind {
  key: string
  label: string
  path: string
  needsToken: boolean
  /** The one parameter that can be filled in. */
  field?: {name: string; label: string; placeholder: string}
  /** The topics that are in the log; none where nothing is stored. */
  topics: (me: string, value: string) => string[]
}

export const STREAMS: StreamKind[] = [
  {
    key: 'notifications',
    label: 'Notifications',
    path: '/notifications/stream',
    needsToken: false,
    topics: (me) => ['notifications', ...own('notifications', me)],
  },
  {
    key: 'realtime',
    label: 'Entity updates',
    path: '/realtime/stream',
    needsToken: false,
    field: {name: 'entities', label: 'Entities', placeholder: 'all, or order,user'},
    topics: (me, value) => {
      const groups = ['realtime', ...own('realtime', me)]
      const entities = value.split(',').map((one) => one.trim()).filter(Boolean)
      if (entities.length === 0) return groups
      return groups.flatMap((group) => entities.map((entity) => `${group}/entity/${entity}`))
    },
  },
  {
    key: 'chat',
    label: 'Chat',
    path: '/chat/stream',
    needsToken: true,
    field: {name: 'roomId', label: 'Room', placeholder: 'all rooms'},
    topics: (_, value) => [value ? `chat/room/${value}` : 'chat'],
  },
  {
    key: 'status',
    label: 'System status',
    path: '/system/status/stream',
    needsToken: false,
    topics: () => ['system/status'],
  },
  {
    key: 'heartbeat',
    label: 'Heartbeat',
    path: '/system/heartbeat',
    needsToken: false,
    topics: () => [],
  },
]

export function pathOf(kind: StreamKind, value: string): string {
  const query = kind.field && value ? `?${new URLSearchParams({[kind.field.name]: value})}` : ''
  return kind.path + query
}

export function topicsOf(kind: StreamKind, who: Identity, value: string): string[] {
  return kind.topics(who.user, value)
}

/** The topic of a user, every byte escaped that a topic can't hold. */
function own(group: string, me: string): string[] {
  if (!me) return []
  const bytes = [...new TextEncoder().encode(me)]
  const plain = /[A-Za-z0-9._@:-]/
  const escaped = bytes.map((byte) => {
    const character = String.fromCharCode(byte)
    return plain.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  })
  return [`${group}/user/${escaped.join('')}`]
}
