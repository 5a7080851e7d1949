import { describe, expect, test } from 'vitest'
import { DAY_MS } from '../../../ts/model/time.ts'
import { itemCursor, readItemCursor, resumesFeed, resumesFile, resumesItems, waitingId } from '../../../ts/refresh/resume.ts'
import { checkpoint } from '../../support/builders.ts'
import { TEST_EPOCH } from '../../support/fake-clock.ts'

const WINDOW = { from: 0, to: DAY_MS }
const DUE = { strategy: 'batch', window: null, all: false, pending: 0 } as const
const ALL = { ...DUE, all: true }

describe('passes over entities', () => {
  const due = checkpoint({ cursor: itemCursor(false, 5) })
  const all = checkpoint({ cursor: itemCursor(true, 5) })

  test('go on when they are about the same', () => {
    expect(resumesItems(due, DUE)).toBe(true)
    expect(resumesItems(all, ALL)).toBe(true)
    expect(resumesItems({ ...all, window: WINDOW }, { ...ALL, window: { ...WINDOW } })).toBe(true)
  })

  test('begin anew when there is none, when it is over, or when it is about something else', () => {
    expect(resumesItems(undefined, DUE)).toBe(false)
    expect(resumesItems({ ...due, status: 'complete' }, DUE)).toBe(false)
    expect(resumesItems(due, { ...DUE, strategy: 'lookup' })).toBe(false)
    expect(resumesItems({ ...all, window: WINDOW }, { ...ALL, window: { from: 0, to: 2 * DAY_MS } })).toBe(false)
    expect(resumesItems({ ...all, window: WINDOW }, ALL)).toBe(false)
  })

  test('a forced refresh does not take up a pass over what was due: it would leave out what that one did', () => {
    expect(resumesItems(due, ALL)).toBe(false)
    expect(resumesItems(all, DUE)).toBe(false)
  })

  test('a status change that is open makes a pass over what is due begin anew, so that it does not wait for its end', () => {
    expect(resumesItems(due, { ...DUE, pending: 1 })).toBe(false)
    expect(resumesItems(all, { ...ALL, pending: 1 })).toBe(true)
  })

  test('a reconciled pass (no cursor) goes on by the ledger when it is over what is due', () => {
    expect(resumesItems(checkpoint({ cursor: null }), DUE)).toBe(true)
    expect(resumesItems(checkpoint({ cursor: null }), ALL)).toBe(false)
  })

  test('the cursor says how many were settled, of what', () => {
    expect(readItemCursor(itemCursor(true, 12))).toEqual({ all: true, settled: 12, waiting: new Map() })
    expect(readItemCursor(itemCursor(false, 0))).toEqual({ all: false, settled: 0, waiting: new Map() })
    for (const text of [
      null,
      '',
      'settled:5',
      'due:',
      'due:x',
      'due:-1',
      '{"slices":[]}',
      'due:5 {',
      'due:5 {"a":1}',
      'due:5 []',
    ])
      expect(readItemCursor(text)).toBeNull()
  })
})

describe('entities that wait for their next group', () => {
  test('are in the cursor, in whatever order, and nowhere when nobody waits', () => {
    const waiting = new Map([
      [waitingId({ kind: 'award', key: 'v1:a' }), 'grants'],
      [waitingId({ kind: 'award', key: 'v1:b' }), 'loans'],
      [waitingId({ kind: 'award', key: 'v1:c' }), 'grants'],
    ])
    expect(waiting.size).toBe(3)
    const cursor = itemCursor(false, 7, waiting)
    expect(cursor.startsWith('due:7 {')).toBe(true)
    expect(readItemCursor(cursor)).toEqual({ all: false, settled: 7, waiting })
    expect(itemCursor(false, 7, new Map())).toBe('due:7')
  })

  test('do not change which passes are gone on with', () => {
    const point = checkpoint({ cursor: itemCursor(true, 5, new Map([['0123456789abcdef', 'grants']])) })
    expect(resumesItems(point, ALL)).toBe(true)
    expect(resumesItems(point, DUE)).toBe(false)
  })
})

describe('walks of a feed', () => {
  const walk = (knownSince: number | null, window = WINDOW) =>
    checkpoint({
      strategy: 'feed',
      window,
      cursor: JSON.stringify({ slices: ['a'], page: null, pages: 1, marker: null, knownSince }),
    })

  test('the plan’s own walk goes on although its window ends elsewhere', () => {
    expect(resumesFeed(walk(5), null)).toBe(true)
  })

  test('a walk of the operator’s window goes on for that window only, and never as one that proves', () => {
    expect(resumesFeed(walk(null), { ...WINDOW })).toBe(true)
    expect(resumesFeed(walk(null), { from: 0, to: 2 * DAY_MS })).toBe(false)
    expect(resumesFeed(walk(null), null)).toBe(false)
    expect(resumesFeed(walk(5), WINDOW)).toBe(false)
  })

  test('without a place in it there is nothing to go on from', () => {
    expect(resumesFeed(undefined, null)).toBe(false)
    expect(resumesFeed({ ...walk(5), cursor: null }, null)).toBe(false)
    expect(resumesFeed({ ...walk(5), cursor: 'no json' }, null)).toBe(false)
    expect(resumesFeed({ ...walk(5), status: 'complete' }, null)).toBe(false)
    expect(resumesFeed({ ...walk(5), strategy: 'batch' }, null)).toBe(false)
  })
})

describe('file passes', () => {
  const pass = checkpoint({ strategy: 'file', cursor: '{"stage":"downloaded"}', passStartedAt: TEST_EPOCH })

  test('go on while the download is younger than the cadence', () => {
    expect(resumesFile(pass, TEST_EPOCH + DAY_MS - 1, DAY_MS)).toBe(true)
    expect(resumesFile(pass, TEST_EPOCH + DAY_MS, DAY_MS)).toBe(false)
    expect(resumesFile({ ...pass, cursor: null }, TEST_EPOCH, DAY_MS)).toBe(false)
    expect(resumesFile({ ...pass, status: 'complete' }, TEST_EPOCH, DAY_MS)).toBe(false)
    expect(resumesFile(undefined, TEST_EPOCH, DAY_MS)).toBe(false)
    // A part reads what was paid for all; a pass over a part goes on for that part alone.
    expect(resumesFile(pass, TEST_EPOCH, DAY_MS, '[null,5,null]')).toBe(true)
    const part = { ...pass, cursor: JSON.stringify({ stage: 'loaded', scope: '[null,5,null]' }) }
    expect(resumesFile(part, TEST_EPOCH, DAY_MS, '[null,5,null]')).toBe(true)
    expect(resumesFile(part, TEST_EPOCH, DAY_MS, '[null,6,null]')).toBe(false)
    expect(resumesFile(part, TEST_EPOCH, DAY_MS)).toBe(false)
  })
})
