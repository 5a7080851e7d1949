import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normalizeCompanyName, normalizePersonName } from '../../ts/adapters/shared/names.ts'
import { domainOf } from '../../ts/ingest/domains.ts'
import { grainKey } from '../../ts/ingest/grain.ts'
import { cleanText, INVALID, readAmount, readDate } from '../../ts/ingest/values.ts'
import { parseUtcDate } from '../../ts/model/time.ts'

const name = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom(
        'ACME',
        'co',
        'Inc.',
        'L.L.C.',
        'L',
        'C',
        'P',
        '&',
        'and',
        'Company',
        'ltd',
        ',',
        'Dr.',
        'PhD',
        'é',
        'Doe',
        'Jr',
      ),
      { maxLength: 8 },
    )
    .map((words) => words.join(' ')),
)

describe('names', () => {
  it('are the same after normalizing twice, and whatever the case and spacing', () => {
    fc.assert(
      fc.property(name, (text) => {
        const once = normalizeCompanyName(text)
        expect(normalizeCompanyName(once)).toBe(once)
        expect(normalizeCompanyName(`  ${once.toLowerCase().replaceAll(' ', '  ')} `)).toBe(once)
        expect(once).toMatch(/^$|^[\p{L}\p{N}]+( [\p{L}\p{N}]+)*$/u)
      }),
      { numRuns: 500 },
    )
  })

  it('of persons too', () => {
    fc.assert(
      fc.property(name, (text) => {
        const once = normalizePersonName(text)
        expect(normalizePersonName(once)).toBe(once)
        expect(once).not.toContain('|')
      }),
      { numRuns: 500 },
    )
  })
})

describe('cells', () => {
  it('are clean after cleaning once', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const once = cleanText(text)
        if (once === null) return
        expect(cleanText(once)).toBe(once)
        expect(once).toMatch(/^\S(.*\S)?$/su)
      }),
    )
  })

  it('amounts keep their value and have one spelling', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 15n }),
        fc.integer({ min: 0, max: 99 }),
        fc.boolean(),
        (dollars, cents, isNegative) => {
          const digits = `${dollars}.${String(cents).padStart(2, '0')}`
          const grouped = `$${dollars.toLocaleString('en-US')}.${String(cents).padStart(2, '0')}00`
          const amount = readAmount(isNegative ? `-${digits}` : digits)
          expect(amount).toBe(readAmount(isNegative ? `-${grouped}` : grouped))
          expect(readAmount(amount as string)).toBe(amount)
          expect(amount).toMatch(/^-?(0|[1-9]\d*)(\.\d*[1-9])?$/)
          expect(Number(amount)).toBeCloseTo((isNegative ? -1 : 1) * Number(digits), 1)
        },
      ),
    )
  })

  it("dates are the calendar's", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1950, max: 2199 }),
        fc.integer({ min: 0, max: 13 }),
        fc.integer({ min: 0, max: 32 }),
        (year, month, day) => {
          const two = (number: number): string => String(number).padStart(2, '0')
          const iso = `${year}-${two(month)}-${two(day)}`
          expect(readDate(iso)).toBe(parseUtcDate(iso) === null ? INVALID : iso)
          expect(readDate(`${month}/${day}/${year}`)).toBe(readDate(iso))
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('domains are registrable, lower case, and their own domain', () => {
    fc.assert(
      fc.property(fc.oneof(fc.webUrl({ withQueryParameters: true }), fc.domain(), fc.string()), (website) => {
        const domain = domainOf(website)
        if (domain === null) return
        expect(domainOf(`https://www.${domain}/x`)).toBe(domain)
        expect(domain).toMatch(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/)
      }),
      { numRuns: 500 },
    )
  })
})

describe('grain keys', () => {
  it('differ whenever a part differs beyond case and white space', () => {
    const part = fc.option(fc.string({ unit: fc.constantFrom('a', 'B', ' ', '|', '\u001f', '\t', '1'), maxLength: 4 }), {
      nil: null,
    })
    const grain = fc.record({
      recipient: part.map((text) => text ?? ''),
      agencyTrackingNumber: part,
      contract: part,
      agency: part,
      branch: part,
      phase: part,
      program: part,
      proposalAwardDate: part,
      solicitationNumber: part,
    })
    const folded = (value: Readonly<Record<string, string | null>>): string =>
      JSON.stringify(
        Object.values(value).map((text) =>
          (text ?? '')
            .replace(/[\s\u001f]+/g, ' ')
            .trim()
            .toUpperCase(),
        ),
      )
    fc.assert(
      fc.property(grain, grain, (a, b) => {
        expect(grainKey(a) === grainKey(b)).toBe(folded(a) === folded(b))
      }),
    )
  })
})
