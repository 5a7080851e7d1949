import { describe, expect, it } from 'vitest'
import { classifyByStatus, retryAfter } from '../../../../ts/adapters/shared/classify.ts'
import type { ResponseView } from '../../../../ts/model/response.ts'

const AT = Date.UTC(2026, 10, 21)

function view(status: number, parts: Partial<ResponseView> = {}): ResponseView {
  return { status, headers: {}, text: '', json: undefined, receivedAt: AT, ...parts }
}

describe('classifyByStatus', () => {
  it.each([
    [204, 'malformed'],
    [301, 'invalid_request'],
    [304, 'not_modified'],
    [307, 'invalid_request'],
    [400, 'invalid_request'],
    [401, 'auth'],
    [403, 'auth'],
    [404, 'not_found'],
    [406, 'invalid_request'],
    [408, 'transient'],
    [409, 'invalid_request'],
    [410, 'invalid_request'],
    [422, 'invalid_request'],
    [425, 'transient'],
    [429, 'rate_limited'],
    [500, 'transient'],
    [503, 'transient'],
    [520, 'transient'],
  ])('%d without a body is %s', (status, expected) => {
    expect(classifyByStatus(view(status)).class).toBe(expected)
  })

  it('takes JSON with 2xx as an answer, `null` included', () => {
    expect(classifyByStatus(view(200, { json: null })).class).toBe('ok')
    expect(classifyByStatus(view(200, { text: '<html>', headers: { 'content-type': 'text/html' } }))).toEqual({
      class: 'malformed',
      reason: 'HTTP 200 without a JSON body (text/html, begins "<html>")',
    })
  })

  it('obeys Retry-After as seconds and as a date, never before now', () => {
    expect(retryAfter(view(429, { headers: { 'retry-after': '120' } }))).toBe(AT + 120_000)
    expect(retryAfter(view(429, { headers: { 'retry-after': 'Sat, 21 Nov 2026 01:00:00 GMT' } }))).toBe(AT + 3_600_000)
    expect(retryAfter(view(429, { headers: { 'retry-after': 'Sat, 21 Nov 2020 01:00:00 GMT' } }))).toBe(AT)
    expect(retryAfter(view(429, { headers: { 'retry-after': 'soon' } }))).toBeNull()
    expect(retryAfter(view(429))).toBeNull()
    expect(classifyByStatus(view(503, { headers: { 'retry-after': '60' } }))).toMatchObject({
      class: 'transient',
      until: AT + 60_000,
    })
  })

  it('repeats what the provider said, clipped', () => {
    expect(classifyByStatus(view(422, { json: { detail: "Field 'limit' value '101' is above max '100'" } })).reason).toBe(
      "HTTP 422: Field 'limit' value '101' is above max '100'",
    )
    expect(classifyByStatus(view(400, { json: { error: { code: 'BAD', message: 'no\nway' } } })).reason).toBe(
      'HTTP 400: no way; BAD',
    )
    expect(classifyByStatus(view(400, { json: { message: 'x'.repeat(5_000) } })).reason.length).toBeLessThan(240)
  })
})
