import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytes, duration, instant, jsonChange, jsonValue, number, percent, plainText, plural } from '../../../ts/cli/format.ts'
import { wrap } from '../../../ts/cli/help.ts'
import { displayWidth, formatTable } from '../../../ts/cli/table.ts'

describe('values for people', () => {
  it('are short and exact enough', () => {
    expect(number(1234567)).toBe('1,234,567')
    expect(duration(null)).toBe('-')
    expect(duration(850)).toBe('850ms')
    expect(duration(200_000)).toBe('3m 20s')
    expect(duration(100_800_000)).toBe('1d 4h')
    expect(duration(-5)).toBe('0ms')
    expect(instant(Date.UTC(2026, 10, 21, 3, 4, 59))).toBe('2026-11-21 03:04Z')
    expect(instant(null)).toBe('-')
    expect(bytes(812)).toBe('812 B')
    expect(bytes(91_000_000)).toBe('91.0 MB')
    expect(plural(1, 'entry', 'entries')).toBe('1 entry')
    expect(plural(2000, 'entry', 'entries')).toBe('2,000 entries')
    expect(jsonValue('x'.repeat(100), 10)).toBe('"xxxxxxxx…')
  })

  it('show where long texts differ', () => {
    const long = 'RADIATION-HARDENED MEMBRANE FOR AUTONOMOUS VEHICLES IN ORBIT, PHASE'
    expect(jsonChange('a', 'b')).toBe('"a" -> "b"')
    expect(jsonChange(`${long} ONE`, `${long} TWO`)).toBe('…N ORBIT, PHASE ONE" -> …N ORBIT, PHASE TWO"')
    expect(jsonChange(null, 'x'.repeat(100), 10)).toBe('null -> "xxxxxxxx…')
    expect(jsonChange({ a: 1 }, [])).toBe('{"a":1} -> []')
  })

  it('round coverage down, so that 100 % means all', () => {
    expect(percent(1)).toBe('100.0 %')
    expect(percent(0.99999)).toBe('99.9 %')
    expect(percent(0.29)).toBe('29.0 %')
  })

  it('never hold what a terminal would act on', () => {
    expect(plainText('a\u001b[31mred\u001b[0m\u0007\nnext\u202egnp.exe')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(plainText(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/)
      }),
    )
  })
})

describe('tables', () => {
  const shape = [
    { title: 'name', value: (row: readonly [string, number]) => row[0], flexible: true },
    { title: 'n', value: (row: readonly [string, number]) => String(row[1]), align: 'right' as const },
  ]

  it('align columns by what is displayed', () => {
    expect(
      formatTable(
        [
          ['a', 5],
          ['日本', 12345],
        ],
        shape,
        null,
      ),
    ).toBe('name      n\na         5\n日本  12345\n')
  })

  it('keep one line per row whatever is in a cell', () => {
    const text = formatTable([['a\nb\u001b[2J\tc', 1]], shape, null)
    expect(text.split('\n')).toHaveLength(3)
    expect(text).not.toContain('\u001b')
  })

  it('shorten flexible columns for a terminal, and nothing for a pipe', () => {
    const row = ['x'.repeat(200), 1] as const
    expect(formatTable([row], shape, 40).split('\n')[1]!.length).toBe(40)
    expect(formatTable([row], shape, 40)).toContain('…')
    expect(formatTable([row], shape, null)).toContain('x'.repeat(200))
  })

  it('never get wider than the terminal when there is room to give', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.nat()), { maxLength: 5 }),
        fc.integer({ min: 40, max: 120 }),
        (rows, columns) => {
          for (const line of formatTable(rows, shape, columns).split('\n'))
            expect(displayWidth(line)).toBeLessThanOrEqual(columns)
        },
      ),
    )
  })
})

describe('wrap', () => {
  it('breaks at spaces and keeps long words and paragraphs', () => {
    expect(wrap('aaa bbb ccc', 30)).toBe('aaa bbb ccc')
    expect(
      wrap(`${'word '.repeat(10)}end`, 30)
        .split('\n')
        .every((line) => line.length <= 30),
    ).toBe(true)
    expect(wrap(`${'y'.repeat(50)} z`, 30)).toBe(`${'y'.repeat(50)}\nz`)
    expect(wrap('a\nb', 30)).toBe('a\nb')
  })

  it('are listed value by value where a terminal is too narrow for them', () => {
    const columns = ['source', 'entities in all', 'of which are due', ''].map((title, at) => ({
      title,
      value: (row: readonly string[]) => row[at]!,
    }))
    const rows = [['sam_gov', '40', '29', 'BELOW 90.0 %'] as const, ['dns', '18', '', 'ok'] as const]
    expect(formatTable(rows, columns, 40)).toBe(
      'sam_gov\n  entities in all: 40\n  of which are due: 29\n  BELOW 90.0 %\ndns\n  entities in all: 18\n  ok\n',
    )
    expect(formatTable(rows, columns, 80)).toMatch(/^source +entities in all/)
  })
})
