// What the dashboard makes of the accounts that it is told.

import {expect, test, vi} from 'vitest'
import type {Delays, Sample} from '../src/dashboard/watch'

vi.stubGlobal('location', new URL('http://server:3000/'))
const {p99} = await import('../src/dashboard/watch')

const sample = (...counts: number[]): Sample => {
  const bounds = [1, 10, 100, null]
  const delays = counts.map((count, nth) => [bounds[nth] ?? null, count]) as Delays
  return {at: 0, byType: {}, total: 0, memory: null, delays, publishes: 0, deliveries: 0, opens: 0, ends: 0}
}

test('p99 is the bound that all but one in a hundred delays of the last minute stayed within', () => {
  expect(p99([])).toBeUndefined()
  expect(p99([sample(5, 0, 0, 0), sample(5, 0, 0, 0)])).toBeUndefined()
  expect(p99([sample(0, 0, 0, 0), sample(99, 0, 1, 0)])).toBe(1)
  expect(p99([sample(0, 0, 0, 0), sample(98, 0, 2, 0)])).toBe(100)
  expect(p99([sample(100, 0, 0, 0), sample(100, 0, 0, 1)])).toBeNull()
  const old = Array.from({length: 59}, () => sample(9, 9, 9, 9))
  expect(p99([sample(0, 0, 0, 0), ...old, sample(9, 10, 9, 9)])).toBe(10)
})
