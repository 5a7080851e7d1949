/** The SEC's three hosts: data.sec.gov, www.sec.gov (indexes) and efts.sec.gov (search), with one limit over all of them. */
import { http, type RequestHandler } from 'msw'
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { DAY_MS, type EpochMs, HOUR_MS, MINUTE_MS, parseUtcDate, toUtcDate } from '../../model/time.ts'
import { edgarWorld, type Filer, isOpenDay, nameAt, wordsIn } from '../world/edgar-world.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, textResponse, unplanned } from './dialect.ts'
import { factsOf, filedBy, olderPageOf, submissionsOf } from './edgar-shapes.ts'

const HINTS = 10
const HITS = 100

function htmlPage(title: string, text: string): Response {
  const body = `<!DOCTYPE html>\n<html lang="en"><head><title>${title}</title></head><body><h1>${title}</h1><p>${text}</p></body></html>\n`
  return textResponse(body, 403, 'text/html')
}
const tooFast = (): Response =>
  htmlPage(
    'SEC.gov | Request Rate Threshold Exceeded',
    'Your access will be restored once your rate has been below the threshold for 10 minutes.',
  )
const undeclared = (): Response =>
  htmlPage(
    'Your Request Originates from an Undeclared Automated Tool',
    'Please declare your traffic by updating your user agent to include company specific information.',
  )
const storageError = (code: string, message: string, status: number): Response =>
  textResponse(
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message><RequestId>SANDBOX</RequestId></Error>`,
    status,
    'application/xml',
  )
const noSuchKey = (): Response => storageError('NoSuchKey', 'The specified key does not exist.', 404)
const accessDenied = (): Response => storageError('AccessDenied', 'Access Denied', 403)
const NEVER_CACHED = { 'cache-control': 'max-age=0, no-cache, no-store' }

/** Who says how he can be reached is let in. */
function declared(request: Request, answer: () => Response): Response {
  return (request.headers.get('user-agent') ?? '').includes('@') ? answer() : undeclared()
}

const hasFiled = (filer: Filer, moment: EpochMs): boolean => (filer.filings[0]?.at ?? Number.POSITIVE_INFINITY) <= moment

export function edgarHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  function filerOf(digits: string): Filer | null {
    const filer = world.part(edgarWorld).byCik(digits)
    return filer !== null && hasFiled(filer, deps.now()) ? filer : null
  }

  function submissions(file: string): Response {
    const [, cik = '', older] = /^CIK(\d{10})(-submissions-\d{3})?\.json$/.exec(file) ?? []
    const filer = filerOf(cik)
    const body =
      filer === null ? null : older === undefined ? submissionsOf(filer, deps.now()) : olderPageOf(filer, file, deps.now())
    return body === null ? noSuchKey() : jsonResponse(body, 200, NEVER_CACHED)
  }

  function facts(file: string): Response {
    const filer = filerOf(/^CIK(\d{10})\.json$/.exec(file)?.[1] ?? '')
    const body = filer === null ? null : factsOf(filer, deps.now())
    return body === null ? noSuchKey() : jsonResponse(body, 200, NEVER_CACHED)
  }

  return [
    http.get(`${baseUrl}/submissions/:file`, ({ request, params }) =>
      declared(request, () => submissions(String(params['file']))),
    ),
    http.get(`${baseUrl}/api/xbrl/companyfacts/:file`, ({ request, params }) =>
      declared(request, () => facts(String(params['file']))),
    ),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this data.sec.gov endpoint')),
  ]
}

/** Columns of the index by form type, padded as they are. */
function indexText(world: World, day: string): string {
  const rows = world
    .part(edgarWorld)
    .onDay(day)
    .map(({ filer, filing }) => ({ name: nameAt(filer, filing.at), cik: String(Number(filer.cik)), filing }))
    .toSorted((a, b) => (a.filing.form + a.name < b.filing.form + b.name ? -1 : 1))
  const line = (form: string, name: string, cik: string, date: string, file: string): string =>
    `${form.padEnd(12)}${name.slice(0, 61).padEnd(62)}${cik.padEnd(12)}${date.padEnd(12)}${file}`
  return [
    'Description:           Daily Index of EDGAR Dissemination Feed by Form Type',
    `Last Data Received:    ${day}`,
    'Comments:              webmaster@sec.gov',
    'Anonymous FTP:         ftp://ftp.sec.gov/edgar/',
    ' ',
    ' ',
    line('Form Type', 'Company Name', 'CIK', 'Date Filed', 'File Name'),
    '-'.repeat(141),
    ...rows.map(({ name, cik, filing }) =>
      line(filing.form, name, cik, day.replaceAll('-', ''), `edgar/data/${cik}/${filing.accession}.txt         `),
    ),
    '',
  ].join('\n')
}

export function edgarWwwHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  function index(year: string, quarter: string, file: string): Response {
    const [, digits] = /^form\.(\d{8})\.idx$/.exec(file) ?? []
    const day = digits === undefined ? '' : `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`
    const at = parseUtcDate(day)
    // Written at 10 p.m. in Washington, which is 3 a.m. of the next day.
    const isThere =
      at !== null &&
      isOpenDay(day) &&
      day.startsWith(year) &&
      quarter === `QTR${Math.floor((Number(day.slice(5, 7)) - 1) / 3) + 1}` &&
      at + DAY_MS + 3 * HOUR_MS <= deps.now()
    return isThere ? textResponse(indexText(world, day), 200, 'text/plain') : accessDenied()
  }

  function tickers(): JsonObject {
    const listed = world.part(edgarWorld).all.filter((filer) => filer.ticker !== null && hasFiled(filer, deps.now()))
    return Object.fromEntries(
      listed.map((filer, rank) => [
        String(rank),
        { cik_str: Number(filer.cik), ticker: filer.ticker, title: nameAt(filer, deps.now()) },
      ]),
    )
  }

  return [
    http.get(`${baseUrl}/Archives/edgar/daily-index/:year/:quarter/:file`, ({ request, params }) =>
      declared(request, () => index(String(params['year']), String(params['quarter']), String(params['file']))),
    ),
    http.get(`${baseUrl}/files/company_tickers.json`, ({ request }) => declared(request, () => jsonResponse(tickers()))),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this www.sec.gov page')),
  ]
}

export function edgarEftsHandlers(world: World, baseUrl: string, deps: DialectDeps): RequestHandler[] {
  const answer = (hits: readonly JsonObject[], total: number): Response =>
    jsonResponse({
      took: 12,
      timed_out: false,
      _shards: { total: 50, successful: 50, skipped: 0, failed: 0 },
      hits: { total: { value: total, relation: 'eq' }, max_score: hits.length === 0 ? null : 9.5, hits },
    })

  /** Every word begins a word of the name that the filer has now. */
  function hints(typed: string): Response {
    const wanted = wordsIn(typed)
    const now = deps.now()
    const found = world
      .part(edgarWorld)
      .withPrefix(wanted[0] ?? ' ')
      .filter((filer) => hasFiled(filer, now))
      .filter((filer) => wanted.every((word) => wordsIn(nameAt(filer, now)).some((has) => has.startsWith(word))))
    const hits = found.slice(0, HINTS).map((filer, rank) => ({
      _index: 'edgar_entity',
      _id: String(Number(filer.cik)),
      _score: 20 - rank,
      _source: {
        entity: filer.ticker === null ? nameAt(filer, now) : `${nameAt(filer, now)} (${filer.ticker})`,
        ...(filer.ticker === null ? {} : { tickers: filer.ticker }),
        rank: 1_000 + rank,
      },
    }))
    return answer(hits, found.length)
  }

  /** Filings whose filers, under the name they had when they filed, have all the words. */
  function filings(name: string): Response {
    const wanted = wordsIn(name)
    const now = deps.now()
    const found = world
      .part(edgarWorld)
      .withPrefix(wanted[0] ?? ' ')
      .flatMap((filer) =>
        filedBy(filer, now)
          .filter(({ at }) => wanted.every((word) => wordsIn(nameAt(filer, at)).includes(word)))
          .map((filing) => ({ filer, filing })),
      )
    const hits = found.slice(0, HITS).map(({ filer, filing }) => ({
      _index: 'edgar_file',
      _id: `${filing.accession}:primary_doc.xml`,
      _score: 9.5,
      _source: {
        ciks: [filer.cik],
        period_ending: null,
        display_names: [`${nameAt(filer, filing.at)}  ${filer.ticker === null ? '' : `(${filer.ticker})  `}(CIK ${filer.cik})`],
        root_forms: [filing.form],
        file_date: toUtcDate(filing.at),
        biz_states: [filer.place.state],
        form: filing.form,
        adsh: filing.accession,
        biz_locations: [`${filer.place.city}, ${filer.place.state}`],
      },
    }))
    return answer(hits, found.length)
  }

  return [
    http.get(`${baseUrl}/LATEST/search-index`, ({ request }) =>
      declared(request, () => {
        const { searchParams } = new URL(request.url)
        const typed = searchParams.get('keysTyped')
        const name = searchParams.get('entityName')
        if (searchParams.has('q')) return unplanned(request, 'the full text of filings')
        return typed !== null ? hints(typed) : name !== null ? filings(name) : answer([], 0)
      }),
    ),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this efts.sec.gov endpoint')),
  ]
}

const COMMON = {
  source: 'edgar',
  // The SEC counts by address; there are no keys.
  credential: () => 'address',
  keysAsked: (path: string): readonly string[] => {
    const cik = /CIK(\d{10})/.exec(path)?.[1]
    return cik === undefined ? [] : [cik]
  },
  overQuota: tooFast,
  throttled: tooFast,
  truth(world: World, key: string, moment: EpochMs): JsonValue | null {
    const filer = world.part(edgarWorld).byCik(key)
    return filer === null || !hasFiled(filer, moment) ? null : submissionsOf(filer, moment)
  },
  *keys(world: World, moment: EpochMs): Generator<string> {
    for (const filer of world.part(edgarWorld).all) if (hasFiled(filer, moment)) yield filer.cik
  },
}

export const edgarDialect: Dialect = {
  ...COMMON,
  prefix: 'edgar', // Who is too fast is let in again when he has been slow for ten minutes.
  quotas: [{ limit: 10, per: 1_000, blocksFor: 10 * MINUTE_MS }],
  handlers: edgarHandlers,
}
export const edgarWwwDialect: Dialect = { ...COMMON, prefix: 'edgar_www', handlers: edgarWwwHandlers }
export const edgarEftsDialect: Dialect = { ...COMMON, prefix: 'edgar_efts', handlers: edgarEftsHandlers }
