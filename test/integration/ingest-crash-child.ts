/** Ingests a file into a SQLite state and kills itself, as `kill -9` would, at the given visit of a crash point. */
import { ingestFile } from '../../ts/ingest/ingest.ts'
import { openSqliteStore } from '../../ts/stores/sqlite/open.ts'

const [statePath, csvPath, point, visit] = process.argv.slice(2)
let visits = 0
const store = await openSqliteStore({ path: statePath!, busyTimeoutMs: 30_000 })
const report = await ingestFile(
  {
    store,
    logger: { log() {} },
    crashPoints: {
      reach(name) {
        if (name !== point) return
        visits += 1
        if (visits === Number(visit)) process.kill(process.pid, 'SIGKILL')
      },
    },
  },
  {
    loader: 'sbir_awards',
    path: csvPath!,
    now: 1_790_000_000_000,
    ingestId: `ingest_${process.pid}`,
    minRowShare: 0.5,
    maxBadRows: 10,
  },
)
await store.close()
process.stdout.write(JSON.stringify(report))
