// The publishing calls as forms: their fields, and the requests that they make.
//
// Owns the list of these forms. An empty field is not sent, so that the server's default applies.

import type {Call} from '../lib/server'

export interface FormField {
  name: string
  label: string
  start: string
  options?: string[]
  lines?: number
  wide?: boolean
  /** Whether its text is JSON, which becomes a part of the body. */
  json?: boolean
  /** The part of the request for it, if not the body. */
  in?: 'path' | 'query'
  list?: string[]
  placeholder?: string
}

export interface Form {
  key: string
  label: string
  method: string
  path: string
  needs: string
  fields: FormField[]
  /** The name of the field that is the whole body. */
  wholeBody?: string
  noBody?: boolean
}

const TARGET: FormField = {
  name: 'targetUserId',
  label: 'To the user',
  start: '',
  in: 'query',
  list: ['test123', 'ann', 'bob'],
  placeholder: 'everybody',
}
const METADATA: FormField = {name: 'metadata', label: 'Metadata (JSON)', start: '', json: true, lines: 2, placeholder: 'none'}
const ROOM: FormField = {name: 'roomId', label: 'Room', start: 'general'}
const NOTIFICATION: FormField[] = [
  {name: 'title', label: 'Title', start: 'Hello', wide: true},
  {name: 'message', label: 'Message', start: 'It works', lines: 2},
  {name: 'type', label: 'Type', start: 'info', options: ['info', 'success', 'warning', 'error']},
]
const DATA: FormField = {name: 'data', label: 'Data (JSON)', start: '{"id": 7, "state": "paid"}', json: true, lines: 3}

export const FORMS: Form[] = [
  {
    key: 'send',
    label: 'Notification',
    method: 'POST',
    path: '/notifications/send',
    needs: 'a token; to everybody, an admin’s',
    fields: [...NOTIFICATION, TARGET, METADATA],
  },
  {
    key: 'broadcast',
    label: 'Broadcast',
    method: 'POST',
    path: '/notifications/broadcast',
    needs: 'an admin’s token',
    fields: [...NOTIFICATION, METADATA],
  },
  {
    key: 'update',
    label: 'Entity update',
    method: 'POST',
    path: '/realtime/update',
    needs: 'a token; to everybody, an admin’s',
    fields: [
      {name: 'entity', label: 'Entity', start: 'order'},
      {name: 'action', label: 'Action', start: 'update', options: ['create', 'update', 'delete']},
      DATA,
      TARGET,
    ],
  },
  {
    key: 'entity',
    label: 'Entity, in short',
    method: 'POST',
    path: '/realtime/entity/{entity}/{action}',
    needs: 'an admin’s token',
    fields: [
      {name: 'entity', label: 'Entity', start: 'order', in: 'path'},
      {name: 'action', label: 'Action', start: 'create', in: 'path', options: ['create', 'update', 'delete']},
      DATA,
    ],
    wholeBody: 'data',
  },
  {
    key: 'message',
    label: 'Chat message',
    method: 'POST',
    path: '/chat/message',
    needs: 'a token',
    fields: [
      ROOM,
      {name: 'message', label: 'Message', start: 'Hi all', lines: 2},
      {name: 'type', label: 'Type', start: 'text', options: ['text', 'image', 'file']},
      METADATA,
    ],
  },
  {
    key: 'room',
    label: 'Chat room',
    method: 'POST',
    path: '/chat/room/{roomId}/{action}',
    needs: 'a token',
    fields: [
      {...ROOM, in: 'path'},
      {name: 'action', label: 'Action', start: 'join', in: 'path', options: ['join', 'leave', 'typing']},
    ],
    noBody: true,
  },
  {
    key: 'status',
    label: 'System status',
    method: 'POST',
    path: '/system/status/update',
    needs: 'an admin’s token',
    fields: [
      {name: 'service', label: 'Service', start: 'database'},
      {name: 'status', label: 'Status', start: 'degraded', options: ['online', 'offline', 'degraded', 'maintenance']},
      {name: 'message', label: 'Message', start: 'Slow queries'},
      {name: 'metrics', label: 'Metrics (JSON)', start: '', json: true, lines: 2, placeholder: 'none'},
    ],
  },
]

export function startOf(form: Form): Record<string, string> {
  return Object.fromEntries(form.fields.map(({name, start}) => [name, start]))
}

/** Returns the request that the form makes, or the problem with one of its fields. */
export function requestOf(form: Form, values: Record<string, string>, token: string | undefined): Call | {problem: string} {
  let path = form.path
  const query = new URLSearchParams()
  const body: Record<string, unknown> = {}
  for (const field of form.fields) {
    const text = values[field.name] ?? ''
    if (field.in === 'path') path = path.replace(`{${field.name}}`, encodeURIComponent(text))
    else if (text === '') continue
    else if (field.in === 'query') query.set(field.name, text)
    else if (!field.json) body[field.name] = text
    else {
      try {
        body[field.name] = JSON.parse(text)
      } catch (error) {
        return {problem: `${field.label}: ${error instanceof Error ? error.message : 'is not JSON'}`}
      }
    }
  }
  const search = query.size > 0 ? `?${query}` : ''
  const call = {method: form.method, path: path + search, token}
  if (form.noBody) return call
  return {...call, body: JSON.stringify(form.wholeBody ? (body[form.wholeBody] ?? null) : body)}
}
