/**
 * A process that exports again and again while the store moves on. In round r every ledger row has `attempts` r and there
 * are 5 r events, so that a reader can tell whether what it sees is of one round. Arguments: directory, rounds.
 */
import { exportWarehouse } from '../../../ts/warehouse/export.ts'
import { deltaEvent, fakeStore, ledgerEntry } from './fake-store.ts'
import { exportDeps, T0 } from './world.ts'

const [directory, rounds] = process.argv.slice(2)
const store = fakeStore()
const deps = exportDeps(directory!, store, { chunkRows: 60 })
for (let round = 1; round <= Number(rounds); round += 1) {
  store.entries.length = 0
  for (const cohort of ['uei_batch_0001', 'uei_batch_0002', 'uei_batch_0003']) {
    for (let index = 0; index < 200; index += 1)
      store.entries.push(ledgerEntry({ key: `${cohort}-${index}`, cohort, attempts: round, lastSuccessAt: T0 + round }))
    store.touch('sam_gov', cohort)
  }
  for (let index = 0; index < 5; index += 1) store.eventList.push(deltaEvent(store.eventList.length + 1))
  await exportWarehouse(deps, { rebuild: round % 7 === 0 })
  if (round === 1) process.stdout.write('ready\n')
}
