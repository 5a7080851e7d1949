import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqliteStore } from '../../ts/stores/sqlite/open.ts'
import { storeSuite } from './store-suite.ts'

storeSuite('sqlite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'store-contract-'))
  const store = await openSqliteStore({ path: join(directory, 'state.sqlite'), busyTimeoutMs: 5000 })
  return { store, cleanup: () => rm(directory, { recursive: true }) }
})
