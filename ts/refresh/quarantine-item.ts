/** What is kept of an answer that could not be used: enough to see why, and to ask again for the same entities. */
import { hash } from 'node:crypto'
import type { SourceId } from '../model/keys.ts'
import { entityId } from '../model/keys.ts'
import type { ResponseView } from '../model/response.ts'
import type { EpochMs } from '../model/time.ts'
import type { QuarantineItem } from '../stores/store.ts'
import type { Unit } from './unit-queue.ts'

const MAX_BODY_CHARS = 48_000

/**
 * Names the attempt: the entities, and which attempt of each it was. An attempt that was quarantined, but whose commit was
 * lost with its process, is made again under the same id, so it is kept once.
 */
function attemptId(source: SourceId, unit: Pick<Unit, 'group' | 'targets'>): string {
  const attempts = unit.targets.map(({ item }) => [entityId(item.entry.entity), item.entry.attempts])
  return `quarantine_${hash('sha256', JSON.stringify([source, unit.group, attempts]), 'hex').slice(0, 16)}`
}

function bodyOf(view: ResponseView | null): { readonly status: number | null; readonly body: string | null } {
  return { status: view?.status ?? null, body: view?.text.slice(0, MAX_BODY_CHARS) ?? null }
}

/** A page of a change feed that could not be used. It names no entities of ours; the next run walks it again. */
export function quarantinePage(
  source: SourceId,
  page: { readonly slice: string; readonly cursor: string | null; readonly passStartedAt: EpochMs },
  rejected: { readonly view: ResponseView | null; readonly reason: string },
  now: EpochMs,
): Omit<QuarantineItem, 'state'> {
  const id = hash('sha256', JSON.stringify([source, 'feed', page.slice, page.cursor, page.passStartedAt]), 'hex').slice(0, 16)
  return {
    id: `quarantine_${id}`,
    origin: source,
    where: `a page of the change feed, slice ${page.slice}`,
    reason: rejected.reason,
    payload: JSON.stringify({ entities: [], ...bodyOf(rejected.view) }),
    at: now,
  }
}

export function quarantineItem(
  source: SourceId,
  unit: Pick<Unit, 'group' | 'targets'>,
  rejected: { readonly view: ResponseView | null; readonly reason: string },
  now: EpochMs,
): Omit<QuarantineItem, 'state'> {
  const entities = unit.targets.map(({ item }) => entityId(item.entry.entity))
  return {
    id: attemptId(source, unit),
    origin: source,
    where: `${entities.length} ${entities.length === 1 ? 'entity' : 'entities'}${unit.group === '' ? '' : ` in group ${unit.group}`}, first ${entities[0] ?? 'none'}`,
    reason: rejected.reason,
    payload: JSON.stringify({
      entities: entities.slice(0, 100),
      ...bodyOf(rejected.view),
    }),
    at: now,
  }
}
