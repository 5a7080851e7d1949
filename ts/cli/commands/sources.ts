import type { SourceAdapter } from '../../adapters/adapter.ts'
import { adapterById } from '../../adapters/registry.ts'
import type { LoadedConfig } from '../../config/load.ts'
import { isLoopback } from '../../config/urls.ts'
import { EXIT_CODES } from '../../model/errors.ts'
import { STRATEGIES, type Strategy } from '../../model/plan.ts'
import { toIsoOrNull } from '../../model/time.ts'
import { configuredSource, identitySourceNamed } from '../../source-names.ts'
import type { SourceCheck } from '../../wiring.ts'
import { defineCommand } from '../command.ts'
import type { CliContext } from '../context.ts'
import { duration, instant } from '../format.ts'
import { configuredSources, goneReason, sourceOption } from '../selection.ts'
import { type Column, formatTable } from '../table.ts'

type Row = {
  readonly source: string
  readonly adapter: SourceAdapter
  readonly config: LoadedConfig['config']['enrichment'][string]
  readonly policy: LoadedConfig['config']['enrichment_refresh'][string]
  readonly strategies: readonly Strategy[]
  readonly identities: string | null
  /** Why nobody answers there any more. */
  readonly gone: string | null
  readonly credentials: readonly {
    readonly name: string
    readonly env: string | null
    readonly required: boolean
    readonly available: boolean
  }[]
}

export const sourcesList = defineCommand({
  name: 'sources list',
  summary: 'List the configured sources: what they speak, how often, under which quotas, and whether their keys are set',
  isDefault: true,
  options: { source: sourceOption },
  examples: [
    { command: 'sources', does: 'All of them. (`sources list` is the same.)' },
    { command: 'sources list --json', does: "As data, with the providers' documentation." },
  ],
  async handler(context, args) {
    const loaded = await context.config()
    const rows = configuredSources(args.source, loaded).map((source) => rowOf(source, loaded, context.world.variables))
    await context.show({ sources: rows.map(rowDocument) }, () =>
      rows.length === 0 ? 'No source is configured.\n' : formatTable(rows, COLUMNS, context.tableWidth, context.bold),
    )
  },
})

export const sourcesCheck = defineCommand({
  name: 'sources check',
  summary: 'Ask each source one harmless question: is it reachable, does the key work',
  description:
    'Costs one call of the quota each. Neither ledger nor breaker notice. Exit code 78 when a key is missing or refused, 1 when a source cannot be used for another reason, 75 when it only says "later".',
  options: { source: sourceOption },
  examples: [
    { command: 'sources check', does: 'All configured sources.' },
    { command: 'sources check --source sam_gov --json', does: 'One of them, as data.' },
  ],
  async handler(context, args) {
    const loaded = await context.config()
    const sources = configuredSources(args.source, loaded)
    const engine = await context.engine()
    const checks = await engine.checkSources(sources, context.signal)
    const nextOf = (check: SourceCheck): string | null =>
      nextStep(check, rowOf(configuredSource(loaded.config, check.source), loaded, context.world.variables))
    await context.show({ checks: checks.map((check) => checkDocument(check, nextOf(check))) }, () => {
      const steps = checks.flatMap((check) => {
        const next = nextOf(check)
        return next === null ? [] : [`${check.source}: ${next}\n`]
      })
      return `${formatTable(checks, CHECKS, context.tableWidth, context.bold)}${steps.join('')}`
    })
    return checksExitCode(checks)
  },
})

/** What needs a person outranks what is broken outranks what only has to wait. */
export function checksExitCode(checks: readonly SourceCheck[]): number {
  const bad = checks.filter((check) => !check.ok && check.enabled)
  if (bad.length === 0) return 0
  if (bad.some((check) => check.result === 'auth' || (check.result === 'refused' && check.until === null)))
    return EXIT_CODES.configuration
  const waits = bad.every(
    (check) => check.result === 'rate_limited' || check.result === 'quota_exhausted' || check.result === 'refused',
  )
  return waits ? EXIT_CODES.try_later : EXIT_CODES.failed
}

/** What to do about an answer that is not good; null when it is. Pure. */
function nextStep(check: SourceCheck, { config, credentials, gone }: Row): string | null {
  if (check.ok) return null
  if (gone !== null) return gone
  const variables = credentials.flatMap(({ name, env, required }) =>
    env === null ? [] : [`${env}${required ? '' : ` (optional: ${name})`}`],
  )
  if (check.result === 'auth')
    return variables.length === 0
      ? 'the provider wants a credential, but the adapter has none to send; its terms may have changed'
      : `the key was refused; set a valid one in ${variables.join(', ')} and check again`
  // Without a moment, a refusal is about what is configured here, and says what to set.
  if (check.result === 'refused' && check.until === null) return check.reason
  if (check.until !== null) return `try again after ${instant(check.until)}`
  if (check.result === 'rate_limited' || check.result === 'quota_exhausted') return 'it asks to wait; try again later'
  return `see whether ${config.base_url} is right and reachable from here; a refresh leaves the source for later while it is down`
}

function checkDocument(check: SourceCheck, next: string | null) {
  return {
    source: check.source,
    title: check.title,
    enabled: check.enabled,
    ok: check.ok,
    result: check.result,
    reason: check.reason,
    status: check.status,
    until: toIsoOrNull(check.until),
    duration_ms: Math.max(0, check.durationMs),
    next,
  }
}

const CHECKS: readonly Column<SourceCheck>[] = [
  { title: 'source', value: (row) => row.source },
  { title: '', value: (row) => (row.ok ? 'ok' : 'NOT OK') },
  { title: 'answer', value: (row) => row.result.replaceAll('_', ' ') },
  { title: 'status', value: (row) => String(row.status ?? '-'), align: 'right' },
  { title: 'took', value: (row) => duration(row.durationMs), align: 'right' },
  { title: 'again at', value: (row) => instant(row.until) },
  { title: 'why', value: (row) => row.reason, flexible: true },
]

function rowOf(source: string, { config }: LoadedConfig, variables: CliContext['world']['variables']): Row {
  const own = config.enrichment[source]!
  const adapter = adapterById(own.adapter)
  const strategies = STRATEGIES.filter((strategy) => adapter[strategy] !== undefined)
  const credentials = adapter.credentials.map(({ name, required }) => {
    const entry = own.credentials[name]
    const isSet = entry !== undefined && (variables[entry.env] ?? '').trim() !== ''
    return {
      name,
      env: entry?.env ?? null,
      required,
      available: isSet || (entry?.loopback_value !== undefined && isLoopback(own.base_url)),
    }
  })
  return {
    source,
    adapter,
    config: own,
    policy: config.enrichment_refresh[source]!,
    strategies,
    identities: identitySourceNamed(config, source),
    gone: goneReason(source, { config }),
    credentials,
  }
}

function rowDocument({ source, adapter, config, policy, strategies, identities, credentials }: Row) {
  return {
    source,
    adapter: config.adapter,
    title: adapter.title,
    docs: adapter.docs,
    base_url: config.base_url,
    enabled: policy.enabled,
    cadence: policy.cadence,
    sla: policy.sla,
    quotas: policy.quotas.map(({ limit, per, resets, unit = 'request' }) => ({ limit, per, resets, unit })),
    identities,
    entity_kinds: [...adapter.entityKinds],
    strategies: [...strategies],
    credentials: credentials.map((credential) => ({ ...credential })),
  }
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'source', value: (row) => row.source },
  { title: 'speaks', value: (row) => row.adapter.title, flexible: true },
  { title: 'entities', value: (row) => row.adapter.entityKinds.join(', ') },
  { title: 'by', value: (row) => row.strategies.join(', ') },
  { title: 'identities', value: (row) => row.identities ?? '-' },
  { title: 'enabled', value: (row) => (row.policy.enabled ? 'yes' : 'no') },
  { title: 'cadence', value: (row) => row.policy.cadence, align: 'right' },
  { title: 'sla', value: (row) => row.policy.sla, align: 'right' },
  {
    title: 'quotas',
    value: (row) =>
      row.policy.quotas
        .map(
          ({ limit, per, resets, unit }) =>
            `${limit}${unit === 'credit' ? ' credits' : ''}/${per}${resets === 'sliding' ? '' : ` ${resets.replace('_', ' ')}`}`,
        )
        .join(', '),
  },
  { title: 'keys', value: keysText },
  { title: 'at', value: (row) => row.config.base_url, flexible: true },
]

function keysText({ credentials, gone }: Row): string {
  if (gone !== null) return 'none: it is gone'
  if (credentials.length === 0) return 'none needed'
  return credentials
    .map(({ name, env, required, available }) =>
      available ? `${name} set` : `${name} ${required ? 'MISSING' : 'not set'} (${env ?? 'not configured'})`,
    )
    .join(', ')
}
