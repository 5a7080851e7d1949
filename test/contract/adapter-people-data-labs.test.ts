import { describe, expect, it } from 'vitest'
import type { Answer, Target } from '../../ts/adapters/adapter.ts'
import { peopleDataLabs } from '../../ts/adapters/people-data-labs.ts'
import type { Entity } from '../../ts/model/entity.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../ts/model/json.ts'
import type { ResponseClass } from '../../ts/model/response.ts'
import { type EmptyReading, readingsOf } from './adapter-readings.ts'
import { adapterSuite, type ErrorCase, type RecordedCase, type RecordPair } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recordedView, recording, recordingNames, viewOf } from './recorded.ts'

const PROVIDER = 'pdl'
const CONTEXT = { now: RECEIVED_AT, options: peopleDataLabs.options.parse({}) as JsonObject }
const NEXT_MONTH = Date.UTC(2026, 11, 1) - RECEIVED_AT
const ID = 'qWjyEydGMozLkaOMBNmiHE_0000'

const company = (attributes: JsonObject = {}): Entity => ({
  kind: 'company',
  key: 'uei:AAAAAAAAAAA1',
  attributes: {
    name: 'People Data Labs, Inc.',
    domain: 'peopledatalabs.com',
    city: 'San Francisco',
    state: 'CA',
    zip: '94105',
    ...attributes,
  },
  aliases: [],
})
const person = (key = 'pi:AUTUMN ANDREWS|uei:AAAAAAAAAAA1', name = 'Autumn Andrews'): Entity => ({
  kind: 'person',
  key,
  attributes: { name, company_name: 'Russell, Alvarez and Morgan', company_key: 'uei:AAAAAAAAAAA1' },
  aliases: [],
})
const target = (entity: Entity, providerKey: string | null = null): Target => ({
  entity,
  providerKey,
  validators: { etag: null, lastModified: null },
})

/** Every recording with the request that it answers. A new file without a line here fails the test. */
const EXPECTED: Readonly<Record<string, { readonly label: string; readonly class: ResponseClass; readonly status?: number }>> = {
  'company-enrich-200-v1': { label: 'company.enrich', class: 'ok' },
  'company-enrich-200-v2': { label: 'company.enrich', class: 'ok' },
  'error-401': { label: 'company.enrich', class: 'auth', status: 401 },
  'error-402': { label: 'person.bulk', class: 'quota_exhausted', status: 402 },
  'error-429': { label: 'person.bulk', class: 'rate_limited', status: 429 },
  // Headers alone; they are read below.
  'headers-production': { label: 'company.enrich', class: 'ok' },
  'person-bulk-200-mixed': { label: 'person.bulk', class: 'ok' },
  'person-changelog-200': { label: 'person.enrich', class: 'ok' },
  'person-enrich-200': { label: 'person.enrich', class: 'ok' },
  'person-enrich-400': { label: 'person.enrich', class: 'invalid_request' },
  'person-enrich-404': { label: 'person.enrich', class: 'not_found' },
  'person-identify-200': { label: 'person.enrich', class: 'ok' },
}

type Exchange = { readonly status: number; readonly headers: Record<string, string>; readonly body: JsonValue }
function view(name: string) {
  const content = recording(PROVIDER, name)
  if (isJsonObject(content) && 'request' in content) {
    const { status, headers, body } = content as unknown as Exchange
    return viewOf({ status, headers, body })
  }
  return viewOf({ status: EXPECTED[name]!.status ?? 200, body: content })
}

const recordOf = (answer: Answer): JsonObject => {
  if (answer.kind !== 'record') throw new Error(JSON.stringify(answer))
  return answer.record
}
const STUDIES = {
  id: ID,
  full_name: 'autumn andrews',
  job_company_name: 'Russell, Alvarez and Morgan',
  education: [
    { school: { name: 'a' }, degrees: ['bachelors', 'masters'], majors: ['physics', 'optics'], end_date: '2001' },
    { school: { name: 'b' }, degrees: ['doctorates'], majors: [], end_date: '2005' },
  ],
} satisfies JsonObject
const personRecord = (data: JsonObject): JsonObject =>
  recordOf(peopleDataLabs.lookup!.parse(viewOf({ body: { status: 200, likelihood: 8, data } }), target(person()), CONTEXT))
const companyRecord = (body: JsonObject): JsonObject =>
  recordOf(peopleDataLabs.lookup!.parse(viewOf({ body }), target(company()), CONTEXT))

const BODY = {
  status: 200,
  id: 'tnHcNHbCv8MKeLh92946LAkX6PKg',
  name: 'people data labs',
  website: 'peopledatalabs.com',
  employee_count: 84,
  industry: 'computer software',
  naics: [{ naics_code: '541715' }],
  location: { locality: 'san francisco', geo: '1,2' },
  locations: [
    { name: 'a', geo: '1,2', last_seen: '2025-01-01' },
    { name: 'b', geo: '1,2', last_seen: '2025-01-01' },
  ],
  likelihood: 6,
} satisfies JsonObject

const reads = readingsOf(peopleDataLabs, CONTEXT)
const READ_BY: Readonly<Record<string, EmptyReading>> = {
  'company-enrich-200-v1': reads.record(target(company())),
  'company-enrich-200-v2': reads.record(target(company())),
  'headers-production': reads.other('headers alone were recorded; they are read below'),
  // Rows were named by letters; we number them.
  'person-bulk-200-mixed': {
    kind: 'list',
    parser: 'batch.parse',
    parse(view) {
      const rows = ['a', 'b', 'c']
      const body = (view.json as readonly JsonObject[]).map((item) => ({
        ...item,
        metadata: { row: String(rows.indexOf((item['metadata'] as JsonObject)['row'] as string)) },
      }))
      const targets = rows.map((row) => target(person(`pi:${row}`), row === 'b' ? ID : null))
      const { answers } = peopleDataLabs.batch!.parse(viewOf({ body }), targets, 'person', null, CONTEXT)
      return answers.map((answer) => (answer.kind === 'record' ? answer.record : answer.kind))
    },
  },
  'person-changelog-200': reads.other('what changed is never asked for: it takes a plan of its own'),
  'person-enrich-200': reads.record(target(person())),
  'person-enrich-404': reads.record(target(person())),
  'person-identify-200': reads.other('candidates are never asked for: a match below the likelihood is none'),
}
function readBy(name: string): { readonly reads?: EmptyReading } {
  const reading = READ_BY[name]
  return reading === undefined ? {} : { reads: reading }
}

const pairs: RecordPair[] = [
  {
    name: 'counts, coordinates and certainty',
    before: companyRecord(BODY),
    after: companyRecord({ ...BODY, employee_count: 90, likelihood: 9, location: { ...BODY.location, geo: '3,4' } }),
  },
  {
    name: 'order of offices, and when they were seen',
    before: companyRecord(BODY),
    after: companyRecord({
      ...BODY,
      locations: [...BODY.locations].reverse().map((one) => ({ ...one, last_seen: '2026-01-01' })),
    }),
  },
  {
    name: 'order of schools, of degrees and of majors',
    before: personRecord(STUDIES),
    after: personRecord({
      ...STUDIES,
      education: STUDIES.education
        .map((one) => ({ ...one, degrees: one.degrees.toReversed(), majors: one.majors.toReversed() }))
        .reverse(),
    }),
  },
  {
    name: 'a value that is not shown',
    before: companyRecord(BODY),
    after: companyRecord({ ...BODY, inferred_revenue: true, sic: true }),
  },
]
if (hasRecordings(PROVIDER))
  pairs.push({
    name: 'two published versions of one company',
    before: companyRecord(recording(PROVIDER, 'company-enrich-200-v1') as JsonObject),
    after: companyRecord(recording(PROVIDER, 'company-enrich-200-v2') as JsonObject),
  })

const OPT_OUT = 'person.opt_out'
/** What is no list of objections says nothing about who objected, whatever its status. */
const NO_LISTS: readonly (readonly [string, ErrorCase['answer']])[] = [
  ['no such path', { status: 404, body: { status: 404, error: { type: 'not_found', message: 'x' } } }],
  ['nothing', { text: '' }],
  ['nothing, and said so', { status: 204, text: '' }],
  ['a part of it', { status: 206, text: 'pdl_id\n' }],
  ['a sentence', { text: 'Service temporarily unavailable' }],
  ['a page', { text: '<html>pdl_id</html>' }],
  ['an error under 200', { body: { error: { type: 'api_error', message: 'pdl_id' } } }],
  ['ids without a header', { text: `${ID},opt_out\n` }],
  ['a refusal of the request', { status: 400, body: { status: 400, error: { type: ['x'], message: 'y' } } }],
]

const ERRORS: readonly ErrorCase[] = [
  {
    name: 'older word for no credits',
    label: 'person.bulk',
    answer: { status: 403, body: { status: 403, error: { type: 'quota_exceeded', message: 'x' } } },
    class: 'quota_exhausted',
    untilMs: NEXT_MONTH,
  },
  {
    name: 'the same word under the status of a rate limit: waiting a minute does not help',
    label: 'person.bulk',
    answer: { status: 429, body: { status: 429, error: { type: 'quota_exceeded', message: 'x' } } },
    class: 'quota_exhausted',
    untilMs: NEXT_MONTH,
  },
  {
    name: 'forbidden',
    label: 'person.bulk',
    answer: { status: 403, body: { status: 403, error: { type: 'forbidden', message: 'x' } } },
    class: 'auth',
  },
  {
    name: 'a reset without zone',
    label: 'person.bulk',
    answer: { status: 429, text: '', headers: { 'x-ratelimit-reset': '2026-11-21 03:00:30' } },
    class: 'rate_limited',
    untilMs: 30_000,
  },
  {
    name: 'a reset in ISO',
    label: 'person.bulk',
    answer: { status: 429, text: '', headers: { 'x-ratelimit-reset': '2026-11-21T03:00:20Z' } },
    class: 'rate_limited',
    untilMs: 20_000,
  },
  {
    name: 'no reset: the window is a minute',
    label: 'person.bulk',
    answer: { status: 429, text: '' },
    class: 'rate_limited',
    untilMs: 60_000,
  },
  {
    name: 'no path',
    label: 'person.bulk',
    answer: { status: 404, body: { status: 404, error: { type: 'not_found', message: 'x' } } },
    class: 'invalid_request',
  },
  { name: 'too large', label: 'company.bulk', answer: { status: 413, text: '' }, class: 'invalid_request' },
  {
    name: 'theirs',
    label: 'company.bulk',
    answer: { status: 500, body: { status: 500, error: { type: 'api_error', message: 'x' } } },
    class: 'transient',
  },
  { name: 'a list that is none', label: 'company.bulk', answer: { body: { status: 200 } }, class: 'malformed' },
  ...NO_LISTS.map(([name, answer]) => ({
    name: `instead of objections: ${name}`,
    label: OPT_OUT,
    answer,
    class: 'transient' as const,
  })),
  {
    name: 'no credits to be told who objected',
    label: OPT_OUT,
    answer: { status: 402, body: { status: 402, error: { type: 'payment_required', message: 'x' } } },
    class: 'quota_exhausted',
    untilMs: NEXT_MONTH,
  },
  { name: 'no right to be told who objected', label: OPT_OUT, answer: { status: 403, text: '' }, class: 'auth' },
  { name: 'objections, too fast', label: OPT_OUT, answer: { status: 429, text: '' }, class: 'rate_limited', untilMs: 60_000 },
]

adapterSuite(peopleDataLabs, {
  exampleEntities: [company(), person(), company({ domain: null, website: null, name: null })],
  providerKeys: { 'uei:AAAAAAAAAAA1': BODY.id, [person().key]: ID },
  recordings: hasRecordings(PROVIDER)
    ? Object.entries(EXPECTED).map(
        ([name, expected]): RecordedCase => ({
          name,
          label: expected.label,
          view: view(name),
          class: expected.class,
          ...readBy(name),
        }),
      )
    : [],
  errors: ERRORS,
  unchangedPairs: pairs,
  conversations: [
    {
      name: 'has the person opted out, then who it is',
      by: 'lookup',
      targets: [target(person(), ID)],
      answers: [viewOf({ text: 'pdl_id\nother\n', headers: { 'content-type': 'text/csv' } })],
      requests: 2,
    },
  ],
  onePage: { batch: 'a call answers about all that were asked' },
  instants: (
    [
      ['2026-11-21T03:00:20Z', '2026-11-21T03:00:20.000Z'],
      ['2026-11-21 03:00:30', '2026-11-21T03:00:30.000Z'],
      ['2026-11-20T22:01:00-05:00', '2026-11-21T03:01:00.000Z'],
    ] as const
  ).map(([text, utc]) => ({
    text: `x-ratelimit-reset: ${text}`,
    read: () =>
      peopleDataLabs.classify(
        viewOf({ status: 429, text: '', headers: { 'x-ratelimit-reset': text } }),
        { method: 'POST', path: '/', label: 'person.bulk' },
        CONTEXT,
      ).until,
    utc,
  })),
  noise: ['employee_count', 'likelihood', 'linkedin_follower_count', 'geo', 'last_seen', 'first_seen'],
  changedPairs: [
    {
      name: 'a further degree',
      before: personRecord(STUDIES),
      after: personRecord({
        ...STUDIES,
        education: [{ ...STUDIES.education[0]!, degrees: ['bachelors'] }, STUDIES.education[1]!],
      }),
      path: '$.education',
    },
    { name: 'industry', before: companyRecord(BODY), after: companyRecord({ ...BODY, industry: 'x' }), path: '$.industry' },
  ],
})

describe('people_data_labs asks', () => {
  const bulk = (targets: readonly Target[], group: string) => peopleDataLabs.batch!.request(targets, group, null, CONTEXT)

  it('by id, else by website, else by name and place; never for contact data', () => {
    const request = bulk(
      [target(company(), 'abc'), target(company()), target(company({ domain: null, website: null }))],
      'company',
    )
    expect(request).toMatchObject({
      method: 'POST',
      path: '/company/enrich/bulk',
      credits: 3,
      json: {
        requests: [
          { params: { pdl_id: 'abc', min_likelihood: '6' }, metadata: { row: '0' } },
          { params: { website: 'peopledatalabs.com' }, metadata: { row: '1' } },
          {
            params: { name: 'People Data Labs, Inc.', locality: 'San Francisco', region: 'CA', postal_code: '94105' },
            metadata: { row: '2' },
          },
        ],
      },
    })
    const persons = bulk([target(person(), ID), target(person())], 'person')
    expect(persons).toMatchObject({
      path: '/person/bulk',
      credits: 2,
      json: { requests: [{ params: { pdl_id: ID } }, { params: { company: 'Russell, Alvarez and Morgan' } }] },
    })
    expect(JSON.stringify([request, persons])).not.toMatch(/email|phone/)
  })

  it('those with a known id only after the list of objections, which is free', () => {
    expect(peopleDataLabs.batch!.groups(target(person(), ID), CONTEXT)).toEqual(['opt_out', 'person'])
    expect(peopleDataLabs.batch!.groups(target(person()), CONTEXT)).toEqual(['person'])
    expect(peopleDataLabs.batch!.groups(target(company(), 'abc'), CONTEXT)).toEqual(['company'])
    expect(bulk([target(person(), ID)], 'opt_out')).toMatchObject({ path: '/person/subjectrequest', credits: 0 })
  })

  it.each([
    [company({ domain: null, website: null, name: null }), 'no domain and no name'],
    [company({ domain: null, website: null, city: null, state: null }), 'no domain, and a name without a place'],
    [person('pi:X|', 'Cher'), 'no first and last name'],
    [{ ...person(), attributes: { name: 'Ann Lee', company_name: null } }, 'no company to tell namesakes apart by'],
  ] as const)('nothing about %#', (entity, reason) => {
    expect(peopleDataLabs.unresolvable(entity)).toBe(reason)
  })
})

describe('people_data_labs and objections', () => {
  const csv = viewOf({ text: `pdl_id,request_type\n${ID},opt_out\nother-id_0000,opt_out\n` })

  it('replaces what it knew of somebody who opted out, and asks about the others', () => {
    const other = target(person('pi:OTHER|x'), 'somebodyElse12_0000')
    const { answers, next } = peopleDataLabs.batch!.parse(csv, [target(person(), ID), other], 'opt_out', null, CONTEXT)
    expect(answers).toEqual([
      { kind: 'record', entity: { kind: 'person', key: person().key }, record: { opted_out: true }, erasesHistory: true },
    ])
    expect(next).toBeNull()
  })

  it('does the same one by one', () => {
    const { lookup } = peopleDataLabs
    expect(lookup!.request(target(person(), ID), CONTEXT).label).toBe('person.opt_out')
    expect(lookup!.more!([csv], target(person(), ID), CONTEXT)).toBeNull()
    expect(lookup!.parse(csv, target(person(), ID), CONTEXT)).toMatchObject({ record: { opted_out: true }, erasesHistory: true })
    expect(lookup!.more!([viewOf({ text: 'pdl_id\n' })], target(person(), ID), CONTEXT)).toMatchObject({
      label: 'person.enrich',
      query: [['pdl_id', ID], ['min_likelihood', '6'], expect.anything()],
    })
    expect(lookup!.more!([csv], target(person()), CONTEXT)).toBeNull()
  })
})

describe('people_data_labs, where the list of objections is not to be had', () => {
  const { batch, lookup } = peopleDataLabs
  const one = target(person(), ID)

  it.each(NO_LISTS)('asks nobody by id after %s', (_name, parts) => {
    const none = viewOf(parts)
    expect(() => batch!.parse(none, [one], 'opt_out', null, CONTEXT)).toThrow('no list')
    expect(() => lookup!.more!([none], one, CONTEXT)).toThrow('no list')
    expect(() => lookup!.parse(none, one, CONTEXT)).toThrow('no list')
  })

  it.each(['pdl_id\n', 'pdl_id', '\uFEFF"PDL_ID","request_type"\r\n', 'request_type,pdl_id\n'])(
    'takes %j for one without anybody',
    (text) => {
      const list = viewOf({ text })
      const request = lookup!.request(one, CONTEXT)
      expect(peopleDataLabs.classify(list, request, CONTEXT).class).toBe('ok')
      expect(batch!.parse(list, [one], 'opt_out', null, CONTEXT)).toEqual({ answers: [], next: null })
      expect(lookup!.more!([list], one, CONTEXT)).toMatchObject({ label: 'person.enrich' })
    },
  )

  it('finds ids of whatever form, in quotes or not', () => {
    const id = 'abcd'
    for (const text of [`pdl_id\r\n"${id}"\r\n`, `request_type,pdl_id\nopt_out,${id}`])
      expect(lookup!.parse(viewOf({ text }), target(person(), id), CONTEXT)).toMatchObject({ record: { opted_out: true } })
  })
})

describe('people_data_labs bulk answers', () => {
  const parse = (body: JsonValue, targets: readonly Target[], group = 'company') =>
    peopleDataLabs.batch!.parse(viewOf({ body }), targets, group, null, CONTEXT).answers
  const two = [target(company()), target({ ...company(), key: 'uei:B' })]

  it('are told apart by their metadata, whatever their order', () => {
    const answers = parse(
      [
        { status: 404, error: { type: 'not_found', message: 'x' }, metadata: { row: '1' } },
        { ...BODY, metadata: { row: '0' } },
      ],
      two,
    )
    expect(answers).toMatchObject([
      {
        kind: 'record',
        entity: { key: 'uei:AAAAAAAAAAA1' },
        identity: { providerKey: BODY.id, method: 'domain', confidence: 0.97 },
      },
      { kind: 'absent', entity: { key: 'uei:B' } },
    ])
  })

  it('have a status each', () => {
    const item = (status: number) => ({ status, error: { type: ['t'], message: 'm' }, metadata: { row: '0' } })
    for (const [status, errorClass] of [
      [400, 'invalid_request'],
      [402, 'quota_exhausted'],
      [429, 'rate_limited'],
      [500, 'transient'],
      [418, 'malformed'],
    ] as const)
      expect(parse([item(status)], two.slice(0, 1))).toEqual([
        {
          kind: 'failed',
          entity: { kind: 'company', key: 'uei:AAAAAAAAAAA1' },
          errorClass,
          reason: `item status ${status}: t: m`,
        },
      ])
  })

  it('that leave one out, answer twice or answer nobody are not trusted', () => {
    expect(parse([{ ...BODY, metadata: { row: '0' } }], two)[1]).toMatchObject({ kind: 'failed', errorClass: 'malformed' })
    for (const body of [
      [BODY],
      [{ ...BODY, metadata: { row: '7' } }],
      [0, 0].map(() => ({ ...BODY, metadata: { row: '0' } })),
      {},
    ])
      expect(() => parse(body as JsonValue, two)).toThrow()
  })

  it('about somebody else are shown to a person instead of taken', () => {
    const [answer] = parse([{ ...BODY, name: 'acme', website: 'acme.com', metadata: { row: '0' } }], two.slice(0, 1))
    expect(answer).toMatchObject({
      kind: 'skipped',
      reason: expect.stringContaining('acme'),
      alternatives: [{ website: 'acme.com' }],
    })
    expect(JSON.stringify(answer)).toContain('acme.com')
  })

  it('about another person are skipped without saying who that is', () => {
    const told = (fields: JsonObject): Answer =>
      parse(
        [{ status: 200, likelihood: 8, data: { id: ID, ...fields }, metadata: { row: '0' } }],
        [target(person())],
        'person',
      )[0]!
    const stranger = told({ full_name: 'bob stone', job_company_name: 'acme', linkedin_url: 'linkedin.com/in/bob-stone' })
    expect(stranger).toMatchObject({
      kind: 'skipped',
      reason: expect.stringContaining('somebody'),
      alternatives: [{ id: ID, company: 'acme', name_similarity: expect.any(Number) }],
    })
    // The same company, and nearly the same name: too little to count, and no less a stranger.
    const likely = told({ full_name: 'autumnus bobstone', job_company_name: 'Russell, Alvarez and Morgan' })
    const employed = told({ full_name: 'autumn andrews', job_company_name: 'Russel Alvares Morgan' })
    for (const answer of [stranger, likely, employed]) {
      const kept = answer.kind === 'record' ? answer.identity : answer
      expect(JSON.stringify(kept)).not.toMatch(/stone|autumnus|"autumn andrews"/)
    }
  })

  it('about a known id need no second proof', () => {
    const answer = parse([{ ...BODY, website: 'moved.com', metadata: { row: '0' } }], [target(company(), BODY.id)])[0]
    expect(answer).toMatchObject({ kind: 'record' })
    expect(answer).not.toHaveProperty('identity')
  })
})

describe.skipIf(!hasRecordings(PROVIDER))('people_data_labs against recordings', () => {
  it('has an expectation for every recording', () => {
    expect(recordingNames(PROVIDER)).toEqual(Object.keys(EXPECTED).sort())
  })

  it('reads the mixed bulk answer item by item', () => {
    const rows = ['a', 'b', 'c']
    const body = (recordedView(PROVIDER, 'person-bulk-200-mixed').json as readonly JsonObject[]).map((item) => ({
      ...item,
      metadata: { row: String(rows.indexOf((item['metadata'] as JsonObject)['row'] as string)) },
    }))
    const targets = rows.map((row) => target(person(`pi:${row}`), row === 'b' ? ID : null))
    const { answers } = peopleDataLabs.batch!.parse(viewOf({ body }), targets, 'person', null, CONTEXT)
    expect(answers).toMatchObject([
      { kind: 'absent' },
      {
        kind: 'record',
        record: { pdl_id: ID, full_name: 'autumn andrews', job_title: 'teacher, special educational needs', opted_out: false },
      },
      { kind: 'failed', errorClass: 'invalid_request' },
    ])
  })

  it('keeps no contact data of a person, and ties the record to our person by name and company', () => {
    const answer = peopleDataLabs.lookup!.parse(view('person-enrich-200'), target(person()), CONTEXT)
    expect(answer).toMatchObject({ kind: 'record', identity: { method: 'name+company', confidence: expect.any(Number) } })
    const record = recordOf(answer)
    expect(record).toMatchObject({
      pdl_id: expect.stringMatching(/_0000$/),
      full_name: 'autumn andrews',
      experience: expect.arrayContaining([]),
    })
    expect(JSON.stringify(record)).not.toMatch(/email|phone|linkedin|facebook|twitter|birth/)
  })
})
