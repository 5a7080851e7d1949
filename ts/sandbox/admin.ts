/** The admin interface under /_admin/: clock, arrivals, violations, faults, truth, changes, world, log. JSON in and out. */
import { type EpochMs, parseDuration, toIso } from '../model/time.ts'
import { CHANGES_BY_SOURCE } from './changes.ts'
import { jsonResponse } from './dialects/dialect.ts'
import { DIALECTS } from './dialects/index.ts'
import { parseFault } from './faults.ts'
import type { Sandbox } from './sandbox.ts'

const ENDPOINTS = [
  'GET /_admin/clock',
  'POST /_admin/clock {"advance":"1d"}',
  'GET /_admin/arrivals?source=usaspending',
  'GET /_admin/violations',
  'GET /_admin/faults',
  'POST /_admin/faults {"source":"usaspending","kind":"latency","ms":500,"rate":0.1,"count":20,"match":"/awards/"}',
  'DELETE /_admin/faults[/ID]',
  'GET /_admin/truth/<source>/<key>[?at=ISO][&view=search]',
  'GET /_admin/truth/<source>[?at=ISO]  (keys)',
  'GET /_admin/changes?source=S&since=ISO[&until=ISO]',
  'GET /_admin/world',
  'GET /_admin/log?after=N[&limit=N]',
]
const SOURCES = Object.keys(CHANGES_BY_SOURCE)
const MAX_LOG_ROWS = 50_000

const problem = (status: number, message: string) => jsonResponse({ error: message, endpoints: ENDPOINTS }, status)

/** What `GET clock` says. */
export type ClockReport = {
  readonly now: string
  readonly epoch_ms: EpochMs
  readonly speed: number
  readonly skipped_ms: number
  readonly note: string
}

export function clockReport({ clock }: Sandbox): ClockReport {
  const { speed } = clock
  const minute = 60 / speed
  const now = clock.now()
  return {
    now: toIso(now),
    epoch_ms: now,
    speed,
    skipped_ms: clock.skippedMs,
    note:
      speed === 1
        ? 'The world runs in real time and quota windows have their published length.'
        : `The world runs ${speed} times as fast as real time, and so do the quotas: a window of one minute lasts ${Number(minute.toPrecision(4))} s.`,
  }
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function clock(sandbox: Sandbox, method: string, body: string): Response {
  if (method === 'GET') return jsonResponse(clockReport(sandbox))
  if (method !== 'POST') return problem(405, 'clock takes GET and POST')
  const request = parseBody(body) as { advance?: unknown } | null | undefined
  const advance = typeof request?.advance === 'string' ? parseDuration(request.advance) : null
  if (advance === null || advance <= 0)
    return problem(400, 'send {"advance":"1d"}; time moves only forward, units are ms, s, m, h, d, w')
  sandbox.clock.advance(advance)
  return jsonResponse(clockReport(sandbox))
}

function faults(sandbox: Sandbox, method: string, id: string | undefined, body: string): Response {
  if (method === 'GET') return jsonResponse({ faults: sandbox.faults.list() })
  if (method === 'POST') {
    const spec = parseFault(
      parseBody(body),
      DIALECTS.map(({ prefix }) => prefix),
    )
    return typeof spec === 'string' ? problem(400, spec) : jsonResponse(sandbox.faults.add(spec), 201)
  }
  if (method !== 'DELETE') return problem(405, 'faults takes GET, POST and DELETE')
  if (id === undefined) return jsonResponse({ removed: sandbox.faults.remove() })
  const removed = sandbox.faults.remove(Number(id))
  return removed === 0 ? problem(404, `there is no fault ${id}`) : jsonResponse({ removed })
}

function arrivals(sandbox: Sandbox, source: string | null): Response {
  if (source !== null && !sandbox.quotas.has(source))
    return problem(404, `source is one of ${[...sandbox.quotas.keys()].join(', ')}`)
  const sources = [...sandbox.quotas].filter(([name]) => source === null || name === source)
  return jsonResponse({
    total: sandbox.log.total,
    sources: sources.map(([name, meter]) => ({ source: name, violations: meter.violationCount, windows: meter.report() })),
  })
}

function violations(sandbox: Sandbox): Response {
  const all = [...sandbox.quotas].flatMap(([source, meter]) =>
    meter.violations.map((violation) => ({ source, ...violation, at: toIso(violation.at) })),
  )
  const total = [...sandbox.quotas.values()].reduce((sum, meter) => sum + meter.violationCount, 0)
  return jsonResponse({ total, violations: all.sort((a, b) => a.n - b.n) })
}

/** A moment from a query; null when it is not a time. */
function momentOf(text: string | null, fallback: EpochMs): EpochMs | null {
  if (text === null) return fallback
  const at = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  return Number.isNaN(at) ? null : at
}

function truth(sandbox: Sandbox, source: string | undefined, key: string | undefined, query: URLSearchParams): Response {
  const dialect = DIALECTS.find(({ prefix }) => prefix === source)
  if (dialect === undefined) return problem(404, `source is one of ${DIALECTS.map(({ prefix }) => prefix).join(', ')}`)
  const moment = momentOf(query.get('at'), sandbox.clock.now())
  if (moment === null) return problem(400, 'at is a time such as 2026-11-21T06:00:00Z')
  const headers = { 'x-world-time': toIso(moment) }
  if (key === undefined)
    return jsonResponse(
      { source: dialect.prefix, at: toIso(moment), keys: [...dialect.keys(sandbox.world, moment)] },
      200,
      headers,
    )
  const record = dialect.truth(sandbox.world, decodeURIComponent(key), moment, query.get('view'))
  return record === null
    ? jsonResponse({ error: `${dialect.prefix} has no ${decodeURIComponent(key)} at ${toIso(moment)}` }, 404, headers)
    : jsonResponse(record, 200, headers)
}

function changes(sandbox: Sandbox, query: URLSearchParams): Response {
  const source = query.get('source') ?? ''
  const find = CHANGES_BY_SOURCE[source]
  if (find === undefined) return problem(400, `source is one of ${SOURCES.join(', ')}`)
  const since = momentOf(query.get('since'), sandbox.world.options.startAt)
  const until = momentOf(query.get('until'), sandbox.clock.now())
  if (since === null || until === null || until < since)
    return problem(400, 'since and until are times such as 2026-11-21T06:00:00Z, in this order')
  return jsonResponse({ source, since: toIso(since), until: toIso(until), changes: find(sandbox.world, since, until) })
}

function world({ world: { options, companies, sam, usaspending, sbir }, clock: { now } }: Sandbox): Response {
  const at = now()
  const publishedAt = sbir.publishedAt(at)
  const load = usaspending.loadedAt(at)
  return jsonResponse({
    seed: options.seed,
    start_at: toIso(options.startAt),
    companies: companies.length,
    companies_with_uei: companies.filter(({ ueiListed }) => ueiListed).length,
    sam_entities: sam.companies.length,
    sam_rows: sam.companies.reduce((sum, { eftIndicator }) => sum + (eftIndicator === null ? 1 : 2), 0),
    awards: sbir.awardsUntil(publishedAt).filter(({ listedAt }) => listedAt <= publishedAt).length,
    usaspending_awards: usaspending.visible(load).length,
    usaspending_loaded_at: toIso(load),
    sbir_published_at: toIso(publishedAt),
    sbir_publish_every_ms: options.sbirPublishEvery,
  })
}

function log(sandbox: Sandbox, query: URLSearchParams): Response {
  const after = Number(query.get('after') ?? 0)
  const limit = Math.min(MAX_LOG_ROWS, Number(query.get('limit') ?? 10_000))
  if (!Number.isInteger(after) || after < 0 || !Number.isInteger(limit) || limit < 1)
    return problem(400, 'after is a whole number from 0, limit one from 1')
  const entries = sandbox.log.after(after, limit)
  return jsonResponse({
    total: sandbox.log.total,
    dropped: sandbox.log.dropped,
    next: entries.at(-1)?.n ?? after,
    entries: entries.map((entry) => ({ ...entry, at: toIso(entry.at) })),
  })
}

/** Answers `/_admin/...`; `pathAndQuery` as it stands in the request line. */
export function answerAdmin(sandbox: Sandbox, method: string, pathAndQuery: string, body: string): Response {
  const { pathname, searchParams } = new URL(pathAndQuery, 'http://sandbox.invalid')
  const [, , name, ...rest] = pathname.split('/')
  switch (name) {
    case 'clock':
      return clock(sandbox, method, body)
    case 'faults':
      return faults(sandbox, method, rest[0] || undefined, body)
  }
  if (method !== 'GET' && method !== 'HEAD') return problem(405, `${name} takes GET`)
  switch (name) {
    case undefined:
    case '':
      return jsonResponse({ endpoints: ENDPOINTS })
    case 'arrivals':
      return arrivals(sandbox, searchParams.get('source'))
    case 'violations':
      return violations(sandbox)
    case 'truth':
      return truth(sandbox, rest[0], rest.length > 1 && rest[1] !== '' ? rest.slice(1).join('/') : undefined, searchParams)
    case 'changes':
      return changes(sandbox, searchParams)
    case 'world':
      return world(sandbox)
    case 'log':
      return log(sandbox, searchParams)
    default:
      return problem(404, `there is no /_admin/${name}`)
  }
}
