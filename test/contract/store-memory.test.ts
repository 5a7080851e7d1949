import { openMemoryStore } from '../../ts/stores/memory/open.ts'
import { storeSuite } from './store-suite.ts'

storeSuite('memory', async () => ({ store: openMemoryStore() }))
