import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import type { CredentialSpec } from '../../../ts/adapters/adapter.ts'
import { resolveCredentials } from '../../../ts/http/credentials.ts'

const HEADER: CredentialSpec = { name: 'api_key', placement: { in: 'header', name: 'X-Api-Key' }, required: true }
const OPTIONAL: CredentialSpec = { name: 'token', placement: { in: 'query', name: 'token' }, required: false }
const base = {
  source: 'sam_gov',
  specs: [HEADER, OPTIONAL],
  config: { api_key: { env: 'SAM_API_KEY' } },
  env: () => undefined,
  isLoopback: false,
}

test('a value from the environment is placed, trimmed and opaque', () => {
  const found = resolveCredentials({ ...base, env: (name) => (name === 'SAM_API_KEY' ? ' abcdef123456\n' : undefined) })
  if (!found.ok) throw new Error(found.message)
  expect(found.placed).toHaveLength(1)
  expect(found.placed[0]?.secret.reveal()).toBe('abcdef123456')
  expect(inspect(found, { depth: 9 }) + JSON.stringify(found)).not.toContain('abcdef123456')
})

test('a missing required one names the variable to set', () => {
  expect(resolveCredentials(base)).toEqual({
    ok: false,
    message: expect.stringContaining('set the environment variable SAM_API_KEY'),
  })
  expect(resolveCredentials({ ...base, config: {} })).toEqual({
    ok: false,
    message: expect.stringContaining('enrichment.sam_gov.credentials.api_key.env'),
  })
})

test('a missing optional one is left out', () => {
  expect(resolveCredentials({ ...base, specs: [OPTIONAL] })).toEqual({ ok: true, placed: [] })
  expect(resolveCredentials({ ...base, specs: [OPTIONAL], config: { token: { env: 'TOKEN' } } })).toEqual({
    ok: true,
    placed: [],
  })
})

test('loopback_value counts on loopback only, and only without the variable', () => {
  const config = { api_key: { env: 'SAM_API_KEY', loopback_value: 'demo' } }
  expect(resolveCredentials({ ...base, config, isLoopback: true })).toMatchObject({ ok: true, placed: [{ isPublic: true }] })
  expect(resolveCredentials({ ...base, config, isLoopback: false }).ok).toBe(false)
  const withEnv = resolveCredentials({ ...base, config, isLoopback: true, env: () => 'real-key-123' })
  expect(withEnv).toMatchObject({ ok: true, placed: [{ isPublic: false }] })
})

test.each([
  ['abc', 'shorter than'],
  ['abc def 12345', 'characters that no key has'],
  ['abcdef\r\nHost: evil', 'characters that no key has'],
  ['schlüssel-123', 'characters that no key has'],
])('%j is refused without being repeated', (value, why) => {
  const found = resolveCredentials({ ...base, env: () => value })
  expect(found).toEqual({ ok: false, message: expect.stringContaining(why) })
  expect(JSON.stringify(found)).not.toContain(value)
})
