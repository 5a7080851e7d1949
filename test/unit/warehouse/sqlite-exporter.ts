/** A process that exports a state file again and again. Arguments: state file, warehouse directory, rounds. Prints the statuses. */
import { systemClock, systemIds } from '../../../ts/runtime/system.ts'
import { openSqliteStore } from '../../../ts/stores/sqlite/open.ts'
import { exportWarehouse } from '../../../ts/warehouse/export.ts'
import { exportDeps } from './world.ts'

const [state, directory, rounds] = process.argv.slice(2)
const clock = systemClock()
const store = await openSqliteStore({ path: state!, busyTimeoutMs: 30_000 })
const deps = exportDeps(directory!, store, { now: clock.now, monotonic: clock.monotonic, holder: systemIds().holder() })
const statuses: Record<string, number> = {}
for (let round = 0; round < Number(rounds); round += 1) {
  const { status } = await exportWarehouse(deps, { rebuild: round % 5 === 4 })
  statuses[status] = (statuses[status] ?? 0) + 1
}
await store.close()
process.stdout.write(JSON.stringify(statuses))
