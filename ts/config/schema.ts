/** The configuration as data: one zod schema from which types, JSON Schema and the docs table come. */
import { z } from 'zod'
import { ENTITY_KINDS, isSourceId } from '../model/keys.ts'
import { parseDuration } from '../model/time.ts'
import { embeddedName } from '../runtime/embedded.ts'

const DURATION = /^\d+(?:\.\d+)?(?:ms|s|m|h|d|w)$/

const duration = (description: string) =>
  z.string().regex(DURATION, { error: 'is not a duration; write it as 90s, 15m, 24h or 7d' }).describe(description)

/** A duration that must not be zero. */
const span = (description: string) =>
  duration(description).refine((text) => parseDuration(text) !== 0, {
    error: 'must be longer than zero; write it as 90s, 15m, 24h or 7d',
  })

const baseUrl = (description: string) =>
  z
    .string()
    .refine((text) => embeddedName(text) !== null || (/^https?:\/\//i.test(text) && URL.canParse(text)), {
      error: 'is no http(s) URL',
    })
    .describe(description)

const share = (description: string) => z.number().min(0).max(1).describe(description)

const positiveInt = (description: string) => z.number().int().positive().describe(description)

export const sourceSchema = z.strictObject({
  adapter: z.string().describe('Which adapter speaks to the source; one of those in ts/adapters/registry.ts'),
  base_url: baseUrl(
    'Origin (and path prefix) of the provider; https unless it is on loopback. `embedded:<name>`: answered inside this process, e.g. embedded:ip-data',
  ),
  other_urls: z
    .record(z.string(), baseUrl('As base_url'))
    .default({})
    .describe('Further base URLs that the adapter names, e.g. the host of bulk files'),
  credentials: z
    .record(
      z.string(),
      z.strictObject({
        env: z
          .string()
          .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'is no name of an environment variable' })
          .describe('Name of the environment variable that holds the secret, never the secret itself'),
        loopback_value: z
          .string()
          .min(1)
          .optional()
          .describe('Sent instead when the variable is not set and base_url is on loopback, so that the sandbox needs no key'),
      }),
    )
    .default({})
    .describe('Per credential of the adapter, where it comes from'),
  user_agent: z.string().min(8).optional().describe('Overrides http.user_agent for this source'),
  options: z.record(z.string(), z.json()).default({}).describe('Options of the adapter; checked against its own schema'),
})

export const quotaSchema = z.strictObject({
  limit: positiveInt('Requests allowed in the window'),
  per: span('Length of the window'),
  resets: z
    .enum(['sliding', 'utc_day', 'utc_month'])
    .default('sliding')
    .describe('`sliding`: any window; `utc_day`, `utc_month`: a counter that starts again at that moment'),
  unit: z
    .enum(['request', 'credit'])
    .optional()
    .describe('What is counted: requests (the default), or what each request costs (only quotas that reset by day or month)'),
})

export const identitySchema = z.strictObject({
  enabled: z.boolean().default(true).describe('Whether identities are looked for; those found and decided stay in use'),
  cadence: span('An identity is looked for again this long after it was last').default('90d'),
  sla: span('An identity is stale when it was last looked for earlier').default('180d'),
  min_confidence: share('A match counts from this confidence on; below it waits for a person').default(0.85),
  min_margin: share('How far a match must be ahead of the next one to count').default(0.05),
  cohort: z
    .strictObject({ size: positiveInt('Entities in a cohort of the identity pass').default(500) })
    .prefault({})
    .describe('How its entities are grouped into partitions'),
  max_parallel_requests: positiveInt('Requests of the identity pass in flight at once; default: as the source').optional(),
  coverage_threshold: share('Share of the entities that must have been looked for in time; below it alerts').default(0.9),
})

export const refreshSchema = z.strictObject({
  enabled: z.boolean().describe('Whether refresh works on the source when none is named'),
  cadence: span('An entity is due again this long after its last success'),
  sla: span('An entity is stale when its last success is older'),
  window: span('How far back a change feed may be walked to prove the rest unchanged').default('3d'),
  cohort: z
    .strictObject({ size: positiveInt('Entities in a numbered cohort; a cohort once filled never changes').default(500) })
    .prefault({})
    .describe('How entities are grouped into partitions'),
  batch_size: positiveInt('Entities in a batch call, at most what the provider allows').default(100),
  max_parallel_requests: positiveInt('Requests in flight at once, per process'),
  quotas: z.array(quotaSchema).min(1).describe('All of them hold at once, over all processes'),
  quota_partition: z
    .string()
    .optional()
    .describe('Sources with the same value share their quotas (one API key); default: the source itself'),
  retry: z
    .strictObject({
      max_attempts: z.number().int().min(1).max(3).describe('Sends of one request, the first included').default(3),
      base_delay: duration('Full jitter between 0 and this, doubled per attempt').default('500ms'),
      max_delay: duration('Longest own back-off; a Retry-After is always obeyed in full').default('20s'),
    })
    .prefault({})
    .describe('Repeats of one request by the transport'),
  breaker: z
    .strictObject({
      failures: positiveInt('Consecutive failures that open it').default(5),
      cooldown: duration('Time until one probe is let through').default('30s'),
    })
    .prefault({})
    .describe('Stops calling a source that keeps failing; shared by all processes'),
  timeout: span('Hard deadline of one request, from dispatch to last byte').default('30s'),
  coverage_threshold: z
    .number()
    .min(0)
    .max(1)
    .default(0.9)
    .describe('Share of the resolvable population that must be fresh; below it alerts'),
  identity: identitySchema
    .optional()
    .describe(
      'How entities are tied to the keys of the source. Where its answers say who they are about, only min_confidence and min_margin',
    ),
})

export const configSchema = z.strictObject({
  enrichment: z
    .record(z.string().refine(isSourceId, { error: 'is no source id; lower case letters, digits and _' }), sourceSchema)
    .describe('Registers sources'),
  enrichment_refresh: z.record(z.string(), refreshSchema).describe('Refresh policy per registered source'),
  state: z
    .strictObject({
      path: z
        .string()
        .min(1)
        .describe('The state file (SQLite, local disk); relative to the directory that holds the config directory')
        .default('data/state/enrichment_refresh_state.sqlite'),
      busy_timeout: duration('How long a writer waits for another process').default('30s'),
    })
    .prefault({})
    .describe('The one transactional truth'),
  warehouse: z
    .strictObject({
      path: z
        .string()
        .min(1)
        .describe(
          'Directory of the Parquet files and enrichment.duckdb; relative like state.path. `--state` moves it along, `--warehouse` names another',
        )
        .default('data/warehouse'),
      export_after_run: z.boolean().describe('Export what changed at the end of each refresh').default(true),
    })
    .prefault({})
    .describe('The copy for analysis'),
  run: z
    .strictObject({
      max_parallel_partitions: positiveInt('Partitions worked on at once, per process').default(8),
      max_calls: positiveInt('Calls of one run over all sources').default(250_000),
      max_quota_wait: duration('Longest wait for quota before a partition is parked').default('15m'),
      lease: span('Lease of a partition; renewed at a third of it').default('60s'),
      stop_within: duration('After SIGINT or SIGTERM, requests in flight get this long').default('8s'),
    })
    .prefault({})
    .describe('Limits of one invocation'),
  http: z
    .strictObject({
      user_agent: z
        .string()
        .min(8)
        .describe('Sent with every request; name a contact (an e-mail address or a URL): EDGAR is not asked without one')
        .default('enrichment-refresh/0.1 (+set http.user_agent to your contact)'),
      max_body_bytes: positiveInt('Decoded bytes of an answer').default(20_000_000),
      max_file_bytes: positiveInt('Bytes of a bulk file').default(2_000_000_000),
      max_json_depth: positiveInt('Nesting of an answer').default(64),
    })
    .prefault({})
    .describe('Limits of every request'),
  ingest: z
    .strictObject({
      min_row_share: z
        .number()
        .min(0)
        .max(1)
        .describe('A file with fewer rows than this share of the last one is refused as truncated')
        .default(0.5),
      max_bad_rows: z.number().int().min(0).describe('More quarantined rows than this refuse the file').default(1000),
    })
    .prefault({})
    .describe('When a bulk file is refused'),
  clock: z
    .strictObject({
      source: z
        .enum(['system', 'sandbox'])
        .describe('`sandbox`: time is what the provider sandbox says it is, so that its world can be moved by days')
        .default('system'),
      sandbox_url: z
        .url({ protocol: /^https?$/, error: 'is no http(s) URL' })
        .optional()
        .describe('Where the sandbox runs; required when source is sandbox'),
      scale_quotas: z
        .boolean()
        .default(false)
        .describe('Shorten sliding quota windows by the speed of the sandbox, which shortens its own by as much'),
    })
    .prefault({})
    .describe('Where the time comes from'),
  log: z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error'])
        .describe('Least severe line written to stderr; --verbose and --quiet outrank it')
        .default('info'),
      format: z
        .enum(['text', 'json'])
        .describe('`text` for people, `json` (one object a line) for log collectors')
        .default('text'),
    })
    .prefault({})
    .describe('What is written to stderr'),
  status_changes: z
    .array(
      z.strictObject({
        on_source: z.string().describe('The source whose events are watched'),
        event_kinds: z
          .array(z.enum(['created', 'changed', 'absent', 'returned']))
          .min(1)
          .describe('Kinds of event that count'),
        paths: z.array(z.string()).default([]).describe('Only when one of these fields changed; empty: any'),
        make_due: z.string().describe('The source at which the same entity becomes due at once'),
      }),
    )
    .default([])
    .describe('Events that open a pending status-change entry at another source'),
})

export type Config = z.infer<typeof configSchema>
export type SourceConfig = z.infer<typeof sourceSchema>
export type RefreshPolicyConfig = z.infer<typeof refreshSchema>
export type IdentityPolicyConfig = z.infer<typeof identitySchema>
export { ENTITY_KINDS }
