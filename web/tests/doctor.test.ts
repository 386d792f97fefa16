// How the doctor judges what it measured. Its texts and bounds are those of `tidings doctor`.

import {expect, test, vi} from 'vitest'
import known from '../../docs/proxies.json'

vi.stubGlobal('location', new URL('http://server:3000/'))
const {asText, trouble} = await import('../src/doctor/finding')
const buffering = await import('../src/doctor/buffering')
const head = await import('../src/doctor/head')
const {cut} = await import('../src/doctor/idle')
const {judge: resumed} = await import('../src/doctor/resume')
const {guess} = await import('../src/doctor/proxies')

const NOW = Date.parse('2026-11-23T22:30:15Z')
const flowing = (...delays: (number | undefined)[]) => buffering.judge(delays).level

test('events that arrive together at the end were buffered', () => {
  expect(flowing(2000, 1500, 1000, 500, 0)).toBe('problem')
  expect(flowing(0, undefined)).toBe('problem')
})

test('one late event is not buffering', () => {
  expect(flowing(1, 1, 700, 1, 1)).toBe('warning')
  expect(flowing(200, 210, 190, 200, 240)).toBe('ok')
})

test('resuming works only if each missed event arrives once and in order', () => {
  expect(resumed([...'abc'], [...'abc']).level).toBe('ok')
  for (const came of ['', 'ab', 'acb', 'abcc', 'zabc']) expect(resumed([...'abc'], [...came]).level, came).toBe('problem')
})

test('a cut in silence is told from one for age', () => {
  expect(cut(2_000, 2_000, 25_000).level).toBe('problem')
  expect(cut(85_000, 20_000, 25_000).level).toBe('problem')
  expect(cut(100_000, 3_000, 25_000).level).toBe('warning')
})

test('clocks may differ by as much as tokens are granted, and a slow answer is no clock behind', () => {
  const skew = (server: string, took = 0) => head.clock(server, new Headers(), NOW, took)
  expect(skew('2026-11-23T22:30:15Z').level).toBe('ok')
  expect(skew('2026-11-23T22:30:25Z').level).toBe('warning')
  expect(skew('2026-11-23T22:29:15Z')).toMatchObject({level: 'problem', message: 'the server’s clock is 60.0 s behind this machine’s'})
  expect(skew('2026-11-23T22:30:07Z', 10_000).level).toBe('ok')
  const byDate = new Headers({date: 'Mon, 23 Nov 2026 22:30:15 GMT'})
  expect(head.clock(undefined, byDate, NOW, 0).message).toContain('Date field')
  expect(head.clock(undefined, new Headers(), NOW, 0).level).toBe('skipped')
})

test('a token is judged by its own times', () => {
  const at = NOW / 1_000
  const level = (claims: Record<string, unknown>) => head.token(claims, NOW)?.level
  expect(level({exp: at + 3_600})).toBe('ok')
  expect(level({exp: at + 60})).toBe('warning')
  expect(level({exp: at - 1})).toBe('problem')
  expect(level({exp: at + 3_600, iat: at + 60})).toBe('problem')
  expect(head.token(undefined, NOW)).toBeUndefined()
})

test('HTTP/1.1 is worth a word over https alone, and where the browser does not tell nothing is claimed', () => {
  expect(head.version('h2', true).level).toBe('ok')
  expect(head.version('http/1.1', true)).toMatchObject({level: 'warning', byProxy: true})
  expect(head.version('http/1.1', false).level).toBe('ok')
  expect(head.version(undefined, true).level).toBe('skipped')
})

test('a token that did not arrive is told from one that was refused', () => {
  const connected = {connectionId: 'c', authenticated: false}
  expect(head.authorization(connected, true)).toMatchObject({level: 'problem', byProxy: true})
  expect(head.authorization({...connected, authError: 'token_invalid'}, true).byProxy).toBeUndefined()
  expect(head.authorization(connected, false).level).toBe('skipped')
})

test('a head that is not the server’s is seen, and what proxies may change is told', () => {
  const right = {'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store, no-cache, no-transform'}
  const message = (headers: Record<string, string>) => head.rewritten(new Headers(headers), 'mine')
  expect(message({...right, 'x-accel-buffering': 'no', 'x-request-id': 'mine'}).message).toMatch(/the server’s$/)
  expect(message(right).message).toContain('a proxy removed X-Accel-Buffering; a proxy replaced X-Request-Id')
  expect(message({...right, age: '3'}).level).toBe('problem')
  expect(message({...right, 'cache-control': 'no-store'}).message).toBe('Cache-Control without no-cache, no-transform')
  expect(message({...right, 'content-type': 'text/html'}).message).toBe('Content-Type: text/html')
})

test('a proxy is known by what it puts into the head, the outermost first', () => {
  expect(guess(new Headers({server: 'nginx/1.22.1'}))).toBe('nginx')
  expect(guess(new Headers({via: '1.1 Caddy', server: 'nginx'}))).toBe('caddy')
  expect(guess(new Headers({'cf-ray': '8f2', server: 'nginx'}))).toBe('cloudflare')
  expect(guess(new Headers({server: 'Apache/2.4.71 (Debian)'}))).toBe('apache')
  expect(guess(new Headers({server: 'lighttpd'}))).toBeUndefined()
})

test('the report reads as the command line prints it, with the lines of the chosen proxy', () => {
  const text = asText([trouble('buffering', '2 of 5 events')], 'haproxy')
  expect(text).toMatch(/^problem {2}buffering {6}2 of 5 events\n {2}Something between the server and its readers buffers events/)
  expect(text).toMatch(/\n {2}HAProxy:\n {4}# in the backend/)
})

test('each check that blames a proxy has a meaning, and lines for every proxy', () => {
  const checks = [
    ...['buffering', 'compression', 'idle', 'path', 'query', 'authorization', 'last-event-id', 'address', 'headers'],
    ...['ending', 'http-version'],
  ]
  expect(known.troubles.map(({check}) => check)).toEqual(checks)
  for (const {mend} of known.troubles) expect(Object.keys(mend).sort()).toEqual(known.proxies.map(({id}) => id).sort())
})
