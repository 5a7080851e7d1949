/** The other side of `fakeAdapter`: things in memory, batches by group, a change feed by day, a gate, a conditional look-up. */
import type { CallResult } from '../../ts/http/source-client.ts'
import type { JsonObject, JsonValue } from '../../ts/model/json.ts'
import type { RequestSpec } from '../../ts/model/response.ts'
import { type EpochMs, toUtcDate } from '../../ts/model/time.ts'
import { answered, ok, type Respond } from './fake-client.ts'

export type Thing = {
  readonly id: string
  readonly group: string
  readonly fields: JsonObject
  readonly modifiedAt: EpochMs
  readonly version: number
}

function bodyOf(request: RequestSpec): { ids: readonly string[]; group: string; cursor: string | null } {
  return request.json as unknown as { ids: readonly string[]; group: string; cursor: string | null }
}

export class FakeProvider {
  readonly things = new Map<string, Thing>()
  /** Rows a page; batches and feeds page alike. */
  pageSize = 100
  /** Ids whose presence in a batch makes the provider refuse the whole of it. */
  readonly poison = new Set<string>()
  /** Look-ups answer 304 when the validators still hold. */
  conditional = false
  private served = 0

  put(id: string, fields: JsonObject, modifiedAt: EpochMs, group = 'main'): void {
    this.things.set(id, { id, group, fields, modifiedAt, version: (this.things.get(id)?.version ?? 0) + 1 })
  }

  /** How many times each entity was asked about, over the given requests. */
  static asked(requests: readonly RequestSpec[]): Map<string, number> {
    const counts = new Map<string, number>()
    for (const request of requests) {
      const ids =
        request.label === 'thing.batch'
          ? bodyOf(request).ids
          : request.label === 'thing.lookup'
            ? [request.path.slice('/things/'.length)]
            : []
      for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    return counts
  }

  readonly respond: Respond = (request) => {
    switch (request.label) {
      case 'thing.lookup':
        return this.lookup(request)
      case 'thing.batch':
        return this.batch(request)
      case 'changes.gate':
        return ok({ marker: this.marker() })
      case 'changes.page':
        return this.changes(request)
      default:
        throw new Error(`the fake provider does not speak ${request.label}`)
    }
  }

  /** What the provider says of a thing: the order of members and a volatile one differ from answer to answer. */
  private row(thing: Thing): JsonObject {
    this.served += 1
    const members: [string, JsonValue][] = [['id', thing.id], ...Object.entries(thing.fields), ['served_at', this.served]]
    return Object.fromEntries(this.served % 2 === 0 ? members : members.reverse())
  }

  private marker(): string {
    return [...this.things.values()].reduce((newest, thing) => Math.max(newest, thing.modifiedAt), 0).toString()
  }

  private lookup(request: RequestSpec): CallResult {
    const thing = this.things.get(request.path.slice('/things/'.length))
    if (thing === undefined) return answered('not_found', { status: 404 })
    const etag = `"${thing.id}-${thing.version}"`
    if (!this.conditional) return ok(this.row(thing))
    if (request.validators?.etag === etag) return answered('not_modified')
    return ok(this.row(thing), { headers: { etag } })
  }

  private batch(request: RequestSpec): CallResult {
    const { ids, group, cursor } = bodyOf(request)
    if (ids.some((id) => this.poison.has(id)))
      return answered('invalid_request', { reason: 'the query holds something the provider refuses' })
    return this.page(
      ids.flatMap((id) => this.things.get(id) ?? []).filter((thing) => thing.group === group),
      cursor,
    )
  }

  private changes(request: RequestSpec): CallResult {
    const query = new Map(request.query)
    const changed = [...this.things.values()].filter((thing) => toUtcDate(thing.modifiedAt) === query.get('slice'))
    return this.page(changed, query.get('page') === '' ? null : (query.get('page') ?? null))
  }

  private page(found: readonly Thing[], cursor: string | null): CallResult {
    const from = cursor === null ? 0 : Number(cursor)
    const rows = found.slice(from, from + this.pageSize).map((thing) => this.row(thing))
    return ok({ rows, next: from + this.pageSize < found.length ? String(from + this.pageSize) : null })
  }
}
