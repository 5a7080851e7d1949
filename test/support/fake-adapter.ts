/**
 * An adapter double with every capability, in a dialect of its own: `thing.lookup`, `thing.batch`, `changes.gate`,
 * `changes.page`, `all.file`. `FakeProvider` speaks the other side of it.
 */
import { z } from 'zod'
import type {
  Answer,
  BatchCapability,
  FeedAnswer,
  FeedCapability,
  FileCapability,
  LookupCapability,
  SourceAdapter,
  Target,
} from '../../ts/adapters/adapter.ts'
import { MalformedAnswer } from '../../ts/adapters/shared/malformed.ts'
import type { Entity } from '../../ts/model/entity.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../ts/model/json.ts'
import type { EntityRef } from '../../ts/model/keys.ts'
import { objectBody, type ResponseView } from '../../ts/model/response.ts'
import { DAY_MS, parseUtcDate, startOfUtcDay, toUtcDate } from '../../ts/model/time.ts'
import { SOURCE } from './builders.ts'

/** `uei:ABC` is `ABC` at the provider. */
export function thingId(entity: EntityRef): string {
  return entity.key.replace(/^uei:/, '')
}

function rowsOf(view: ResponseView): readonly JsonObject[] {
  const rows = objectBody(view)?.['rows']
  if (!Array.isArray(rows) || !rows.every(isJsonObject)) throw new MalformedAnswer('the body has no list of rows')
  return rows
}

function nextOf(view: ResponseView): string | null {
  const next = objectBody(view)?.['next']
  return typeof next === 'string' ? next : null
}

function recordAnswer(entity: EntityRef, row: JsonObject, view?: ResponseView): FeedAnswer {
  const id = String(row['id'])
  const etag = view?.headers['etag'] ?? null
  return {
    kind: 'record',
    entity: { kind: entity.kind, key: entity.key },
    record: row,
    identity: { providerKey: id, method: 'uei', confidence: 0.95, evidence: { id } },
    ...(etag === null ? {} : { validators: { etag, lastModified: null } }),
  }
}

/** Groups to look in: the entity's own attribute `groups`, else one. */
function groupsOf(target: Target): readonly string[] {
  const groups: JsonValue | undefined = target.entity.attributes['groups']
  return Array.isArray(groups) ? groups.map(String) : ['main']
}

export const fakeLookup: LookupCapability = {
  request: (target) => ({
    method: 'GET',
    path: `/things/${thingId(target.entity)}`,
    label: 'thing.lookup',
    validators: target.validators,
  }),
  parse(view, target) {
    if (view.status === 404) return { kind: 'absent', entity: target.entity, reason: 'no such thing' }
    const body = objectBody(view)
    if (body === null || body['id'] === undefined) throw new MalformedAnswer('the body is no thing')
    return recordAnswer(target.entity, body, view)
  },
}

export const fakeBatch: BatchCapability = {
  maxSize: 100,
  groups: groupsOf,
  request: (targets, group, cursor) => ({
    method: 'POST',
    path: '/things',
    label: 'thing.batch',
    json: { ids: targets.map((target) => thingId(target.entity)), group, cursor },
  }),
  parse(view, targets) {
    const byId = new Map(targets.map((target) => [thingId(target.entity), target.entity]))
    const answers: Answer[] = []
    for (const row of rowsOf(view)) {
      const entity = byId.get(String(row['id']))
      if (entity === undefined) answers.push(recordAnswer({ kind: 'company', key: `uei:${String(row['id'])}` }, row))
      else if (row['ambiguous'] === true)
        answers.push({ kind: 'skipped', entity, reason: 'two candidates', alternatives: [{ id: '1' }, { id: '2' }] })
      else answers.push(recordAnswer(entity, row))
    }
    return { answers, next: nextOf(view) }
  },
}

export const fakeFeed: FeedCapability = {
  gate: {
    request: () => ({ method: 'GET', path: '/updated', label: 'changes.gate' }),
    marker: (view) => String(objectBody(view)?.['marker']),
  },
  overlapMs: DAY_MS,
  estimate: { rowsPerDay: 10, rowsPerPage: 10 },
  complete: true,
  slices(window) {
    const days: string[] = []
    for (let at = startOfUtcDay(window.from); at < window.to; at += DAY_MS) days.push(toUtcDate(at))
    return days
  },
  request: (_window, slice, cursor) => ({
    method: 'GET',
    path: '/changes',
    label: 'changes.page',
    query: [
      ['slice', slice],
      ['page', cursor ?? ''],
    ],
  }),
  parse(view) {
    const split = objectBody(view)?.['split']
    if (Array.isArray(split)) return { items: [], next: null, split: split.map(String) }
    return {
      items: rowsOf(view).map((row) => ({ providerKey: String(row['id']), aliases: [`thing:${String(row['id'])}`], row })),
      next: nextOf(view),
    }
  },
  answer: (item, target) => (thingId(target.entity) === item.providerKey ? recordAnswer(target.entity, item.row) : null),
}

export const fakeFile: FileCapability = {
  loader: 'sbir_awards',
  request: (validators) => ({ method: 'GET', path: '/all.csv', label: 'all.file', expect: 'file', validators }),
  record: (entity) => ({ name: entity.attributes['name'] ?? null, status: entity.attributes['status'] ?? null }),
}

export type Capability = 'lookup' | 'batch' | 'feed' | 'file'
const CAPABILITIES = { lookup: fakeLookup, batch: fakeBatch, feed: fakeFeed, file: fakeFile }

/** An adapter with the capabilities named; `parts` overrides anything else. */
export function fakeAdapter(
  capabilities: readonly Capability[] = ['lookup', 'batch', 'feed'],
  parts: Partial<SourceAdapter> = {},
): SourceAdapter {
  const chosen = Object.fromEntries(capabilities.map((name) => [name, CAPABILITIES[name]]))
  return {
    id: SOURCE,
    title: 'Fake source',
    docs: 'https://example.org/docs',
    entityKinds: ['company'],
    normalizerVersion: 1,
    credentials: [],
    options: z.record(z.string(), z.json()),
    cohort: {
      numbered: true,
      name: () => 'batch',
      date(entity: Entity) {
        const date = entity.attributes['date']
        return typeof date === 'string' ? parseUtcDate(date) : null
      },
    },
    unresolvable: (entity: Entity) => (entity.key.startsWith('uei:') ? null : 'no UEI'),
    probe: () => ({ method: 'GET', path: '/', label: 'probe' }),
    classify: () => ({ class: 'ok', reason: 'answered' }),
    volatile: ['$.served_at'],
    arrayKeys: { '$.sites': ['code'] },
    unordered: ['$.tags'],
    ...chosen,
    ...parts,
  }
}
