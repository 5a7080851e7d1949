/**
 * A process that calls one source over and over, on a shared state file, until it is told to stop. Started by tests:
 *
 *     fork(client-process.ts, [origin, statePath, JSON of policy changes])
 *
 * Says `ready`, begins at `go`, ends at `stop` (or at a signal, through the real shutdown) and then says its counts.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { configSchema, refreshSchema, sourceSchema } from '../../ts/config/schema.ts'
import { createCallBudget } from '../../ts/http/call-budget.ts'
import { createSourceClient } from '../../ts/http/pipeline.ts'
import { createLogger } from '../../ts/runtime/logger.ts'
import { NO_CRASH_POINTS } from '../../ts/runtime/ports.ts'
import { createScrubber } from '../../ts/runtime/scrub.ts'
import { createShutdown } from '../../ts/runtime/shutdown.ts'
import { systemClock, systemIds, systemRandom, writeStderr } from '../../ts/runtime/system.ts'
import { openSqliteStore } from '../../ts/stores/sqlite/open.ts'
import { plainAdapter } from './http-client.ts'

const [origin, statePath, changes = '{}'] = process.argv.slice(2)
const { run: runChanges, ...policyChanges } = JSON.parse(changes) as Record<string, unknown> & { run?: Record<string, unknown> }

const shutdown = createShutdown({ lastResortMs: 15_000, say: (message) => writeStderr(`${message}\n`) })
const secrets = createScrubber()
const clock = systemClock()
const store = await openSqliteStore({ path: statePath!, busyTimeoutMs: 20_000 })
const config = configSchema.parse({
  enrichment: {},
  enrichment_refresh: {},
  run: { max_parallel_partitions: 1, max_calls: 1_000_000, max_quota_wait: '1h', lease: '60s', stop_within: '1s', ...runChanges },
})
const client = createSourceClient({
  adapter: plainAdapter({ credentials: [] }),
  source: 'plain',
  config: sourceSchema.parse({ adapter: 'plain', base_url: origin }),
  policy: refreshSchema.parse({
    enabled: true,
    cadence: '1d',
    sla: '1d',
    max_parallel_requests: 4,
    quotas: [{ limit: 1_000, per: '1s' }],
    timeout: '2s',
    ...policyChanges,
  }),
  http: config.http,
  run: config.run,
  store,
  clock,
  random: systemRandom,
  holder: systemIds().holder(),
  env: () => undefined,
  secrets,
  logger: createLogger({ level: 'warn', format: 'text', write: writeStderr, scrubber: secrets, clock }),
  crashPoints: NO_CRASH_POINTS,
  budget: createCallBudget(1_000_000),
  downloadDir: join(tmpdir(), 'client-process-unused'),
})
shutdown.onRelease('store', () => store.close())
shutdown.onRelease('client', () => client.close())

const counts: Record<string, number> = {}

async function callUntilStopped(): Promise<void> {
  while (!shutdown.requested) {
    const result = await client.call({ method: 'GET', path: '/things/1', label: 'thing' }, { signal: shutdown.signal })
    const name = result.kind === 'answer' ? result.classified.class : result.why
    counts[name] = (counts[name] ?? 0) + 1
    if (result.kind === 'refused') await clock.sleep(5, shutdown.signal)
  }
}

process.on('message', (message) => {
  if (message === 'stop') shutdown.request('told to')
  if (message !== 'go') return
  void Promise.all(Array.from({ length: 4 }, callUntilStopped)).then(async () => {
    await shutdown.release()
    process.exitCode = 130
    process.send!({ counts })
    process.disconnect()
  })
})
process.send!('ready')
