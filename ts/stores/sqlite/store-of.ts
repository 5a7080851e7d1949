/** The parts over one connection, as one store. */
import type { Store } from '../store.ts'
import { assign } from './assign.ts'
import { commit } from './commit.ts'
import type { Connection } from './connection.ts'
import { createCoordination } from './coordination.ts'
import { events } from './events.ts'
import type { KnownEntities } from './ids.ts'
import { createLedgerReads } from './ledger.ts'
import { createPopulation } from './population.ts'
import { createQuota } from './quota.ts'
import { createSmall } from './small.ts'

export function createStore(db: Connection): Store {
  const known: KnownEntities = new WeakMap()
  return {
    ...createPopulation(db),
    ...createLedgerReads(db, known),
    ...createCoordination(db),
    ...createQuota(db),
    ...createSmall(db),
    assign: (source, kinds, place, _at, byIdentity) => assign(db, source, kinds, place, byIdentity),
    commit: (batch) => commit(db, batch, known),
    events: (query) => events(db, query),
    close: async () => db.close(),
  }
}
