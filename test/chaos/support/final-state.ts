/**
 * What a state file holds, without moments and run ids: equal for two histories that came to the same, however often one of
 * them was killed. Counted so that a row written twice or not at all shows.
 */
import { ENTITY_KINDS, entityId } from '../../../ts/model/keys.ts'
import type { DeltaEvent } from '../../../ts/model/record.ts'
import type { Store } from '../../../ts/stores/store.ts'

export type FinalState = {
  readonly population: Readonly<Record<string, unknown>>
  readonly ledger: Readonly<Record<string, unknown>>
  readonly records: Readonly<Record<string, unknown>>
  readonly events: readonly string[]
  readonly identities: readonly string[]
  readonly checkpoints: Readonly<Record<string, unknown>>
  readonly pending: readonly string[]
  readonly quarantine: readonly string[]
  readonly facts: Readonly<Record<string, unknown>>
}

export async function eventsOf(store: Store): Promise<readonly DeltaEvent[]> {
  const events: DeltaEvent[] = []
  for await (const event of store.events({ limit: 10_000_000 })) events.push(event)
  return events
}

function put(map: Record<string, unknown>, key: string, value: unknown): void {
  if (key in map) throw new Error(`${key} is there twice`)
  map[key] = value
}

export async function finalState(store: Store, sources: readonly string[]): Promise<FinalState> {
  const population: Record<string, unknown> = {}
  for (const kind of ENTITY_KINDS) {
    for await (const entity of store.entities(kind)) {
      put(population, entityId(entity), {
        attributes: entity.attributes,
        aliases: [...entity.aliases].sort(),
        links: (await store.links(entity)).map(({ kind: link, to }) => `${link} ${entityId(to)}`).sort(),
      })
    }
  }
  const ledger: Record<string, unknown> = {}
  const records: Record<string, unknown> = {}
  const identities: string[] = []
  const facts: Record<string, unknown> = {}
  for (const source of sources) {
    for await (const row of store.ledger(source)) {
      put(ledger, `${source} ${entityId(row.entity)}`, {
        cohort: row.cohort,
        outcome: row.outcome,
        status: row.responseStatus,
        hash: row.payloadHash,
        normalizer: row.normalizerVersion,
        validators: row.validators,
        attempts: row.attempts,
        failures: row.consecutiveFailures,
        error: row.error,
        isPending: row.pendingSince !== null,
      })
    }
    for await (const row of store.currentRecords(source)) {
      put(records, `${source} ${entityId(row.entity)}`, { record: row.record, hash: row.payloadHash, present: row.present })
    }
    for (const found of await store.identities({ source, limit: 10_000_000 })) {
      identities.push(
        JSON.stringify([
          source,
          entityId(found.entity),
          found.providerKey,
          found.method,
          found.confidence,
          found.evidence,
          found.decidedBy,
        ]),
      )
    }
    facts[`feed of ${source}`] = markerOf((await store.getState(`feed:${source}`))?.value)
    facts[`file of ${source}`] = markerOf((await store.getState(`file:${source}`))?.value)
  }
  const events = (await eventsOf(store)).map((event) =>
    JSON.stringify([
      event.source,
      entityId(event.entity),
      event.kind,
      event.oldHash,
      event.newHash,
      event.changes,
      event.confidence,
      event.confidenceMethod,
    ]),
  )
  const checkpoints: Record<string, unknown> = {}
  for (const point of await store.checkpoints()) {
    const { calls: _calls, ...counts } = point.counts
    checkpoints[point.partition] = { status: point.status, strategy: point.strategy, cursor: point.cursor, counts }
  }
  return {
    population,
    ledger,
    records,
    events: events.sort(),
    identities: identities.sort(),
    checkpoints,
    pending: (await store.pending())
      .map((change) => `${change.source} ${entityId(change.entity)} ${change.reason} ${change.by.split(':')[0]}`)
      .sort(),
    quarantine: (await store.quarantine({ limit: 1_000_000 }))
      .map((item) => `${item.origin} ${item.where} ${item.reason} ${item.state}`)
      .sort(),
    facts,
  }
}

/** What a fact says about the provider, without our own times. */
function markerOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return null
  const { marker, validators, sha256, rows } = value as Record<string, unknown>
  return { marker, validators, sha256, rows }
}
