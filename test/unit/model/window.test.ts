import { describe, expect, test } from 'vitest'
import { DAY_MS } from '../../../ts/model/time.ts'
import { formatWindow, isInWindow, parseWindow, type Window } from '../../../ts/model/window.ts'

function window(text: string): Window {
  const parsed = parseWindow(text)
  if ('problem' in parsed) throw new Error(parsed.problem)
  return parsed
}

describe('parseWindow', () => {
  test('both days are included: the window ends where the next day begins', () => {
    expect(window('2023-10-01:2023-10-07')).toEqual({ from: Date.UTC(2023, 9, 1), to: Date.UTC(2023, 9, 8) })
  })

  test('one day alone is a window of that day', () => {
    expect(window('2023-10-01')).toEqual(window('2023-10-01:2023-10-01'))
    expect(window('2023-10-01').to - window('2023-10-01').from).toBe(DAY_MS)
  })

  test.each([
    '',
    ':',
    'x',
    '2023-10-01:',
    ':2023-10-01',
    '2023-10-01:2023-10-32',
    '2023-10-01:2023-10-02:2023-10-03',
    '2023-10-01..2023-10-02',
  ])('"%s": says how to write it', (text) => {
    expect(parseWindow(text)).toEqual({
      problem: `"${text}" is not a window; write it as 2023-10-01:2023-10-07 (both days included, UTC)`,
    })
  })

  test('the wrong way round: says so', () => {
    expect(parseWindow('2023-10-07:2023-10-01')).toEqual({
      problem: 'window "2023-10-07:2023-10-01" ends before it begins; swap the two days',
    })
  })
})

describe('isInWindow', () => {
  test('the beginning is in, the end is not', () => {
    const days = window('2023-10-01:2023-10-07')
    expect([days.from - 1, days.from, days.to - 1, days.to].map((at) => isInWindow(days, at))).toEqual([false, true, true, false])
  })
})

test('formatWindow is the inverse for whole days', () => {
  expect(formatWindow(window('2023-10-01:2023-10-07'))).toBe('2023-10-01:2023-10-07')
})
