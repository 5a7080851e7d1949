/**
 * Which entities a pass over a whole source is for when the request names only some of it: the download or the walk is one
 * and the same, but only these are judged and recorded, and nothing is proven about the others.
 */
import type { SourceAdapter } from '../adapters/adapter.ts'
import { FEED_COHORT, FILE_COHORT, type SourceId } from '../model/keys.ts'
import type { RefreshRequest } from '../model/plan.ts'
import type { Window } from '../model/window.ts'
import type { WorkItem } from '../stores/store.ts'

export type Scope = {
  /** Null: all. */
  readonly cohorts: ReadonlySet<string> | null
  /** By the entity's own date; null: all. A feed's window is another: what changed there in that time. */
  readonly window: Window | null
  readonly limit: number | null
}

/** Null when the request is for all of the source. */
export function scopeOf(source: SourceId, request: RefreshRequest): Scope | null {
  const named = request.partitions.filter((key) => key.startsWith(`${source}:`)).map((key) => key.slice(source.length + 1))
  const all = [...named, ...request.cohorts]
  const isWhole = all.length === 0 || all.includes(FEED_COHORT) || all.includes(FILE_COHORT)
  if (isWhole && request.window === null && request.limit === null) return null
  return { cohorts: isWhole ? null : new Set(all), window: request.window, limit: request.limit }
}

/** The same text for the same part of a source: an interrupted walk goes on only for whom it was begun. */
export function scopeText(scope: Pick<Scope, 'cohorts' | 'limit'> | null): string | null {
  if (scope === null || (scope.cohorts === null && scope.limit === null)) return null
  return JSON.stringify([scope.cohorts === null ? null : [...scope.cohorts].sort(), scope.limit])
}

/** As `scopeText`, for a pass over a file: there the window, too, is a part of the source. */
export function fileScopeText(scope: Scope | null): string | null {
  if (scope === null) return null
  return JSON.stringify([scope.cohorts === null ? null : [...scope.cohorts].sort(), scope.limit, scope.window])
}

export function isOfCohort(scope: Scope | null, cohort: string): boolean {
  return scope === null || scope.cohorts === null || scope.cohorts.has(cohort)
}

/** Whether the entity's date is in the window; without a date it is in none. */
export function isInWindow(scope: Scope | null, item: Pick<WorkItem, 'entity'>, adapter: Pick<SourceAdapter, 'cohort'>): boolean {
  if (scope === null || scope.window === null) return true
  const date = adapter.cohort.date(item.entity)
  return date !== null && date >= scope.window.from && date < scope.window.to
}
