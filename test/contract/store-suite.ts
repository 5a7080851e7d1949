/**
 * What every store must do: one check for each sentence of `ts/stores/store.ts`. An implementation runs it in a line and
 * gets no special treatment.
 */
import { afterEach, describe } from 'vitest'
import type { Store } from '../../ts/stores/store.ts'
import { assignSuite } from './store-suite-assign.ts'
import { commitSuite } from './store-suite-commit.ts'
import { coordinationSuite } from './store-suite-coordination.ts'
import { ledgerSuite } from './store-suite-ledger.ts'
import { pendingSuite } from './store-suite-pending.ts'
import { populationSuite } from './store-suite-population.ts'
import { quotaSuite } from './store-suite-quota.ts'
import { smallSuite } from './store-suite-small.ts'

/** `openFresh` gives an empty store; what it needs to be cleaned up goes into `cleanup`. */
export type OpenFresh = () => Promise<{ readonly store: Store; readonly cleanup?: () => Promise<void> }>
export type Open = () => Promise<Store>

export function storeSuite(name: string, openFresh: OpenFresh): void {
  describe(`store contract: ${name}`, () => {
    const opened: Awaited<ReturnType<OpenFresh>>[] = []
    const open: Open = async () => {
      const fresh = await openFresh()
      opened.push(fresh)
      return fresh.store
    }
    afterEach(async () => {
      for (const { store, cleanup } of opened.splice(0)) {
        await store.close()
        await cleanup?.()
      }
    })
    populationSuite(open)
    assignSuite(open)
    ledgerSuite(open)
    commitSuite(open)
    pendingSuite(open)
    coordinationSuite(open)
    quotaSuite(open)
    smallSuite(open)
  })
}
