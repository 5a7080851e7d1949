import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createScrubber, MIN_SECRET_LENGTH, REDACTED } from '../../ts/runtime/scrub.ts'
import { Secret } from '../../ts/runtime/secrets.ts'

const keyLike = fc
  .string({ minLength: MIN_SECRET_LENGTH, maxLength: 40, unit: fc.constantFrom(...'abcDEF019+/=-_.~!$&"\\<>% é') })
  .filter((value) => new Set(value).size > 3 && !REDACTED.includes(value))
const text = fc.string({ maxLength: 60 })

function scrubberOf(values: readonly string[]) {
  const scrubber = createScrubber()
  for (const value of values) scrubber.add(new Secret('KEY', value))
  return scrubber
}

const FORMS: Readonly<Record<string, (value: string) => string>> = {
  raw: (value) => value,
  encodeURIComponent: encodeURIComponent,
  'lower-case percent': (value) => encodeURIComponent(value).replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
  form: (value) => new URLSearchParams({ k: value }).toString().slice(2),
  json: (value) => JSON.stringify(value).slice(1, -1),
  'json in json': (value) => JSON.stringify(JSON.stringify(value)).slice(1, -1),
  base64: (value) => Buffer.from(value).toString('base64'),
  base64url: (value) => Buffer.from(value).toString('base64url'),
  hex: (value) => Buffer.from(value).toString('hex'),
}

describe.each(Object.entries(FORMS))('%s', (_name, form) => {
  test('is taken out, whatever is around it', () => {
    fc.assert(
      fc.property(keyLike, text, text, (value, before, after) => {
        const scrubbed = scrubberOf([value]).scrub(before + form(value) + after)
        expect(scrubbed).toContain(REDACTED)
        if (form(value).length > 8) expect(scrubbed.includes(form(value))).toBe(false)
      }),
    )
  })
})

test('base64 of a text with the key in it keeps nothing of the key, at any alignment', () => {
  fc.assert(
    fc.property(keyLike, text, text, (value, before, after) => {
      const scrubbed = scrubberOf([value]).scrub(Buffer.from(before + value + after).toString('base64'))
      expect(scrubbed).toContain(REDACTED)
      const left = scrubbed
        .split(REDACTED)
        .map((part) => Buffer.from(part, 'base64').toString('latin1'))
        .join('\0')
      expect(left.includes(Buffer.from(value).toString('latin1'))).toBe(false)
    }),
  )
})

test('chunks make no difference', () => {
  fc.assert(
    fc.property(
      fc.array(keyLike, { minLength: 1, maxLength: 3 }),
      fc.array(fc.oneof(text, fc.nat(8)), { maxLength: 12 }),
      fc.array(fc.nat(30), { maxLength: 40 }),
      (values, pieces, cuts) => {
        const scrubber = scrubberOf(values)
        const forms = Object.values(FORMS)
        const whole = pieces
          .map((piece, index) =>
            typeof piece === 'string' ? piece : forms[piece % forms.length]!(values[index % values.length]!),
          )
          .join('')
        const stream = scrubber.stream()
        let out = ''
        let at = 0
        for (const size of cuts) {
          out += stream.push(whole.slice(at, at + size))
          at += size
        }
        out += stream.push(whole.slice(at)) + stream.end()
        expect(out).toBe(scrubber.scrub(whole))
      },
    ),
    { numRuns: 500 },
  )
})

test('text without a secret is left alone', () => {
  fc.assert(
    fc.property(fc.string(), (plain) => {
      const scrubber = scrubberOf(['zzTOPsecretVALUE42'])
      expect(scrubber.scrub(plain)).toBe(plain)
    }),
  )
})
