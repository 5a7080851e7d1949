import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { FileRow, KeyedFile, Target } from '../../ts/adapters/adapter.ts'
import { dlaCage } from '../../ts/adapters/dla-cage.ts'
import { samGov } from '../../ts/adapters/sam-gov.ts'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject } from '../../ts/model/json.ts'
import { touches } from '../../ts/refresh/changed-paths.ts'
import { diffRecords } from '../../ts/refresh/diff.ts'
import type { EmptyReading } from './adapter-readings.ts'
import { adapterSuite, type ErrorCase, type RecordedCase } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, viewOf } from './recorded.ts'

const PROVIDER = 'cage'
const ROOT = fileURLToPath(new URL('../../../shared/recordings/cage/', import.meta.url))
const CONTEXT = { now: RECEIVED_AT, options: dlaCage.options.parse({}) as JsonObject }
const file = dlaCage.file as KeyedFile

const COMPANY: Entity = {
  kind: 'company',
  key: 'uei:XRVFU3YRA2U5',
  attributes: { name: 'X', uei: 'XRVFU3YRA2U5', state: 'FL' },
  aliases: [],
}
const WITHOUT_UEI: Entity = { ...COMPANY, key: 'name:X|FL', attributes: { name: 'X', uei: null, state: 'FL' } }
const target = (related?: JsonObject): Target => ({
  entity: COMPANY,
  providerKey: '1XYZ9',
  validators: { etag: null, lastModified: null },
  ...(related === undefined ? {} : { related: { sam_gov: related } }),
})
const registration = (cageCode: string | null, eft = '', registrationStatus = 'Active'): JsonObject => ({
  entityEFTIndicator: eft,
  cageCode,
  registrationStatus,
  legalBusinessName: 'X INC',
})
const sam = (...registrations: JsonObject[]): JsonObject => ({ uei: 'XRVFU3YRA2U5', registrations })

const ROW: FileRow = {
  cage: '1XYZ9',
  status: 'A',
  type: 'A',
  cao: 'S0512A',
  company: 'EXAMPLE  MANUFACTURING CORP',
  city: 'MIAMI',
  state: 'FL',
  zip: '33101',
  country: 'UNITED STATES',
}
const recordOf = (...rows: FileRow[]): JsonObject => {
  const answer = file.answer(rows, target(), CONTEXT)
  if (answer.kind !== 'record') throw new Error(answer.kind)
  return answer.record
}

const PAGE = '<a href="/Portals/104/Documents/CAGE.zip?ver=Ab_1%3d&amp;t=1">CAGE.zip</a>'
const ERRORS: readonly ErrorCase[] = [
  { name: 'the bot filter', label: 'cage.page', answer: { status: 403, text: 'Access Denied' }, class: 'source_down' },
  {
    name: 'the bot filter in a 200',
    label: 'cage.page',
    answer: { text: 'Verifying your identity, please wait' },
    class: 'source_down',
  },
  { name: 'terms first', label: 'cage.page', answer: { status: 302, headers: { location: '/agree' } }, class: 'source_down' },
  {
    name: 'a page without the link',
    label: 'cage.page',
    answer: { text: '<a href="/files/MANAGEMENT.zip">' },
    class: 'malformed',
  },
  {
    name: 'a link to another host',
    label: 'cage.page',
    answer: { text: '<a href="https://x.test/CAGE.zip">' },
    class: 'malformed',
  },
  { name: 'a page that moved', label: 'cage.probe', answer: { status: 404, text: '' }, class: 'invalid_request' },
  { name: 'nothing new', label: 'cage.file', answer: { status: 304 }, class: 'not_modified' },
  { name: 'a page instead of the archive', label: 'cage.file', answer: { text: '<html>' }, class: 'malformed' },
  {
    name: 'an archive that broke off',
    label: 'cage.file',
    answer: {
      headers: { 'content-type': 'application/zip' },
      file: { path: '/x', bytes: 5, sha256: 'x', complete: false },
    },
    class: 'transient',
  },
  {
    name: 'overload',
    label: 'cage.file',
    answer: { status: 503, headers: { 'retry-after': '30' } },
    class: 'transient',
    untilMs: 30_000,
  },
]

/** Every recorded page with its class. A new file without a line here fails the test. */
const EXPECTED: Readonly<Record<string, RecordedCase['class']>> = {
  // Pages of the site for people, which is not built on.
  'details-no-owner.mock.html': 'malformed',
  'details-with-owner.mock.html': 'malformed',
  'publog-reading-room.mock.html': 'ok',
  'search-results.mock.html': 'malformed',
}
const recorded = (name: string) => viewOf({ text: readFileSync(`${ROOT}${name}`, 'utf8') })

const ADDRESS: EmptyReading = {
  kind: 'record',
  parser: 'file.request',
  parse: (view) => [file.request({ etag: null, lastModified: null }, CONTEXT, view).path],
}

adapterSuite(dlaCage, {
  exampleEntities: [COMPANY, WITHOUT_UEI],
  providerKeys: { [COMPANY.key]: '1XYZ9' },
  related: { [COMPANY.key]: { sam_gov: sam(registration('1XYZ9')) } },
  errors: ERRORS,
  conversations: [{ name: 'the page, then the archive', by: 'file', answers: [viewOf({ text: PAGE })], requests: 2 }],
  onePage: { identity: 'nothing is asked: candidates are in the records of SAM.gov' },
  instants: 'the file has no dates but those that are not read',
  recordings: existsSync(ROOT)
    ? Object.entries(EXPECTED).map(([name, expected]) => ({
        name,
        label: 'cage.page',
        view: recorded(name),
        class: expected,
        reads: ADDRESS,
      }))
    : [],
  unchangedPairs: [
    { name: 'another contract office', before: recordOf(ROW), after: recordOf({ ...ROW, cao: '' }) },
    { name: 'white space', before: recordOf(ROW), after: recordOf({ ...ROW, company: 'EXAMPLE MANUFACTURING CORP ' }) },
    {
      name: 'order of two rows of one code',
      before: recordOf(ROW, { ...ROW, city: 'TAMPA' }),
      after: recordOf({ ...ROW, city: 'TAMPA' }, ROW),
    },
    {
      name: 'a retired row beside the active one',
      before: recordOf(ROW),
      after: recordOf({ ...ROW, status: 'C', city: 'A' }, ROW),
    },
  ],
  changedPairs: [
    { name: 'status', before: recordOf(ROW), after: recordOf({ ...ROW, status: 'C' }), path: '$.status' },
    { name: 'name', before: recordOf(ROW), after: recordOf({ ...ROW, company: 'OTHER' }), path: '$.company' },
  ],
})

describe('the address of the archive', () => {
  it('is on the page, version and all', () => {
    expect(file.request({ etag: null, lastModified: 'x' }, CONTEXT, viewOf({ text: PAGE }))).toEqual({
      method: 'GET',
      path: '/Portals/104/Documents/CAGE.zip',
      query: [
        ['ver', 'Ab_1='],
        ['t', '1'],
      ],
      validators: { etag: null, lastModified: 'x' },
      expect: 'file',
      label: 'cage.file',
    })
    const absolute = viewOf({ text: "<a href='https://www.dla.mil/a%20b/cage.ZIP'>x</a>" })
    expect(file.request({ etag: null, lastModified: null }, CONTEXT, absolute)).toMatchObject({
      path: '/a%20b/cage.ZIP',
      query: [],
    })
  })

  it.each(['', '<a href="https://evil.test/CAGE.zip">', '<a href="https://dla.mil.evil.test/CAGE.zip">', '<a href="/X.zip">'])(
    'is refused when the page says %s',
    (text) => {
      expect(() => file.request({ etag: null, lastModified: null }, CONTEXT, viewOf({ text }))).toThrow(/links to no CAGE.zip/)
    },
  )
})

describe('the table', () => {
  const order = ['CAGE', 'STATUS', 'TYPE', 'CAO', 'COMPANY', 'CITY', 'STATE', 'ZIP', 'COUNTRY']
  const names = ['cage', 'status', 'type', 'cao', 'company', 'city', 'state', 'zip', 'country']

  it('is read by the names of its columns, in any order, and by their order when some are spelled anew', () => {
    expect(file.table.columns(order)).toEqual(names)
    expect(file.table.columns([...order].reverse())).toEqual([...names].reverse())
    expect(file.table.columns([...order, 'UPDATED'])).toEqual([...names, null])
    expect(file.table.columns(['CAGE_CODE', 'A', 'B', 'C', 'COMPANY_NAME', 'D', 'E', 'F', 'COUNTRY'])).toEqual(names)
  })

  it.each([[['CAGE', 'X']], [['X', ...order.slice(1)]], [[]], [[...order, 'CAGE'].slice(1)].map((row) => row.slice(0, 8))])(
    'with the header %j is refused',
    (header) => {
      expect(() => file.table.columns(header)).toThrow(/columns/)
    },
  )

  it('knows a code when it sees one', () => {
    for (const cage of ['1XYZ9', ' 1xyz9 ', 'U1234']) expect(file.table.keyOf({ ...ROW, cage })).toBe(cage.trim().toUpperCase())
    for (const cage of ['', '1XYZ', '1XYIO', '1XYZ99', '*****']) expect(file.table.keyOf({ ...ROW, cage })).toBeNull()
  })
})

describe('identity by SAM.gov', () => {
  const resolve = dlaCage.resolve!
  const found = (related?: JsonObject) => {
    expect(resolve.request([], target(related), CONTEXT)).toBeNull()
    return resolve.parse([], target(related), CONTEXT)
  }

  it('is the code of the main registration, without a request', () => {
    expect(found(sam(registration('1xyz9')))).toEqual({
      candidates: [
        {
          providerKey: '1XYZ9',
          method: 'sam_gov_registration',
          confidence: 1,
          evidence: {
            uei: 'XRVFU3YRA2U5',
            entity_eft_indicator: '',
            registration_status: 'Active',
            legal_business_name: 'X INC',
          },
        },
      ],
    })
  })

  it('ranks further accounts and registrations that ran out behind it', () => {
    const { candidates } = found(
      sam(registration('2ABC3', '0001'), registration('1XYZ9', '', 'Inactive'), registration(null, '2')),
    )
    expect(candidates.map(({ providerKey, method, confidence }) => [providerKey, method, confidence])).toEqual([
      ['2ABC3', 'sam_gov_account', 0.6],
      ['1XYZ9', 'sam_gov_registration', 0.95],
    ])
    expect(found(sam(registration('1XYZ9', '0001'), registration('1XYZ9'))).candidates).toHaveLength(1)
  })

  it('is looked for again when SAM.gov gives the company another code', () => {
    const paths = resolve.dependsOn!['sam_gov']!
    const isNews = (...after: Parameters<typeof sam>): boolean =>
      diffRecords(sam(registration('1XYZ9'), registration('2ABC3', '0001')), sam(...after), samGov).some((change) =>
        paths.some((path) => touches(change.path, path)),
      )
    expect(isNews(registration('3DEF4'), registration('2ABC3', '0001'))).toBe(true)
    expect(isNews(registration('1XYZ9'), registration('4ABC3', '0001'))).toBe(true)
    expect(isNews(registration('1XYZ9'))).toBe(true)
    expect(isNews(registration('1XYZ9', '', 'Inactive'), registration('2ABC3', '0001'))).toBe(true)
    expect(isNews({ ...registration('1XYZ9'), physicalAddress: { city: 'X' } }, registration('2ABC3', '0001'))).toBe(false)
  })

  it('says why there is none', () => {
    expect(found()).toEqual({ candidates: [], reason: expect.stringContaining('no current SAM.gov record') })
    expect(found(sam(registration(null)))).toEqual({ candidates: [], reason: expect.stringContaining('has no CAGE code') })
    expect(resolve.unresolvable(WITHOUT_UEI)).toContain('no UEI')
  })
})

describe.skipIf(!hasRecordings(PROVIDER))('dla_cage against recordings', () => {
  it('has an expectation for every recorded page', () => {
    expect(
      readdirSync(ROOT)
        .filter((name) => name.endsWith('.html'))
        .sort(),
    ).toEqual(Object.keys(EXPECTED).sort())
  })

  it('reads the shape of the table', () => {
    const [header, ...rows] = readFileSync(`${ROOT}publog-p_cage.shape.csv`, 'utf8')
      .trim()
      .split(/\r?\n/)
      .map((line) => JSON.parse(`[${line}]`) as string[])
    const columns = file.table.columns(header!)
    const parsed = rows.map((row) => Object.fromEntries(row.map((value, at) => [columns[at]!, value])))
    expect(parsed.map(file.table.keyOf)).toEqual(['1XYZ9', '27340'])
    expect(recordOf(parsed[1]!)).toEqual({
      cage: '27340',
      status: 'C',
      type: 'A',
      cao: null,
      company: 'RETIRED EXAMPLE CO',
      city: 'DAYTON',
      state: 'OH',
      zip: '45402',
      country: 'UNITED STATES',
    })
    expect(file.request({ etag: null, lastModified: null }, CONTEXT, recorded('publog-reading-room.mock.html')).path).toBe(
      '/files/CAGE.zip',
    )
  })
})
