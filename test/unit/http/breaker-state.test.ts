import { describe, expect, test } from 'vitest'
import {
  type BreakerState,
  CLOSED,
  clampToNow,
  fromJson,
  opened,
  permission,
  probing,
  toJson,
} from '../../../ts/http/breaker-state.ts'

const NOW = 1_000_000
const MONO = { ms: 500, boot: 'a' }
const failing = opened('failures', 'HTTP 503', 'k1', NOW, NOW + 30_000)
const refused = opened('auth', 'HTTP 403', 'k1', NOW, NOW + 900_000)
const probed = probing(failing, { holder: 'p', boot: 'a', untilMs: 1_500 })

describe('what is permitted', () => {
  test.each<[string, BreakerState, string, number, { ms: number; boot: string }, string, number?]>([
    ['closed', CLOSED, 'k1', NOW, MONO, 'send'],
    ['open', failing, 'k1', NOW + 29_999, MONO, 'wait', NOW + 30_000],
    ['open, cooled down', failing, 'k1', NOW + 30_000, MONO, 'probe'],
    ['open for failures does not care for the key', failing, 'k2', NOW, MONO, 'wait', NOW + 30_000],
    ['refused key', refused, 'k1', NOW + 1, MONO, 'wait', NOW + 900_000],
    ['another key', refused, 'k2', NOW + 1, MONO, 'send'],
    ['probe under way', probed, 'k1', NOW + 60_000, MONO, 'wait', NOW + 61_000],
    ['probe whose lease ran out', probed, 'k1', NOW + 60_000, { ms: 1_500, boot: 'a' }, 'probe'],
    ['probe of another boot', probed, 'k1', NOW + 60_000, { ms: 0, boot: 'b' }, 'probe'],
    ['clock set back an hour', failing, 'k1', NOW - 3_600_000, MONO, 'wait', NOW - 3_600_000 + 30_000],
    ['clock set forward', failing, 'k1', NOW + 3_600_000, MONO, 'probe'],
  ])('%s', (_name, state, credential, now, monotonic, kind, until) => {
    const allowed = permission(state, credential, now, monotonic)
    expect(allowed.kind).toBe(kind)
    if (allowed.kind === 'wait') expect(allowed.until).toBe(until)
  })
})

test('a clamp never lengthens and leaves the past alone', () => {
  if (failing.kind !== 'open') throw new Error('open')
  expect(clampToNow(failing, NOW)).toBe(failing)
  expect(clampToNow(failing, NOW - 10)).toMatchObject({ openedAt: NOW - 10, until: NOW + 29_990 })
})

test('states survive the store', () => {
  for (const state of [CLOSED, failing, refused, probed])
    expect(fromJson(JSON.parse(JSON.stringify(toJson(state))))).toEqual(state)
})

test.each([
  undefined,
  null,
  1,
  'open',
  [],
  {},
  { kind: 'open' },
  { kind: 'open', cause: 'x', openedAt: 1, until: 2, reason: '' },
  { kind: 'half_open', openedAt: 'x' },
])('%j reads as closed', (value) => {
  expect(fromJson(value as never)).toEqual(CLOSED)
})

test('half-open without a readable probe reads as open', () => {
  expect(fromJson({ ...toJson(probed), probe: 7 })).toMatchObject({ kind: 'open' })
  expect(fromJson({ ...toJson(probed), probe: { holder: 'x' } })).toMatchObject({ kind: 'open' })
})

test('a closed breaker cannot be probed', () => expect(probing(CLOSED, { holder: 'p', boot: 'a', untilMs: 1 })).toBe(CLOSED))
