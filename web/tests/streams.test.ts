// Which topics each stream of the page shows: those of which `/events` is asked what the stream should have brought.

import {expect, test} from 'vitest'
import {STREAMS, pathOf, topicsOf} from '../src/console/streams'
import type {Identity} from '../src/lib/identity'

const ann = {user: 'a/b*', token: 't'} as Identity
const nobody = {user: '', token: ''} as Identity

function stream(path: string) {
  const found = STREAMS.find((one) => one.path === path)
  if (!found) throw new Error(`no stream ${path}`)
  return found
}

test('a stream shows what is for everybody, and to a user what is for that user', () => {
  expect(topicsOf(stream('/notifications/stream'), nobody, '')).toEqual(['notifications'])
  expect(topicsOf(stream('/notifications/stream'), ann, '')).toEqual(['notifications', 'notifications/user/a%2Fb%2A'])
  expect(topicsOf(stream('/system/heartbeat'), ann, '')).toEqual([])
})

test('names narrow it', () => {
  const realtime = stream('/realtime/stream')
  expect(topicsOf(realtime, ann, ' ')).toEqual(['realtime', 'realtime/user/a%2Fb%2A'])
  expect(topicsOf(realtime, ann, 'order, $&')).toEqual([
    'realtime/entity/order',
    'realtime/entity/$&',
    'realtime/user/a%2Fb%2A/entity/order',
    'realtime/user/a%2Fb%2A/entity/$&',
  ])
  expect(topicsOf(stream('/chat/stream'), ann, '')).toEqual(['chat'])
  expect(topicsOf(stream('/chat/stream'), ann, 'general')).toEqual(['chat/room/general'])
  expect(pathOf(stream('/chat/stream'), 'a b')).toBe('/chat/stream?roomId=a+b')
})
