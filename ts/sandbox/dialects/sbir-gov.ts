import { http, type RequestHandler } from 'msw'
import type { JsonObject } from '../../model/json.ts'
import type { EpochMs } from '../../model/time.ts'
import { AWARD_COLUMNS, type AwardCsvOptions, awardCsv, awardRow, csvChunks, measure } from '../bulk-csv.ts'
import type { World } from '../world/world.ts'
import { type Dialect, type DialectDeps, jsonResponse, textResponse, unplanned } from './dialect.ts'

export type SbirApiDeps = DialectDeps & {
  /**
   * How the switched-off API says so: `429` on the first request (default), the gateway's `403`, or the 429 body with status
   * 403.
   */
  readonly off?: '429' | '403' | '429-body-403'
}

const forbidden = () => jsonResponse({ message: 'Forbidden' }, 403, { 'x-amzn-errortype': 'ForbiddenException' })

/** Handlers of api.www.sbir.gov: switched off since May 2026, and it says so as if it were a rate limit. */
export function sbirGovHandlers(_world: World, baseUrl: string, deps: SbirApiDeps): RequestHandler[] {
  const off = deps.off ?? '429'
  function answer(request: Request): Response {
    if ((request.headers.get('user-agent') ?? '') === '' || off === '403') return forbidden()
    return jsonResponse(
      { Code: 'TooManyRequestsError', Message: 'The SBIR Public API is not available at this time.' },
      off === '429' ? 429 : 403,
    )
  }
  return [
    http.all(`${baseUrl}/public/api/*`, ({ request }) => answer(request)),
    http.all(`${baseUrl}/*`, ({ request }) => unplanned(request, 'this SBIR.gov endpoint')),
  ]
}

export type SbirFilesDeps = DialectDeps & {
  readonly csv?: Pick<AwardCsvOptions, 'bom' | 'duplicates'>
}

type Facts = { readonly publishedAt: EpochMs; readonly bytes: number; readonly etag: string; readonly lastModified: string }

function accessDenied(): Response {
  return textResponse(
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>',
    403,
    'application/xml',
  )
}

/** True when the client's copy is the published one. If-None-Match decides alone when it is sent. */
function isCurrent(request: Request, facts: Facts): boolean {
  const match = request.headers.get('if-none-match')
  if (match !== null) return match === '*' || match.split(',').some((tag) => tag.trim().replace(/^W\//, '') === facts.etag)
  const since = Date.parse(request.headers.get('if-modified-since') ?? '')
  return !Number.isNaN(since) && Date.parse(facts.lastModified) <= since
}

/**
 * First and last byte of a single range; null when the header is absent or no single range, `invalid` when it is beyond the
 * file.
 */
function rangeOf(request: Request, facts: Facts): { readonly from: number; readonly to: number } | 'invalid' | null {
  const condition = request.headers.get('if-range')
  if (condition !== null && condition !== facts.etag && condition !== facts.lastModified) return null
  const match = /^bytes=(\d*)-(\d*)$/.exec(request.headers.get('range') ?? '')
  if (match === null || (match[1] === '' && match[2] === '')) return null
  const last = facts.bytes - 1
  if (match[1] === '') return { from: Math.max(0, facts.bytes - Number(match[2])), to: last }
  const from = Number(match[1])
  const to = match[2] === '' ? last : Math.min(last, Number(match[2]))
  return from > last || to < from ? 'invalid' : { from, to }
}

/** The bytes `[from, to]` of a stream of pieces. */
function* slice(chunks: Iterable<Buffer>, from: number, to: number): Generator<Buffer> {
  let at = 0
  for (const chunk of chunks) {
    const begin = Math.max(0, from - at)
    const end = Math.min(chunk.length, to + 1 - at)
    if (begin < end) yield begin === 0 && end === chunk.length ? chunk : chunk.subarray(begin, end)
    at += chunk.length
    if (at > to) return
  }
}

function streamOf(chunks: Iterator<Buffer>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const { done, value } = chunks.next()
      if (done === true) controller.close()
      else controller.enqueue(value)
    },
  })
}

/**
 * Handlers of data.www.sbir.gov, an S3 host: conditional requests, single ranges, HEAD. Files are generated while they are
 * sent.
 */
export function sbirFilesHandlers(world: World, baseUrl: string, deps: SbirFilesDeps): RequestHandler[] {
  const known = new Map<boolean, Facts>()
  const rows = (abstract: boolean, publishedAt: EpochMs) => csvChunks(awardCsv(world, publishedAt, { ...deps.csv, abstract }))

  /** Size and ETag take one pass over the generated file per publication. */
  function factsOf(abstract: boolean): Facts {
    const publishedAt = world.sbir.publishedAt(deps.now())
    let facts = known.get(abstract)
    if (facts?.publishedAt !== publishedAt) {
      const { bytes, md5 } = measure(rows(abstract, publishedAt))
      facts = {
        publishedAt,
        bytes,
        etag: `"${md5}"`,
        lastModified: new Date(Math.floor(publishedAt / 1000) * 1000).toUTCString(),
      }
      known.set(abstract, facts)
    }
    return facts
  }

  function file(request: Request, abstract: boolean): Response {
    if (request.method !== 'GET' && request.method !== 'HEAD') return accessDenied()
    const facts = factsOf(abstract)
    const common = { etag: facts.etag, 'last-modified': facts.lastModified, 'accept-ranges': 'bytes', server: 'AmazonS3' }
    if (isCurrent(request, facts)) return new Response(null, { status: 304, headers: common })
    const range = rangeOf(request, facts)
    if (range === 'invalid') {
      return textResponse(
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidRange</Code><Message>The requested range is not satisfiable</Message></Error>',
        416,
        'application/xml',
        { 'content-range': `bytes */${facts.bytes}` },
      )
    }
    const { from, to } = range ?? { from: 0, to: facts.bytes - 1 }
    const headers = {
      ...common,
      'content-type': 'text/csv',
      'content-length': String(to - from + 1),
      ...(range === null ? {} : { 'content-range': `bytes ${from}-${to}/${facts.bytes}` }),
    }
    const body = request.method === 'HEAD' ? null : streamOf(slice(rows(abstract, facts.publishedAt), from, to))
    return new Response(body, { status: range === null ? 200 : 206, headers })
  }

  return [
    http.all(`${baseUrl}/mod_awarddatapublic_no_abstract/award_data_no_abstract.csv`, ({ request }) => file(request, false)),
    http.all(`${baseUrl}/mod_awarddatapublic/award_data.csv`, ({ request }) => file(request, true)),
    http.all(`${baseUrl}/awarddatapublic/award_data.csv`, ({ request }) => file(request, true)),
    // An S3 bucket says the same of everything it does not hold, the dead /awarddatadownload/ path among them.
    http.all(`${baseUrl}/*`, () => accessDenied()),
  ]
}

function rowsAbout(world: World, key: string, moment: EpochMs): readonly JsonObject[] {
  const publishedAt = world.sbir.publishedAt(moment)
  return world.sbir
    .find(key, publishedAt)
    .map((award) => Object.fromEntries(awardRow(world, award, publishedAt).map((value, at) => [AWARD_COLUMNS[at]!, value])))
}

const shared = {
  source: 'sbir_gov',
  credential: () => 'anonymous',
  overQuota: () => jsonResponse({ Code: 'TooManyRequestsError', Message: 'Rate exceeded.' }, 429),
  throttled: (_now: EpochMs, seconds: number) =>
    jsonResponse({ Code: 'TooManyRequestsError', Message: 'Rate exceeded.' }, 429, { 'retry-after': String(seconds) }),
  /** By contract or agency tracking number: the rows of the published file as objects by column. */
  truth(world: World, key: string, moment: EpochMs) {
    const found = rowsAbout(world, key, moment)
    return found.length === 0 ? null : found
  },
  *keys(world: World, moment: EpochMs) {
    const publishedAt = world.sbir.publishedAt(moment)
    for (const award of world.sbir.awardsUntil(publishedAt))
      if (award.listedAt <= publishedAt && award.tracking !== '') yield award.tracking
  },
} satisfies Partial<Dialect>

export const sbirGovDialect: Dialect = {
  ...shared,
  prefix: 'sbir_gov',
  keysAsked: (_path, query) => ['uei', 'duns', 'firm', 'keyword'].flatMap((name) => query.getAll(name)),
  handlers: sbirGovHandlers,
}

export const sbirFilesDialect: Dialect = {
  ...shared,
  prefix: 'sbir_files',
  keysAsked: () => [],
  // The bucket has no quota: S3 answers as fast as it is asked.
  handlers: sbirFilesHandlers,
}
