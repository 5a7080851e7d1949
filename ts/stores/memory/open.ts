/** A store in this process's memory: for tests and for simulations in virtual time. Nothing survives the process. */
import type { Store } from '../store.ts'
import { commit } from './commit.ts'
import { createCoordination } from './coordination.ts'
import { Data } from './data.ts'
import { createLedger } from './ledger.ts'
import { createPopulation } from './population.ts'
import { createQuota } from './quota.ts'
import { createSmall } from './small.ts'

export function openMemoryStore(): Store {
  const data = new Data()
  return {
    ...createPopulation(data),
    ...createLedger(data),
    ...createCoordination(data),
    ...createQuota(data),
    ...createSmall(data),
    commit: (batch) => data.step(() => commit(data, batch)),
    close: async () => data.close(),
  }
}
