import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { Resolution, Target } from '../../ts/adapters/adapter.ts'
import { isFilingDay } from '../../ts/adapters/edgar/daily-index.ts'
import { factsOf } from '../../ts/adapters/edgar/facts.ts'
import { edgar } from '../../ts/adapters/edgar.ts'
import type { Entity } from '../../ts/model/entity.ts'
import type { JsonObject, JsonValue } from '../../ts/model/json.ts'
import type { ResponseClass, ResponseView } from '../../ts/model/response.ts'
import { parseUtcDate } from '../../ts/model/time.ts'
import { payloadHash } from '../../ts/refresh/canonical.ts'
import { diffRecords } from '../../ts/refresh/diff.ts'
import { type EmptyReading, readingsOf } from './adapter-readings.ts'
import type { Conversation } from './adapter-requests.ts'
import { adapterSuite, type ErrorCase, type RecordedCase, type RecordPair } from './adapter-suite.ts'
import { hasRecordings, RECEIVED_AT, recordedView, recording, recordingNames, viewOf } from './recorded.ts'

const PROVIDER = 'edgar'
const OPTIONS = { company_facts: true, history_pages: 2, search_former_names: true }
const CONTEXT = { now: RECEIVED_AT, options: OPTIONS }
const DIRECTORY = fileURLToPath(new URL('../../../shared/recordings/edgar/', import.meta.url))
const MINUTE = 60_000
const textOf = (file: string): string => readFileSync(`${DIRECTORY}${file}`, 'utf8')

function company(name: string | null, attributes: JsonObject = {}): Entity {
  return {
    kind: 'company',
    key: `name:${name}`,
    attributes: { name, city: 'ATLANTA', state: 'GA', zip: '30326', uei: null, ...attributes },
    aliases: [],
  }
}
const ALZAMEND = company('Alzamend Neuro')
const target = (providerKey: string | null, entity = ALZAMEND): Target => ({
  entity,
  providerKey,
  validators: { etag: null, lastModified: null },
})

/** Asks and reads until the look-up has what it wants; `answers` by path. */
function lookUp(cik: string, answers: Readonly<Record<string, ResponseView>>, options: JsonObject = OPTIONS): JsonObject {
  const context = { now: RECEIVED_AT, options }
  const views: ResponseView[] = []
  const asked = target(cik)
  let request = edgar.lookup!.request(asked, context) as ReturnType<NonNullable<typeof edgar.lookup>['request']> | null
  while (request !== null) {
    const view = answers[request.path]
    if (view === undefined) throw new Error(`not expected: ${request.path}`)
    views.push(view)
    request = edgar.lookup!.more!(views, asked, context)
  }
  const answer = edgar.lookup!.parse(views.at(-1)!, asked, context, views.slice(0, -1))
  if (answer.kind !== 'record') throw new Error(`${answer.kind}`)
  return answer.record
}
const NO_FACTS = { ...OPTIONS, company_facts: false }
function pageRecord(name: string, cik: string, options: JsonObject = NO_FACTS): JsonObject {
  return lookUp(cik, { [`/submissions/CIK${cik}.json`]: recordedView(PROVIDER, name) }, options)
}

const INDEX = 'filings.daily_index'
const PAGE = 'filer.submissions'
/** Every recording with its request and class. A new file without a line here fails the test. */
const EXPECTED: Readonly<Record<string, { label: string; class: ResponseClass; cik?: string; filings?: number }>> = {
  'company_tickers.trimmed': { label: PAGE, class: 'ok' },
  'companyfacts.trimmed': { label: 'filer.facts', class: 'ok' },
  'efts-search-index': { label: 'filers.search', class: 'ok' },
  'filing-directory-index': { label: PAGE, class: 'ok' },
  'submissions-form-d-fund-single-filing': { label: PAGE, class: 'ok', cik: '0001800903', filings: 1 },
  'submissions-individual-v1': { label: PAGE, class: 'ok', cik: '0001718179', filings: 11 },
  'submissions-individual-v2': { label: PAGE, class: 'ok', cik: '0001718179', filings: 12 },
  'submissions-no-filings': { label: PAGE, class: 'ok', cik: '0000350001', filings: 0 },
  'submissions-paged-001': { label: 'filer.older_filings', class: 'ok' },
  'submissions-paged-main': { label: PAGE, class: 'ok', cik: '0001009672', filings: 1000 },
  'submissions-private-company-form-d': { label: PAGE, class: 'ok', cik: '0001940261', filings: 5 },
  'submissions-small-cap-v1': { label: PAGE, class: 'ok', cik: '0001677077', filings: 370 },
  'submissions-small-cap-v2': { label: PAGE, class: 'ok', cik: '0001677077', filings: 374 },
}
const OTHER_FILES: Readonly<Record<string, { label: string; status: number; class: ResponseClass }>> = {
  'daily-index-form.20200318.trimmed.idx': { label: INDEX, status: 200, class: 'ok' },
  'full-index-form-sample.idx': { label: INDEX, status: 200, class: 'ok' },
  'error-403-missing-index-accessdenied.xml': { label: INDEX, status: 403, class: 'empty' },
  'error-404-nosuchkey.xml': { label: PAGE, status: 404, class: 'not_found' },
  'error-503-getcurrent-past-end.html': { label: PAGE, status: 503, class: 'transient' },
  'full-index-304.http.txt': { label: INDEX, status: 304, class: 'not_modified' },
}
const others = existsSync(DIRECTORY)
  ? readdirSync(DIRECTORY)
      .filter((file) => !file.endsWith('.json') && !file.endsWith('.source.txt'))
      .sort()
  : []

const reads = readingsOf(edgar, CONTEXT)
const INTEL = target(null, company('Intel', { state: 'CA', city: 'Santa Clara' }))
const named = (name: string): EmptyReading => reads.candidates(target(null, company(name)))
/** A page of older filings is read behind the page that names it. */
const older = (view: ResponseView): readonly JsonValue[] => {
  const reading = reads.record(target(PAGED), [recordedView(PROVIDER, 'submissions-paged-main')])
  return reading.kind === 'other' ? [] : reading.parse(view)
}
/** Who reads what; pages of filers with a number in EXPECTED are read as look-ups. */
const READ_BY: Readonly<Record<string, EmptyReading>> = {
  'company_tickers.trimmed': reads.other('the list of tickers is never asked for: few of our companies are listed'),
  'companyfacts.trimmed': { kind: 'list', parser: 'factsOf', parse: (view) => factsOf(view, '0001835632') },
  'efts-search-index': reads.candidates(INTEL),
  'submissions-paged-001': { kind: 'record', parser: 'lookup.parse', parse: (view) => older(view) },
  'filing-directory-index': reads.other('directories of single filings are never asked for'),
  'sec/efts-search-0_hits': { ...named('Nobody'), nothing: 'no filing has the name' },
  'sec/efts-search-1_hit': named('BrightSpring Health Services, Inc.'),
  'sec/efts-search-101_hits': named('BofA Finance LLC'),
  'daily-index-form.20200318.trimmed.idx': reads.feed('2020-03-18', [target('0001806494')]),
  'full-index-form-sample.idx': reads.feed('2021-03-31'),
  // A holiday: an index that is missing on a working day is refused.
  'error-403-missing-index-accessdenied.xml': { ...reads.feed('2026-01-01'), nothing: 'no index on a holiday' },
  'error-404-nosuchkey.xml': reads.record(target('0001677077')),
}
function readBy(name: string): { readonly reads?: EmptyReading } {
  const cik = EXPECTED[name]?.cik
  const reading = cik === undefined ? READ_BY[name] : reads.record(target(cik))
  return reading === undefined ? {} : { reads: reading }
}
const PAGED = '0001009672'
const WITHOUT_RECORDINGS: readonly Conversation[] = [
  {
    name: 'a page and its older filings',
    by: 'lookup',
    targets: [target(PAGED)],
    answers: [viewOf({ body: { filings: { files: [{ name: `CIK${PAGED}-submissions-001.json` }], recent: { isXBRL: [1] } } } })],
    requests: 2,
  },
  {
    name: 'hints and the search',
    by: 'identity',
    targets: [INTEL],
    answers: [viewOf({ body: { hits: { hits: [] } } })],
    requests: 2,
  },
]
function conversations(): readonly Conversation[] {
  const asked = target(PAGED)
  const paged = recordedView(PROVIDER, 'submissions-paged-main')
  const older = recordedView(PROVIDER, 'submissions-paged-001')
  const figures = viewOf({ body: { cik: 1009672, facts: {} } })
  return [
    { name: 'the page, older filings, figures', by: 'lookup', targets: [asked], answers: [paged, older, figures], requests: 3 },
    {
      name: 'hints, the search for former names, pages of those found',
      by: 'identity',
      targets: [INTEL],
      answers: [viewOf({ body: { hits: { hits: [] } } }), recordedView(PROVIDER, 'efts-search-index')],
      requests: 3,
    },
  ]
}

const recordings: RecordedCase[] = [
  ...recordingNames(PROVIDER).map((name): RecordedCase => {
    const expected = EXPECTED[name]
    return {
      name,
      label: expected?.label ?? 'no line in EXPECTED',
      view: recordedView(PROVIDER, name),
      class: expected?.class ?? ('no line in EXPECTED' as ResponseClass),
      ...readBy(name),
      check() {
        if (expected?.cik === undefined) return
        expect((pageRecord(name, expected.cik, { ...NO_FACTS, history_pages: 0 })['filings'] as unknown[]).length).toBe(
          expected.filings,
        )
      },
    }
  }),
  ...recordingNames('sec').map((name): RecordedCase => {
    return { name: `sec/${name}`, label: 'filers.search', view: recordedView('sec', name), class: 'ok', ...readBy(`sec/${name}`) }
  }),
  ...others.map((file): RecordedCase => {
    const expected = OTHER_FILES[file]
    return {
      name: file,
      label: expected?.label ?? 'no line in OTHER_FILES',
      view: viewOf({ status: expected?.status ?? 200, text: textOf(file) }),
      class: expected?.class ?? ('no line in OTHER_FILES' as ResponseClass),
      ...readBy(file),
      ...readBy(file),
    }
  }),
]

const RATE_PAGE =
  '<!DOCTYPE html>\n<html><head><title>SEC.gov | Request Rate Threshold Exceeded</title></head><body><h1>SEC.gov | Request Rate Threshold Exceeded</h1></body></html>'
const TOOL_PAGE =
  '<!DOCTYPE html>\n<html><head><title>SEC.gov</title></head><body><h1>Your Request Originates from an Undeclared Automated Tool</h1></body></html>'
const BEFORE_A_PAGE = [
  ['a declaration', '<?xml version="1.0" encoding="utf-8"?>\n'],
  ['a comment', `<!-- ${'- '.repeat(1_000)}-->`],
  ['plain text', 'Access denied.\n'],
] as const
const errors: ErrorCase[] = [
  ...[200, 403, 429].flatMap((status): ErrorCase[] => [
    {
      name: `too fast, as ${status}`,
      label: PAGE,
      answer: { status, text: RATE_PAGE },
      class: 'rate_limited',
      untilMs: 10 * MINUTE,
    },
    {
      name: `too fast, as ${status}, for an index`,
      label: INDEX,
      answer: { status, text: RATE_PAGE },
      class: 'rate_limited',
      untilMs: 10 * MINUTE,
    },
    { name: `unnamed, as ${status}`, label: PAGE, answer: { status, text: TOOL_PAGE }, class: 'auth' },
    ...BEFORE_A_PAGE.flatMap(([what, before]): ErrorCase[] => [
      {
        name: `too fast, as ${status}, behind ${what}`,
        label: PAGE,
        answer: { status, text: before + RATE_PAGE },
        class: 'rate_limited',
        untilMs: 10 * MINUTE,
      },
      {
        name: `unnamed, as ${status}, behind ${what}`,
        label: INDEX,
        answer: { status, text: before + TOOL_PAGE },
        class: 'auth',
      },
    ]),
  ]),
  // Words of filers are theirs.
  {
    name: 'an answer that was cut off, about a company with such a name',
    label: PAGE,
    answer: { text: '{"name":"REQUEST RATE THRESHOLD EXCEEDED LLC","filin' },
    class: 'malformed',
  },
  {
    name: 'the words far down in a long page',
    label: PAGE,
    answer: { text: `<html>${' '.repeat(8_000)}Request Rate Threshold Exceeded</html>` },
    class: 'malformed',
  },
  { name: 'a page that is no JSON', label: PAGE, answer: { text: '<html><body>maintenance</body></html>' }, class: 'malformed' },
  {
    name: 'a page that is no index',
    label: INDEX,
    answer: { text: '<html><body>maintenance</body></html>' },
    class: 'malformed',
  },
  {
    name: 'a search that timed out',
    label: 'filers.hints',
    answer: { body: { timed_out: true, hits: { hits: [] } } },
    class: 'transient',
  },
  {
    name: 'a search that failed in part',
    label: 'filers.hints',
    answer: { body: { _shards: { failed: 3 }, hits: { hits: [] } } },
    class: 'transient',
  },
  { name: 'a search without hits', label: 'filers.hints', answer: { body: { message: 'x' } }, class: 'malformed' },
  { name: 'a firewall that knows no JSON', label: PAGE, answer: { status: 403, text: 'Forbidden' }, class: 'auth' },
]

/** The earlier capture with the later one's new filings left out: what remains is the flip of time zones, and of nulls. */
function without(record: JsonObject, accessions: readonly string[]): JsonObject {
  const filings = (record['filings'] as JsonObject[]).filter(
    (filing) => !accessions.includes(filing['accession_number'] as string),
  )
  return { ...record, filings }
}
const unchangedPairs: RecordPair[] = hasRecordings(PROVIDER)
  ? [
      {
        name: 'the same person in another time zone, without the one new filing',
        before: pageRecord('submissions-individual-v1', '0001718179'),
        after: without(pageRecord('submissions-individual-v2', '0001718179'), ['0001225208-26-002188']),
      },
    ]
  : []

adapterSuite(edgar, {
  exampleEntities: [ALZAMEND, company(null), company('X')],
  providerKeys: { [ALZAMEND.key]: '0001677077' },
  options: OPTIONS,
  recordings,
  errors,
  unchangedPairs,
  conversations: hasRecordings(PROVIDER) ? conversations() : WITHOUT_RECORDINGS,
  onePage: { feed: 'the index of a day is one file' },
  instants: 'the only time, acceptanceDateTime, is Eastern or UTC by turns, both with a Z, and is left out; the rest are days',
  // `from` and `to` are of former names, of which the hours move.
  noise: [
    'acceptanceDateTime',
    'from',
    'to',
    'category',
    'phone',
    'flags',
    'website',
    'isForeignLocation',
    'size',
    'isXBRLNumeric',
  ],
})

describe('edgar, members of the record', () => {
  const CIK = '0001677077'
  const table = { accessionNumber: ['a'], form: ['10-K'], filingDate: ['2026-03-10'], reportDate: [''], items: [''] }
  const body = (more: JsonObject = {}): JsonObject => ({
    cik: CIK,
    name: 'X',
    ein: '811822909',
    sic: '2834',
    sicDescription: 'Pharmaceutical Preparations',
    filings: { recent: { ...table, primaryDocument: ['xslF345X05/a.xml'], isXBRL: [1] }, files: [] },
    ...more,
  })
  const url = `/submissions/CIK${CIK}.json`

  it('number of the employer, industry, and the document without its style sheet', () => {
    expect(lookUp(CIK, { [url]: viewOf({ body: body() }) }, NO_FACTS)).toMatchObject({
      cik: CIK,
      ein: '811822909',
      sic: '2834',
      sic_description: 'Pharmaceutical Preparations',
      filings: [{ filing_date: '2026-03-10', primary_document: 'a.xml' }],
    })
    expect(lookUp(CIK, { [url]: viewOf({ body: body({ ein: '000000000' }) }) }, NO_FACTS)['ein']).toBeNull()
  })

  it('of a period that was told twice, the figure that was told last', () => {
    const row = (filed: string, val: number, form = '10-K', end = '2025-12-31'): JsonObject => ({
      start: `${Number(end.slice(0, 4))}-01-01`,
      end,
      filed,
      val,
      form,
      accn: `accn-${val}`,
    })
    const rows = [
      row('2026-03-01', 100),
      row('2027-03-01', 90),
      row('2026-09-01', 95),
      row('2028-01-01', 1, '8-K'),
      row('2027-04-01', 7, '10-K', '2024-12-31'),
    ]
    const facts = viewOf({ body: { cik: Number(CIK), facts: { 'us-gaap': { NetIncomeLoss: { units: { USD: rows } } } } } })
    const answers = { [url]: viewOf({ body: body() }), [`/api/xbrl/companyfacts/CIK${CIK}.json`]: facts }
    expect(lookUp(CIK, answers)['facts']).toEqual([
      {
        fact: 'net_income',
        tag: 'NetIncomeLoss',
        unit: 'USD',
        end: '2025-12-31',
        value: '90',
        form: '10-K',
        accession_number: 'accn-90',
      },
    ])
  })

  it('days of the index are asked for again, because an index may be late', () => {
    expect(edgar.feed!.overlapMs).toBe(2 * 86_400_000)
  })
})

describe.skipIf(!hasRecordings(PROVIDER))('edgar, recorded changes', () => {
  it('a small company: four new filings and nothing else', () => {
    const before = pageRecord('submissions-small-cap-v1', '0001677077')
    const after = pageRecord('submissions-small-cap-v2', '0001677077')
    const changes = diffRecords(before, after, edgar)
    expect(changes.map(({ path }) => path).sort()).toEqual([
      '$.filings[accession_number=0001214659-26-003166]',
      '$.filings[accession_number=0001214659-26-003620]',
      '$.filings[accession_number=0001214659-26-004742]',
      '$.filings[accession_number=0001214659-26-004806]',
    ])
  })

  it('a person: one new filing and nothing else, although every time moved by five hours', () => {
    const before = pageRecord('submissions-individual-v1', '0001718179')
    const after = pageRecord('submissions-individual-v2', '0001718179')
    expect(diffRecords(before, after, edgar).map(({ path }) => path)).toEqual([
      '$.filings[accession_number=0001225208-26-002188]',
    ])
  })

  it('older filings are read from their page', () => {
    const cik = '0001009672'
    const answers = {
      [`/submissions/CIK${cik}.json`]: recordedView(PROVIDER, 'submissions-paged-main'),
      [`/submissions/CIK${cik}-submissions-001.json`]: recordedView(PROVIDER, 'submissions-paged-001'),
    }
    const record = lookUp(cik, answers, NO_FACTS)
    expect((record['filings'] as unknown[]).length).toBe(1205)
    expect((lookUp(cik, answers, { ...NO_FACTS, history_pages: 0 })['filings'] as unknown[]).length).toBe(1000)
    const gone = { ...answers, [`/submissions/CIK${cik}-submissions-001.json`]: viewOf({ status: 404, text: '' }) }
    expect(() => lookUp(cik, gone, NO_FACTS)).toThrow(/older filings/)
  })

  it('figures are those of the newest annual report', () => {
    const cik = '0001835632'
    const page = {
      cik,
      name: 'MARVELL TECHNOLOGY, INC',
      filings: {
        recent: {
          accessionNumber: ['0001835632-26-000001'],
          form: ['10-K'],
          filingDate: ['2026-03-10'],
          reportDate: [''],
          items: [''],
          primaryDocument: ['a.htm'],
          isXBRL: [1],
        },
        files: [],
      },
    }
    const record = lookUp(cik, {
      [`/submissions/CIK${cik}.json`]: viewOf({ body: page }),
      [`/api/xbrl/companyfacts/CIK${cik}.json`]: recordedView(PROVIDER, 'companyfacts.trimmed'),
    })
    const facts = record['facts'] as JsonObject[]
    // Worked out from the recording by another way: the newest year, as it was last told in an annual report.
    const all = recording(PROVIDER, 'companyfacts.trimmed') as JsonObject
    const figures = (((all['facts'] as JsonObject)['us-gaap'] as JsonObject)['NetIncomeLoss'] as JsonObject)[
      'units'
    ] as JsonObject
    const years = (figures['USD'] as JsonObject[]).filter(
      (row) => row['form'] === '10-K' && Date.parse(row['end'] as string) - Date.parse(row['start'] as string) > 340 * 86_400_000,
    )
    const last = years.sort((a, b) => `${a['end']}${a['filed']}`.localeCompare(`${b['end']}${b['filed']}`)).at(-1)!
    expect(facts.find(({ fact }) => fact === 'net_income')).toMatchObject({
      tag: 'NetIncomeLoss',
      end: last['end'],
      value: String(last['val']),
    })
    expect(facts.map(({ fact }) => fact)).toContain('public_float')
    const without404 = lookUp(cik, {
      [`/submissions/CIK${cik}.json`]: viewOf({ body: page }),
      [`/api/xbrl/companyfacts/CIK${cik}.json`]: viewOf({ status: 404, text: '' }),
    })
    expect(without404['facts']).toEqual([])
  })

  it('filers of a recorded day', () => {
    const view = viewOf({ text: textOf('daily-index-form.20200318.trimmed.idx') })
    const { items, next } = edgar.feed!.parse(view, '2020-03-18', null, CONTEXT)
    expect(next).toBeNull()
    const lines = view.text.split('\n').filter((line) => line.includes('edgar/data/'))
    const ciks = new Set(lines.map((line) => /edgar\/data\/(\d+)\//.exec(line)![1]!.padStart(10, '0')))
    expect(new Set(items.map(({ providerKey }) => providerKey))).toEqual(ciks)
    expect(edgar.feed!.answer(items[0]!, target('0001806494'), CONTEXT)).toMatchObject({
      kind: 'due',
      reason: 'the daily index lists new filings: D',
    })
    expect(edgar.feed!.answer(items[0]!, target('0000000001'), CONTEXT)).toBeNull()
    const quarterly = viewOf({ text: textOf('full-index-form-sample.idx') })
    const row = edgar.feed!.parse(quarterly, '2021-03-31', null, CONTEXT).items.find((item) => item.providerKey === '0001809660')
    expect(row!.row['forms']).toEqual(['1-A', '1-A POS'])
  })

  it('filers in recorded answers of the search', () => {
    const resolution = resolveBy(
      'Intel',
      [recordedView(PROVIDER, 'efts-search-index'), page({ cik: '0000050863', name: 'INTEL CORP' })],
      {
        state: 'CA',
        city: 'Santa Clara',
      },
    )
    expect(resolution.candidates).toMatchObject([{ providerKey: '0000050863', method: 'exact_name+city', confidence: 0.96 }])
  })
})

function page(changes: JsonObject): ResponseView {
  const address = { city: 'SANTA CLARA', stateOrCountry: 'CA', zipCode: '95054' }
  return viewOf({ body: { formerNames: [], addresses: { business: address, mailing: address }, ...changes } })
}
const hints = (...names: readonly (readonly [string, string])[]): ResponseView =>
  viewOf({
    body: {
      timed_out: false,
      hits: {
        total: { value: names.length },
        hits: names.map(([cik, entity]) => ({ _id: cik, _source: { entity } })) as unknown as JsonValue,
      },
    },
  })
function resolveBy(
  name: string,
  views: readonly ResponseView[],
  attributes: JsonObject,
  options: JsonObject = OPTIONS,
): Resolution {
  const asked = target(null, company(name, attributes))
  const context = { now: RECEIVED_AT, options }
  for (let at = 0; at < views.length; at += 1) expect(edgar.resolve!.request(views.slice(0, at), asked, context)).not.toBeNull()
  expect(edgar.resolve!.request(views, asked, context)).toBeNull()
  return edgar.resolve!.parse(views, asked, context)
}
const HERE = { state: 'CA', city: 'Santa Clara', zip: '95054' }

describe('edgar, identities', () => {
  it('asks by the name without its legal form, then for the pages of those whose names are alike', () => {
    const asked = target(null, company('The Acme Photonics Co., Inc.'))
    expect(edgar.resolve!.request([], asked, CONTEXT)).toMatchObject({
      base: 'efts',
      path: '/LATEST/search-index',
      query: [['keysTyped', 'ACME PHOTONICS']],
    })
    const found = hints(['1234567', 'ACME PHOTONICS INC /DE/ (ACMP)'], ['99', 'ACMEX FUND LP'])
    expect(edgar.resolve!.request([found], asked, CONTEXT)).toMatchObject({ path: '/submissions/CIK0001234567.json' })
    expect(edgar.resolve!.request([found, page({ cik: '0001234567' })], asked, CONTEXT)).toBeNull()
  })

  it('searches the names under which was filed when none is suggested, if it may', () => {
    const asked = target(null, company('Acme Photonics'))
    expect(edgar.resolve!.request([hints()], asked, CONTEXT)).toMatchObject({ query: [['entityName', 'ACME PHOTONICS']] })
    expect(
      edgar.resolve!.request([hints()], asked, { ...CONTEXT, options: { ...OPTIONS, search_former_names: false } }),
    ).toBeNull()
    const filings = viewOf({
      body: {
        hits: {
          hits: [
            { _source: { display_names: ['Acme Photonics, Inc.  (ACMP)  (CIK 0001234567)', 'Doe John  (CIK 0000000012)'] } },
          ],
        },
      },
    })
    const renamed = page({ cik: '0001234567', name: 'Lumen Forge, Inc.', formerNames: [{ name: 'Acme Photonics, Inc.' }] })
    expect(resolveBy('Acme Photonics', [hints(), filings, renamed], HERE).candidates).toMatchObject([
      { method: 'former_name+zip', confidence: 0.941, evidence: { name: 'Lumen Forge, Inc.' } },
    ])
    expect(resolveBy('Acme Photonics', [hints(), hints()], HERE)).toEqual({
      candidates: [],
      reason: 'no filer has a name like it',
    })
  })

  it('is less sure the further away the filer is', () => {
    const found = hints(['7', 'Acme Photonics, Inc.'])
    const filer = page({ cik: '0000000007', name: 'Acme Photonics, Inc.' })
    const at = (attributes: JsonObject): number =>
      resolveBy('ACME PHOTONICS', [found, filer], attributes).candidates[0]!.confidence
    expect(at(HERE)).toBe(0.98)
    expect(at({ ...HERE, zip: '90001' })).toBe(0.96)
    expect(at({ ...HERE, zip: '90001', city: 'Los Angeles' })).toBe(0.92)
    expect(at({ state: null, city: null, zip: null })).toBe(0.75)
    expect(at({ state: 'MA', city: 'Boston', zip: '02110' })).toBe(0.55)
    const similar = page({ cik: '0000000007', name: 'Acme Photonix, Inc.' })
    expect(resolveBy('ACME PHOTONICS', [found, similar], HERE).candidates[0]!.confidence).toBeLessThan(0.9)
    const gone = viewOf({ status: 404, text: '' })
    expect(resolveBy('ACME PHOTONICS', [found, gone], HERE).candidates[0]).toMatchObject({ confidence: 0.6 })
  })
})

describe('edgar', () => {
  it('knows the days on which there is an index', () => {
    const day = (text: string): boolean => isFilingDay(parseUtcDate(text)!)
    expect(['2026-11-20', '2026-11-27', '2025-12-26', '2026-06-18'].map(day)).toEqual([true, true, true, true])
    const closed = [
      '2026-11-21',
      '2026-11-22',
      '2026-11-26',
      '2026-01-01',
      '2026-01-19',
      '2026-02-16',
      '2026-05-25',
      '2026-06-19',
    ]
    expect([...closed, '2026-07-03', '2026-09-07', '2026-10-12', '2026-11-11', '2026-12-25', '2021-12-31'].map(day)).toEqual(
      Array.from({ length: 14 }, () => false),
    )
    const window = { from: parseUtcDate('2026-11-19')!, to: parseUtcDate('2026-11-24')! }
    expect(edgar.feed!.slices(window, CONTEXT)).toEqual(['2026-11-19', '2026-11-20', '2026-11-23'])
    expect(edgar.feed!.request(window, '2026-11-19', null, CONTEXT)).toMatchObject({
      base: 'www',
      path: '/Archives/edgar/daily-index/2026/QTR4/form.20261119.idx',
    })
    const weekend = { from: parseUtcDate('2026-11-21')!, to: parseUtcDate('2026-11-22')! }
    expect(edgar.feed!.slices(weekend, CONTEXT)).toEqual(['2026-11-20'])
  })

  it('takes a missing index for none only where there may be none', () => {
    const denied = viewOf({ status: 403, text: '<Error><Code>AccessDenied</Code></Error>' })
    const read = (slice: string) => edgar.feed!.parse(denied, slice, null, CONTEXT)
    expect(read('2026-11-20').items).toEqual([])
    expect(() => read('2026-11-18')).toThrow(/working day/)
    expect(() =>
      edgar.feed!.parse(viewOf({ text: 'Form Type   Company Name   CIK\n---\nD garbage' }), '2026-11-20', null, CONTEXT),
    ).toThrow(/cannot be read/)
  })

  it('makes no record of another filer, and none of columns that do not fit', () => {
    const table = {
      accessionNumber: ['a'],
      form: ['D'],
      filingDate: ['2026-01-01'],
      reportDate: [''],
      items: [''],
      primaryDocument: [],
    }
    const about = (cik: string, recent: JsonObject) =>
      lookUp('0000000007', { '/submissions/CIK0000000007.json': viewOf({ body: { cik, filings: { recent } } }) })
    expect(() => about('8', table)).toThrow(/another filer/)
    expect(() => about('7', table)).toThrow(/primaryDocument/)
    expect(about('7', { ...table, primaryDocument: ['xslF345X05/doc4.xml'] })).toMatchObject({
      filings: [{ accession_number: 'a', primary_document: 'doc4.xml', report_date: null }],
    })
    const absent = edgar.lookup!.parse(viewOf({ status: 404, text: '' }), target('0000000007'), CONTEXT)
    expect(absent).toMatchObject({ kind: 'absent' })
  })

  it('asks for no page that the answer names and that is not of this filer', () => {
    const table = { accessionNumber: [], form: [], filingDate: [], reportDate: [], items: [], primaryDocument: [] }
    const files = [
      { name: 'CIK0000000008-submissions-001.json' },
      { name: '../../evil' },
      { name: 'CIK0000000007-submissions-001.json' },
    ]
    const body = { cik: '7', filings: { recent: table, files } }
    const next = edgar.lookup!.more!([viewOf({ body: body as unknown as JsonValue })], target('0000000007'), CONTEXT)
    expect(next).toMatchObject({ path: '/submissions/CIK0000000007-submissions-001.json' })
  })

  it('does not tell times, telephone numbers, and what flips', () => {
    const table = { accessionNumber: [], form: [], filingDate: [], reportDate: [], items: [], primaryDocument: [] }
    const base = {
      cik: '7',
      name: 'A',
      phone: '1',
      category: 'x<br>',
      formerNames: [{ name: 'B', from: '2017-10-02T00:00:00.000Z' }],
      filings: { recent: table },
    }
    const read = (body: JsonObject) => lookUp('0000000007', { '/submissions/CIK0000000007.json': viewOf({ body }) })
    const moved = {
      ...base,
      phone: '2',
      category: '',
      formerNames: [{ name: 'B', from: '2017-10-02T04:00:00.000Z' }],
      addresses: { business: { city: '' } },
    }
    expect(payloadHash(read(moved), edgar)).toBe(payloadHash(read(base), edgar))
  })
})
