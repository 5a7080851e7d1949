import { describe, expect, test } from 'vitest'
import { createScrubber, REDACTED } from '../../../ts/runtime/scrub.ts'
import { Secret } from '../../../ts/runtime/secrets.ts'

const VALUE = 'k3y/+&"é ok'

function scrubber(...values: string[]) {
  const made = createScrubber()
  for (const value of values) made.add(new Secret('K', value))
  return made
}

test.each([
  ['raw', VALUE],
  ['encodeURIComponent', encodeURIComponent(VALUE)],
  ['encodeURIComponent in lower case', encodeURIComponent(VALUE).toLowerCase()],
  ['URLSearchParams', new URLSearchParams({ a: VALUE }).toString().slice(2)],
  ['JSON', JSON.stringify(VALUE).slice(1, -1)],
  ['JSON in ASCII', JSON.stringify(VALUE).slice(1, -1).replace('é', '\\u00e9')],
  ['JSON in JSON', JSON.stringify(JSON.stringify({ a: VALUE }))],
  ['JSON with escaped slashes', JSON.stringify(VALUE).slice(1, -1).replaceAll('/', '\\/')],
  ['JSON as Go and Gson write it', JSON.stringify(VALUE).slice(1, -1).replace('&', '\\u0026')],
  ['JSON as PHP writes it for HTML', VALUE.replace('&', '\\u0026').replace('"', '\\u0022')],
  ['HTML', VALUE.replace('&', '&amp;').replace('"', '&quot;')],
  ['base64', Buffer.from(VALUE).toString('base64')],
  ['base64url', Buffer.from(VALUE).toString('base64url')],
  ['basic authentication', Buffer.from(`user:${VALUE}`).toString('base64')],
  ['basic authentication, shifted', Buffer.from(`u:${VALUE}`).toString('base64')],
  ['hex', Buffer.from(VALUE).toString('hex')],
  ['HEX', Buffer.from(VALUE).toString('hex').toUpperCase()],
])('%s', (_name, form) => {
  const scrubbed = scrubber(VALUE).scrub(`before ${form} after`)
  expect(scrubbed).toContain(REDACTED)
  expect(scrubbed).not.toContain(form)
  expect(scrubbed).toMatch(/^before .* after$/)
})

test('long texts are scrubbed too', () => {
  expect(scrubber('abcdef123').scrub(`${'x'.repeat(100_000)}abcdef123`)).toBe('x'.repeat(100_000) + REDACTED)
})

test('of two secrets with one beginning the longer is taken whole', () => {
  expect(scrubber('abcdef', 'abcdef123456').scrub('abcdef123456 abcdef')).toBe(`${REDACTED} ${REDACTED}`)
})

test('a value too short to be told from words is not taken', () => {
  const made = createScrubber()
  expect(made.add(new Secret('K', 'short'))).toBe(false)
  expect(made.scrub('a short word')).toBe('a short word')
  expect(made.add(new Secret('K', 'longer'))).toBe(true)
})

test('special characters of patterns are only characters', () => {
  const value = '.*[a-z]+(x|y)?^$\\{2}'
  expect(scrubber(value).scrub(`1${value}2`)).toBe(`1${REDACTED}2`)
  expect(scrubber(value).scrub('anything at all')).toBe('anything at all')
})

describe('streams', () => {
  test('a secret in pieces of one character', () => {
    const stream = scrubber('abcdef123').stream()
    const out = [...'say abcdef123!'].map((char) => stream.push(char)).join('') + stream.end()
    expect(out).toBe(`say ${REDACTED}!`)
  })
  test('text is not held back for longer than a secret could be', () => {
    const stream = scrubber('abcdef123').stream()
    expect(stream.push('x'.repeat(1_000)).length).toBeGreaterThan(900)
    expect(stream.end()).not.toBe('')
  })
  test('without secrets nothing is held back', () => expect(createScrubber().stream().push('abc')).toBe('abc'))
  test('the beginning of a secret at the end is let go', () => {
    const stream = scrubber('abcdef123').stream()
    expect(stream.push('abcde') + stream.end()).toBe('abcde')
  })
})
