/**
 * A process that exports step 1 or 2 of the stepped store and may kill itself at a crash point: what a kill -9 leaves
 * behind cannot be had in the test's own process. Arguments: directory, step, and optionally `name` and `pass` of a point.
 */
import { exportWarehouse } from '../../../ts/warehouse/export.ts'
import { exportDeps, steppedStore } from './world.ts'

const [directory, step, point, pass = '1'] = process.argv.slice(2)
let passes = 0
const crashPoints = {
  reach(name: string) {
    if (name !== point) return
    passes += 1
    if (passes === Number(pass)) process.kill(process.pid, 'SIGKILL')
  },
}
const report = await exportWarehouse(exportDeps(directory!, steppedStore(step === '1' ? 1 : 2), { crashPoints }), {
  rebuild: false,
})
process.stdout.write(`${JSON.stringify(report)}\n`)
