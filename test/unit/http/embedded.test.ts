import { afterEach, describe, expect, test } from 'vitest'
import { type EmbeddedHandler, type EmbeddedRequest, embeddedName } from '../../../ts/runtime/embedded.ts'
import { type Harness, openHarness, plainAdapter } from '../../support/http-client.ts'

const open: Harness[] = []
afterEach(async () => {
  for (const harness of open.splice(0)) await harness.close()
})

async function harness(handler: EmbeddedHandler, http: Record<string, unknown> = {}): Promise<Harness> {
  const made = await openHarness('embedded:numbers', {
    adapter: plainAdapter({ credentials: [] }),
    source: { credentials: {} },
    http,
    policy: { timeout: '100ms' },
    deps: { embedded: { numbers: handler } },
  })
  open.push(made)
  return made
}

test.each([
  ['embedded:ip-data', 'ip-data'],
  ['embedded:dns', 'dns'],
  ['embedded:', null],
  ['embedded:Ip', null],
  ['embedded:a/b', null],
  ['https://embedded:1', null],
])('%s names %s', (url, name) => expect(embeddedName(url)).toBe(name))

describe('an embedded provider', () => {
  test('is asked through the same pipeline: decoded question, quota, classes', async () => {
    const asked: EmbeddedRequest[] = []
    const { call, store } = await harness(async (request) => {
      asked.push(request)
      return { status: 200, json: { asn: 64496 } }
    })
    const result = await call({ method: 'POST', path: '/asn/2001%3Adb8', query: [['q', 'a b&c']], json: { ips: [1] } })
    expect(result).toMatchObject({
      kind: 'answer',
      classified: { class: 'ok' },
      view: { status: 200, json: { asn: 64496 } },
      stats: { calls: 1 },
    })
    expect(asked).toMatchObject([{ method: 'POST', path: '/asn/2001%3Adb8', json: { ips: [1] } }])
    expect(asked[0]?.query.get('q')).toBe('a b&c')
    expect(store.counts).toMatchObject({ acquired: 1, released: 1, refunded: 0 })
  })

  test('says by status what a provider would', async () => {
    const { call } = await harness(async () => ({ status: 404, json: {} }))
    expect(await call()).toMatchObject({ classified: { class: 'not_found' } })
  })

  test('that throws is tried again, like a connection that broke; its message is not repeated', async () => {
    let calls = 0
    const { call } = await harness(() => {
      calls += 1
      throw new Error('secret detail')
    })
    const result = await call()
    expect(result).toMatchObject({
      classified: { class: 'transient', reason: expect.stringContaining('embedded provider failed') },
    })
    expect(JSON.stringify(result)).not.toContain('secret detail')
    expect(calls).toBe(3)
  })

  test('has a deadline, and hears of it', async () => {
    let aborted = 0
    const { call } = await harness(
      ({ signal }) =>
        new Promise(() => {
          signal.addEventListener('abort', () => {
            aborted += 1
          })
        }),
    )
    expect(await call()).toMatchObject({ classified: { class: 'transient', reason: expect.stringContaining('100 ms') } })
    expect(aborted).toBe(3)
  })

  test('may not answer more than any other', async () => {
    const { call } = await harness(async () => ({ status: 200, json: 'x'.repeat(2_000) }), { max_body_bytes: 1_000 })
    expect(await call()).toMatchObject({ classified: { class: 'malformed' } })
  })

  test('that is not there is a mistake of the configuration, told as such', async () => {
    const made = await openHarness('embedded:letters', {
      adapter: plainAdapter({ credentials: [] }),
      source: { credentials: {} },
    })
    open.push(made)
    expect(await made.call()).toMatchObject({
      classified: { class: 'invalid_request', reason: expect.stringContaining('no embedded provider "letters"') },
      stats: { calls: 0 },
    })
  })
})
