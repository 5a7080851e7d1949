/**
 * The real adapters with cohorts, groups, batch sizes, feed shape, identities and ways of asking as they are; only what goes over
 * the wire is replaced: requests name what they are about, answers come from the formula of `world.ts`.
 */
import type { Discovered, FeedAnswer, FeedItem, SourceAdapter, Target } from '../../ts/adapters/adapter.ts'
import type { RequestSpec, ResponseView } from '../../ts/model/response.ts'
import { DAY_MS, type EpochMs, SECOND_MS, toUtcDate } from '../../ts/model/time.ts'
import type { Clock } from '../../ts/runtime/ports.ts'
import { addressOf, cageOf, indexOf, isAmong, mix, revisionOf, type World } from './world.ts'

/** Calls a look-up takes on average, how many the source knows of those it is asked about, and what one call takes. */
type Habits = { readonly calls?: number; readonly known?: number; readonly callMs?: number }
const HABITS: Readonly<Record<string, Habits>> = {
  sam_gov: { known: 95 },
  sam_exclusions: { known: 0.3 },
  nih: { known: 97 },
  // Three in ten filers report in XBRL: a second call for them.
  edgar: { calls: 1.3, callMs: 300 },
  orcid: { callMs: 400 },
  openalex: { calls: 2, callMs: 300 },
  dns: { calls: 2, known: 90, callMs: 30 },
  asn: { callMs: 1 },
  geoip: { callMs: 1 },
  uspto_odp: { callMs: 500 },
}
/** Identities: calls for each entity, and in how many of a hundred one is found that counts. Where it takes no call, another source says it. */
const RESOLVES: Readonly<Record<string, { readonly calls: number; readonly found: number }>> = {
  // Who is not suggested is searched for among former names, and hardly any small firm files.
  edgar: { calls: 1.92, found: 8 },
  uspto_odp: { calls: 1.1, found: 25 },
  orcid: { calls: 1.2, found: 50 },
  openalex: { calls: 0, found: 100 },
  dla_cage: { calls: 0, found: 100 },
}
const PATENTS_A_COMPANY = 4
const DEFAULT_CALL_MS = 1.5 * SECOND_MS

export function callMsOf(source: string): number {
  return HABITS[source]?.callMs ?? DEFAULT_CALL_MS
}

/** So many calls on average: the fraction is drawn by the entity. */
function callsFor(target: Target, calls: number, salt: number): number {
  const whole = Math.floor(calls)
  return whole + (isAmong(indexOf(target.entity), (calls - whole) * 100, salt) ? 1 : 0)
}

const ask = (label: string): RequestSpec => ({ method: 'GET', path: '/', label })

function saltOf(source: string): number {
  return [...source].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65_521, 7)
}

function answerOf(source: string, target: Target, at: EpochMs, identity?: string): FeedAnswer {
  const { kind, key } = target.entity
  const entity = { kind, key }
  const { known = 100 } = HABITS[source] ?? {}
  if (!isAmong(indexOf(target.entity), known, saltOf(source))) return { kind: 'absent', entity, reason: 'not known there' }
  const record = { key, revision: revisionOf(target.entity, at), status: 'Active' }
  if (source === 'dns') return { kind: 'record', entity, record, discovered: [addressIn(target)] }
  if (identity === undefined) return { kind: 'record', entity, record }
  return { kind: 'record', entity, record, identity: { providerKey: identity, method: 'number', confidence: 0.9, evidence: {} } }
}

function addressIn({ entity }: Target): Discovered {
  const address = addressOf(indexOf(entity))
  const to = { kind: 'ip', key: address } as const
  const link = { from: { kind: entity.kind, key: entity.key }, kind: 'has_address', to } as const
  return { ...to, attributes: { address, version: 4 }, aliases: [], links: [link] }
}

function patentsOf({ entity }: Target): Discovered[] {
  const index = indexOf(entity)
  return Array.from({ length: PATENTS_A_COMPANY }, (_, nth) => {
    const number = String(10_000_000 + index * PATENTS_A_COMPANY + nth)
    const ref = { kind: 'patent', key: `us_app:${number}` } as const
    const year = 2001 + (mix(index + nth) % 25)
    const filed = `${year - 3}-03-04`
    const granted = nth === 0 ? null : `${year}-${String(1 + (mix(index * 7 + nth) % 12)).padStart(2, '0')}-11`
    const link = { from: ref, kind: 'assigned_to', to: { kind: entity.kind, key: entity.key } } as const
    const attributes = { application_number: number, patent_number: null, filing_date: filed, grant_date: granted }
    return { ...ref, attributes: { ...attributes, company_key: entity.key }, aliases: [], links: [link] }
  })
}

function resolveDouble(real: SourceAdapter): Pick<SourceAdapter, 'resolve'> {
  const resolve = real.resolve
  const habits = RESOLVES[real.id]
  if (resolve === undefined) return {}
  if (habits === undefined) throw new Error(`how often ${real.id} finds an identity is not said: add it to RESOLVES`)
  const candidate = (target: Target): string | null => {
    const index = indexOf(target.entity)
    if (real.id === 'dla_cage') return target.related?.['sam_gov'] === undefined ? null : cageOf(index)
    if (real.id === 'openalex') return target.related?.['orcid'] === undefined ? null : `A${index}`
    return isAmong(index, habits.found, saltOf(real.id)) ? `${real.id} ${index}` : null
  }
  return {
    resolve: {
      ...resolve,
      request: (views, target) => (views.length < callsFor(target, habits.calls, 11) ? ask(`${real.id}.search`) : null),
      parse(_views, target) {
        const providerKey = candidate(target)
        if (providerKey === null) return { candidates: [], reason: 'not known there' }
        const discovered = real.id === 'uspto_odp' ? patentsOf(target) : []
        return { candidates: [{ providerKey, method: 'formula', confidence: 0.99, evidence: {} }], discovered }
      },
    },
  }
}

function lookupDouble(real: SourceAdapter, clock: Clock): Pick<SourceAdapter, 'lookup'> {
  if (real.lookup === undefined) return {}
  const calls = HABITS[real.id]?.calls ?? 1
  return {
    lookup: {
      ...real.lookup,
      request: () => ask(`${real.id}.lookup`),
      more: (views, target) => (views.length < callsFor(target, calls, 13) ? ask(`${real.id}.more`) : null),
      parse: (_view, target) => answerOf(real.id, target, clock.now()),
    },
  }
}

function batchDouble(real: SourceAdapter, clock: Clock): Pick<SourceAdapter, 'batch'> {
  const batch = real.batch
  if (batch === undefined) return {}
  return {
    batch: {
      ...batch,
      request: () => ask(`${real.id}.batch`),
      parse: (_view, targets, group, _cursor, context) => ({
        // Four in five are found in the group that is asked first.
        answers: targets.flatMap((target) => {
          const [first, ...later] = batch.groups(target, context)
          const isHere =
            target.providerKey !== null || group !== first || later.length === 0 || mix(indexOf(target.entity)) % 5 > 0
          return isHere ? [answerOf(real.id, target, clock.now(), target.providerKey ?? `CONT_AWD_${target.entity.key}`)] : []
        }),
        next: null,
      }),
    },
  }
}

/** Those of ours that a feed lists: awards by number, filers by the identity that was found. */
function changedSince(source: string, world: World, from: EpochMs, to: EpochMs): FeedItem[] {
  if (source === 'edgar')
    return Array.from({ length: world.companies }, (_, index) => index).flatMap((index) => {
      const ref = { kind: 'company', key: `name:${index}` } as const
      const isFiler = isAmong(index, RESOLVES['edgar']!.found, saltOf('edgar'))
      return isFiler && revisionOf(ref, from) !== revisionOf(ref, to)
        ? [{ providerKey: `edgar ${index}`, aliases: [], row: {} }]
        : []
    })
  return world.awards
    .filter((entity) => entity.aliases.length > 0 && revisionOf(entity, from) !== revisionOf(entity, to))
    .map((entity) => ({ providerKey: `CONT_AWD_${entity.key}`, aliases: entity.aliases, row: {} }))
}

/** Feeds that prove something are walked; the others serve windows of an operator, who is not here. */
function feedDouble(real: SourceAdapter, clock: Clock, world: World): Pick<SourceAdapter, 'feed'> {
  const feed = real.feed
  if (feed === undefined || !feed.complete) return {}
  const { rowsPerDay, rowsPerPage } = feed.estimate
  const gate = { request: () => ask('gate'), marker: () => toUtcDate(clock.now()) }
  return {
    feed: {
      ...feed,
      ...(feed.gate === undefined ? {} : { gate }),
      request: (window, _slice, cursor) => ({
        ...ask('feed'),
        query: [
          ['from', String(window.from)],
          ['page', cursor ?? '0'],
        ],
      }),
      parse(view, slice, cursor, context) {
        const from = Number(view.headers['from'])
        const slices = feed.slices({ from, to: clock.now() }, context)
        const page = Number(cursor ?? '0')
        // Ours are few among them, and listed on the first page of the first slice; what there is to page through is spread by slices of days.
        const items = slice === slices[0] && page === 0 ? changedSince(real.id, world, from, clock.now()) : []
        if (real.id !== 'usaspending') return { items, next: null }
        const pages = slice === slices[0] ? Math.ceil((((clock.now() - from) / DAY_MS) * rowsPerDay) / rowsPerPage) : 1
        return { items, next: page + 1 < pages ? String(page + 1) : null }
      },
      answer: (item, target) =>
        real.id === 'edgar'
          ? { kind: 'due', entity: { kind: target.entity.kind, key: target.entity.key }, reason: 'new filings' }
          : answerOf(real.id, target, clock.now(), item.providerKey),
    },
  }
}

function classify(view: ResponseView): ReturnType<SourceAdapter['classify']> {
  return view.status === 304 ? { class: 'not_modified', reason: '304' } : { class: 'ok', reason: '200' }
}

export function doubleOf(real: SourceAdapter, clock: Clock, world: World): SourceAdapter {
  return {
    ...real,
    classify,
    // Keys are the formula's.
    providerKeyProblem: () => null,
    ...resolveDouble(real),
    ...lookupDouble(real, clock),
    ...batchDouble(real, clock),
    ...feedDouble(real, clock, world),
  }
}
