// Snippets that can be pasted: what a shell and what each language makes of the quoting.

import {execFileSync} from 'node:child_process'
import {expect, test, vi} from 'vitest'

vi.stubGlobal('location', new URL('http://server:3000/'))
const {snippet} = await import('../src/lib/snippets')
const {requestOf, FORMS} = await import('../src/console/forms')

const CALL = {method: 'POST', path: '/notifications/send?targetUserId=o%27hara', token: 't', body: `{"title":"it's \\"so\\""}`}

test('a shell hands curl exactly what was meant', () => {
  const line = snippet('curl', CALL).replace(/^curl/, `node -p 'JSON.stringify(process.argv.slice(1))' --`)
  const given = JSON.parse(execFileSync('sh', ['-c', line], {encoding: 'utf8'})) as string[]
  expect(given).toContain(CALL.body)
  expect(given).toContain('Authorization: Bearer t')
  expect(given[0]).toMatch(/\/notifications\/send\?targetUserId=o%27hara$/)
})

test('python compiles what it is given', () => {
  for (const call of [CALL, {method: 'GET', path: '/chat/stream', token: 't', stream: true, lastEventId: 'a-1'}]) {
    execFileSync('python3', ['-c', 'import ast, sys; ast.parse(sys.stdin.read())'], {input: snippet('Python', call)})
  }
})

test('javascript parses what it is given', () => {
  for (const call of [CALL, {method: 'GET', path: '/chat/stream', token: 't', stream: true}]) {
    execFileSync('node', ['--input-type=module', '--check'], {input: snippet('JavaScript', call)})
  }
})

test('a field left empty is left out, and one that is no JSON is told', () => {
  const form = FORMS.find(({key}) => key === 'send')
  if (!form) throw new Error('the form is gone')
  expect(requestOf(form, {title: 'T', message: 'M', targetUserId: '', metadata: ''}, undefined)).toEqual({
    method: 'POST',
    path: '/notifications/send',
    token: undefined,
    body: '{"title":"T","message":"M"}',
  })
  expect(requestOf(form, {title: 'T', message: 'M', targetUserId: 'a b', metadata: '{"x":1}'}, 't')).toMatchObject({
    path: '/notifications/send?targetUserId=a+b',
    body: '{"title":"T","message":"M","metadata":{"x":1}}',
  })
  expect(requestOf(form, {title: 'T', message: 'M', metadata: '{'}, 't')).toHaveProperty('problem')
})
