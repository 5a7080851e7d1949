import { format, inspect } from 'node:util'
import { expect, test } from 'vitest'
import { Secret } from '../../../ts/runtime/secrets.ts'

const VALUE = 'canary-8f3a2b1c'
const secret = new Secret('SAM_API_KEY', VALUE)

test.each<[string, () => string]>([
  ['String()', () => String(secret)],
  ['template', () => `${secret}`],
  ['joining', () => ['', secret].join('')],
  ['JSON', () => JSON.stringify({ secret, list: [secret] })],
  ['inspect', () => inspect({ secret, map: new Map([['k', secret]]) }, { depth: 9, showHidden: true })],
  ['format', () => format('%s %o %j %O', secret, secret, secret, secret)],
  ['console of an error', () => inspect(new Error(`failed with ${secret}`, { cause: { secret } }), { depth: 9 })],
  ['keys and values', () => JSON.stringify([Object.entries(secret), Object.getOwnPropertyNames(secret), { ...secret }])],
  ['structured clone', () => inspect(structuredClone({ s: { ...secret } }))],
])('%s does not show it', (_name, render) => {
  expect(render()).not.toContain(VALUE)
})

test('it says whose it is, and reveals itself when asked to', () => {
  expect(String(secret)).toBe('[secret SAM_API_KEY]')
  expect(secret.name).toBe('SAM_API_KEY')
  expect(secret.reveal()).toBe(VALUE)
})
