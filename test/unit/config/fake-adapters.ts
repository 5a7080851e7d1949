import { z } from 'zod'
import type { AdapterCatalog, AdapterFacts } from '../../../ts/config/check.ts'

/** Two adapters that look like real ones to the configuration: one open and plain, one with key, batch and options. */
export const OPEN: AdapterFacts = { id: 'open_data', credentials: [], options: z.strictObject({}), batch: undefined }
export const KEYED: AdapterFacts = {
  id: 'keyed',
  credentials: [
    { name: 'api_key', required: true },
    { name: 'token', required: false },
  ],
  options: z.strictObject({ version: z.enum(['v3', 'v4']).default('v4'), groups: z.array(z.string()).optional() }),
  batch: { maxSize: 10 },
}

/** One that finds identities. */
export const RESOLVING: AdapterFacts = { ...OPEN, id: 'resolving', resolve: {} }

/** One whose answers say who they are about. */
export const IDENTIFYING: AdapterFacts = { ...OPEN, id: 'identifying', identifies: { minConfidence: 0.7 } }

export const CATALOG: AdapterCatalog = {
  byId: (id) => [OPEN, KEYED, RESOLVING, IDENTIFYING].find((adapter) => adapter.id === id) ?? null,
  ids: [OPEN.id, KEYED.id],
}

export const POLICY = `
    enabled: true
    cadence: 6d
    sla: 7d
    batch_size: 10
    max_parallel_requests: 2
    quotas: [{ limit: 60, per: 60s }]
`

/** The smallest good configuration: source `a` on the open adapter, `b` on the keyed one. */
export const GOOD = `
enrichment:
  a:
    adapter: open_data
    base_url: https://a.example.gov
  b:
    adapter: keyed
    base_url: https://b.example.gov/v1
    credentials: { api_key: { env: B_KEY } }
enrichment_refresh:
  a:${POLICY}
  b:${POLICY}
`
