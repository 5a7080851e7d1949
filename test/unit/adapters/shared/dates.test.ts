import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { calendarDate, nextUtcMidnight, parseInstant, toUsDate } from '../../../../ts/adapters/shared/dates.ts'

describe('calendarDate', () => {
  it.each([
    ['2023-10-19', '2023-10-19'],
    ['2019-10-27 20:06:44', '2019-10-27'],
    ['2025-08-23 00:00:00', '2025-08-23'],
    ['2026-04-24T23:59:59Z', '2026-04-24'],
    ['2026-04-24T23:59:59.123-05:00', '2026-04-24'],
    ['05/18/2026', '2026-05-18'],
    ['5/8/2026', '2026-05-08'],
    [' 2023-10-19 ', '2023-10-19'],
    ['2024-02-29', '2024-02-29'],
  ])('reads %s', (text, day) => {
    expect(calendarDate(text)).toBe(day)
  })

  it.each([
    '2023-02-29',
    '13/01/2026',
    '2026-13-01',
    '12/31',
    '20231019',
    'yesterday',
    '',
    '2026-Sep-09',
    '2023-10-19 nonsense',
    '0',
  ])('refuses %s', (text) => {
    expect(calendarDate(text)).toBeNull()
  })

  it('takes every real day of the calendar and no other', () => {
    const day = fc.tuple(fc.integer({ min: 1900, max: 2199 }), fc.integer({ min: 0, max: 13 }), fc.integer({ min: 0, max: 32 }))
    fc.assert(
      fc.property(day, ([year, month, date]) => {
        const text = `${year}-${String(month).padStart(2, '0')}-${String(date).padStart(2, '0')}`
        const at = new Date(Date.UTC(year, month - 1, date))
        const isReal = at.getUTCMonth() === month - 1 && at.getUTCDate() === date
        expect(calendarDate(text)).toBe(isReal ? text : null)
      }),
    )
  })

  it('refuses what is no text', () => {
    for (const value of [null, undefined, 20231019, true, [], {}]) expect(calendarDate(value)).toBeNull()
  })
})

describe('parseInstant', () => {
  it.each([
    ['2026-Sep-09 00:00:00+0000 UTC', '2026-09-09T00:00:00Z'],
    ['2026-Sep-09 07:30:15 UTC', '2026-09-09T07:30:15Z'],
    ['2026-Sep-09 00:00:00-0500', '2026-09-09T05:00:00Z'],
    ['2026-04-24T00:00:00Z', '2026-04-24T00:00:00Z'],
    ['2026-04-24T00:00:00+02:00', '2026-04-23T22:00:00Z'],
    ['2019-10-27 20:06:44', '2019-10-27T20:06:44Z'],
    ['2019-10-27', '2019-10-27T00:00:00Z'],
    ['10/27/2019', '2019-10-27T00:00:00Z'],
    ['Wed, 21 Oct 2015 07:28:00 GMT', '2015-10-21T07:28:00Z'],
  ])('reads %s', (text, iso) => {
    expect(parseInstant(text)).toBe(Date.parse(iso))
  })

  it.each([
    '2026-Foo-09 00:00:00+0000 UTC',
    '2026-Feb-30 00:00:00',
    '2026-04-24T25:00:00Z',
    '2026-04-24T00:61:00Z',
    'Wed, 32 Oct 2015 07:28:00 GMT',
    '120',
    'never',
  ])('refuses %s', (text) => {
    expect(parseInstant(text)).toBeNull()
  })

  it('reads back every instant that can be written, and throws for no text', () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date(Date.UTC(2199, 0, 1)), noInvalidDate: true }), (date) => {
        const seconds = Math.floor(date.getTime() / 1000) * 1000
        expect(parseInstant(new Date(seconds).toISOString())).toBe(seconds)
        expect(parseInstant(new Date(seconds).toUTCString())).toBe(seconds)
      }),
    )
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => [parseInstant(text), calendarDate(text)]).not.toThrow()
      }),
    )
  })
})

describe('days of requests and quotas', () => {
  it('writes a US date', () => {
    expect(toUsDate(Date.UTC(2023, 9, 1, 23, 59))).toBe('10/01/2023')
  })

  it('goes to the next day even from its very start', () => {
    expect(nextUtcMidnight(Date.UTC(2026, 10, 21))).toBe(Date.UTC(2026, 10, 22))
    expect(nextUtcMidnight(Date.UTC(2026, 11, 31, 23, 59, 59))).toBe(Date.UTC(2027, 0, 1))
  })
})
