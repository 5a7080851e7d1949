/**
 * What no single key can be judged by: whether the sections fit each other, the adapters, and the engine's rules. Pure.
 * Each check looks only at keys that are valid by themselves, so that it runs beside the schema's findings, not after.
 */
import type { z } from 'zod'
import { isSourceId } from '../model/keys.ts'
import { DAY_MS, parseDuration } from '../model/time.ts'
import { problemsOfIssues } from './issues.ts'
import { formatPath, type PathSegment } from './path.ts'
import type { ConfigProblem } from './problems.ts'
import type { Config, RefreshPolicyConfig, SourceConfig } from './schema.ts'
import { didYouMean } from './suggest.ts'
import { originOf, type Tree } from './tree.ts'
import { baseUrlProblem, isLoopback } from './urls.ts'

/** What configuration needs to know of an adapter; `SourceAdapter` has it. */
export type AdapterFacts = {
  readonly id: string
  readonly credentials: readonly { readonly name: string; readonly required: boolean }[]
  readonly options: {
    safeParse(value: unknown): { success: true; data: unknown } | { success: false; error: { issues: z.core.$ZodIssue[] } }
  }
  readonly batch?: { readonly maxSize: number } | undefined
  readonly resolve?: object | undefined
  readonly identifies?: object | undefined
}
export type AdapterCatalog = { byId(id: string): AdapterFacts | null; readonly ids: readonly string[] }

/** The keys that are valid by themselves; names come from the files, valid or not. */
export type ConfigView = {
  readonly tree: Tree
  readonly sourceNames: readonly string[]
  readonly policyNames: readonly string[]
  readonly sources: ReadonlyMap<string, Partial<SourceConfig>>
  readonly policies: ReadonlyMap<string, Partial<RefreshPolicyConfig>>
  readonly clock: Config['clock'] | null
  readonly statusChanges: Config['status_changes'] | null
}

type Report = (path: readonly PathSegment[], message: string, fix: string) => void

export function crossCheck(view: ConfigView, adapters: AdapterCatalog): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = []
  const report: Report = (path, message, fix) => {
    problems.push({ path: formatPath(path), origin: originOf(view.tree.origins, path), message, fix })
  }
  checkPairing(view, report)
  for (const [name, source] of view.sources) {
    checkAddresses(name, source, view, report)
    if (source.adapter === undefined) continue
    const adapter = adapters.byId(source.adapter)
    if (adapter === null) {
      const fix = `use one of: ${adapters.ids.join(', ')}`
      report(
        ['enrichment', name, 'adapter'],
        `names no adapter: "${source.adapter}"${didYouMean(source.adapter, adapters.ids)}`,
        fix,
      )
      continue
    }
    checkCredentials(name, source, adapter, report)
    const options = source.options === undefined ? null : adapter.options.safeParse(source.options)
    if (options?.success === false)
      problems.push(...problemsOfIssues(options.error.issues, view.tree, ['enrichment', name, 'options'], null))
    checkBatchSize(name, view, adapter, report)
    checkIdentity(name, view, adapter, report)
  }
  for (const [name, policy] of view.policies) checkPolicy(name, policy, report)
  checkSharedQuotas(view, report)
  checkClock(view, report)
  checkStatusChanges(view, namesWithIdentities(view, adapters), report)
  return problems
}

function checkPairing(view: ConfigView, report: Report): void {
  for (const name of view.sourceNames) {
    if (isSourceId(name) && !view.policyNames.includes(name)) {
      report(
        ['enrichment', name],
        'is registered without a refresh policy',
        `add cadence and quotas: a block enrichment_refresh.${name} with enabled, cadence, sla, max_parallel_requests and quotas`,
      )
    }
  }
  for (const name of view.policyNames) {
    if (!view.sourceNames.includes(name)) {
      report(
        ['enrichment_refresh', name],
        `is the policy of a source that is not registered${didYouMean(name, view.sourceNames)}`,
        `add enrichment.${name} with adapter and base_url, or remove this block`,
      )
    }
  }
}

function checkAddresses(name: string, source: Partial<SourceConfig>, view: ConfigView, report: Report): void {
  const addresses: readonly (readonly [readonly string[], string])[] = [
    ...(source.base_url === undefined ? [] : [[['base_url'], source.base_url] as const]),
    ...Object.entries(source.other_urls ?? {}).map(([key, url]) => [['other_urls', key], url] as const),
  ]
  for (const [at, url] of addresses) {
    const path = ['enrichment', name, ...at]
    const problem = baseUrlProblem(url)
    if (problem !== null) report(path, problem.message, problem.fix)
    // One that is not enabled is asked by nobody unasked, and refused by its client: it must not keep the others from work.
    else if (view.clock?.source === 'sandbox' && view.policies.get(name)?.enabled !== false && !isLoopback(url)) {
      report(
        path,
        'is a real provider, but clock.source is sandbox',
        `point it at the sandbox, set enrichment_refresh.${name}.enabled: false there, or set clock.source: system (virtual time would break the provider's quota)`,
      )
    }
  }
}

function checkCredentials(name: string, source: Partial<SourceConfig>, adapter: AdapterFacts, report: Report): void {
  const configured = source.credentials
  if (configured === undefined) return
  const known = adapter.credentials.map((credential) => credential.name)
  for (const key of Object.keys(configured)) {
    if (known.includes(key)) continue
    const fix = known.length === 0 ? 'remove it' : `use one of: ${known.join(', ')}`
    report(['enrichment', name, 'credentials', key], `is no credential of adapter ${adapter.id}${didYouMean(key, known)}`, fix)
  }
  for (const credential of adapter.credentials) {
    if (!credential.required || Object.hasOwn(configured, credential.name)) continue
    const variable = `${name}_${credential.name}`.toUpperCase()
    report(
      ['enrichment', name, 'credentials'],
      `lacks ${credential.name}, which adapter ${adapter.id} needs`,
      `add credentials: { ${credential.name}: { env: ${variable} } }`,
    )
  }
}

function checkBatchSize(name: string, view: ConfigView, adapter: AdapterFacts, report: Report): void {
  const size = view.policies.get(name)?.batch_size
  if (size === undefined || adapter.batch === undefined || size <= adapter.batch.maxSize) return
  const path = ['enrichment_refresh', name, 'batch_size']
  const written = view.tree.origins.has(formatPath(path)) ? '' : ' (the default)'
  report(
    path,
    `is ${size}${written}, more than a call to ${adapter.id} may hold`,
    `write batch_size: ${adapter.batch.maxSize} or less`,
  )
}

/** What the identities of answers are judged by; the rest is about looking for them. */
const JUDGED_BY: ReadonlySet<string> = new Set(['min_confidence', 'min_margin'])

function checkIdentity(name: string, view: ConfigView, adapter: AdapterFacts, report: Report): void {
  const path = ['enrichment_refresh', name, 'identity']
  if (adapter.resolve === undefined) {
    if (view.policies.get(name)?.identity === undefined) return
    if (adapter.identifies === undefined) {
      report(path, `is set, but adapter ${adapter.id} finds no identities`, 'remove this block')
      return
    }
    const start = `${formatPath(path)}.`
    for (const written of view.tree.origins.keys()) {
      const [key = ''] = written.startsWith(start) ? written.slice(start.length).split('.') : []
      if (key === '' || JUDGED_BY.has(key)) continue
      report(
        [...path, key],
        `is set, but ${adapter.id} is told who an entity is by its answers: nothing is looked for`,
        'remove it',
      )
    }
    return
  }
  if (view.sourceNames.includes(`${name}_identity`)) {
    report(
      ['enrichment', `${name}_identity`],
      `has the name under which the identities of ${name} are looked for`,
      'give this source another name',
    )
  }
}

function checkPolicy(name: string, policy: Partial<RefreshPolicyConfig>, report: Report): void {
  const path = ['enrichment_refresh', name]
  if (policy.sla !== undefined && policy.cadence !== undefined && parseDuration(policy.sla)! < parseDuration(policy.cadence)!) {
    report(
      [...path, 'sla'],
      `is shorter than cadence (${policy.sla} < ${policy.cadence}): everything would be stale before it is due`,
      'make cadence shorter than sla, so that there is time to refresh in between',
    )
  }
  const { identity } = policy
  if (identity !== undefined && parseDuration(identity.sla)! < parseDuration(identity.cadence)!) {
    report(
      [...path, 'identity', 'sla'],
      `is shorter than cadence (${identity.sla} < ${identity.cadence})`,
      'make cadence shorter than sla, so that there is time to look again in between',
    )
  }
  if (policy.retry !== undefined && parseDuration(policy.retry.base_delay)! > parseDuration(policy.retry.max_delay)!) {
    report([...path, 'retry', 'base_delay'], 'is longer than retry.max_delay', 'make base_delay the shorter one')
  }
  for (const [index, quota] of (policy.quotas ?? []).entries()) {
    const perMs = parseDuration(quota.per)!
    const at = [...path, 'quotas', index, 'per']
    if (quota.resets === 'utc_day' && perMs !== DAY_MS)
      report(at, `is ${quota.per} for a quota that resets each UTC day`, 'write per: 1d, or remove resets')
    if (quota.resets === 'utc_month' && (perMs < 28 * DAY_MS || perMs > 31 * DAY_MS))
      report(at, `is ${quota.per} for a quota that resets each UTC month`, 'write per: 30d, or remove resets')
    if (quota.resets === 'sliding' && perMs > DAY_MS)
      report(
        at,
        `is ${quota.per}, too long for a sliding window`,
        'write resets: utc_day or utc_month, as the provider counts it',
      )
    if (quota.unit === 'credit' && quota.resets === 'sliding')
      report(
        [...path, 'quotas', index, 'unit'],
        'is credit for a sliding window; credits are counted by day or month',
        'write resets: utc_day or utc_month, as the provider counts it, or remove unit',
      )
  }
}

function checkSharedQuotas(view: ConfigView, report: Report): void {
  const sharers = new Map<string, string[]>()
  for (const [name, policy] of view.policies) {
    if (policy.quotas === undefined) continue
    const key = policy.quota_partition ?? name
    sharers.set(key, [...(sharers.get(key) ?? []), name])
  }
  for (const [key, names] of sharers) {
    const [first, ...others] = names
    for (const name of others) {
      if (quotaText(view.policies.get(name)?.quotas) === quotaText(view.policies.get(first!)?.quotas)) continue
      report(
        ['enrichment_refresh', name, 'quotas'],
        `differ from those of ${first}, with which it shares the quota partition "${key}"`,
        `write the same quotas for ${names.join(' and ')}, or give them different quota_partition values`,
      )
    }
  }
}

function quotaText(quotas: RefreshPolicyConfig['quotas'] = []): string {
  return quotas
    .map((quota) => `${quota.limit}/${parseDuration(quota.per)}/${quota.resets}/${quota.unit ?? 'request'}`)
    .sort()
    .join(' ')
}

function checkClock(view: ConfigView, report: Report): void {
  if (view.clock === null || view.clock.source !== 'sandbox') return
  const url = view.clock.sandbox_url
  if (url === undefined)
    report(['clock', 'sandbox_url'], 'is missing, but clock.source is sandbox', 'add clock.sandbox_url: http://127.0.0.1:8585')
  else if (!isLoopback(url))
    report(['clock', 'sandbox_url'], 'is not on loopback', 'run the sandbox on this machine, e.g. http://127.0.0.1:8585')
}

/** Sources that events may make due: those registered, and those that look for their identities. */
function namesWithIdentities(view: ConfigView, adapters: AdapterCatalog): readonly string[] {
  return view.sourceNames.flatMap((name) => {
    const adapter = adapters.byId(view.sources.get(name)?.adapter ?? '')
    return adapter?.resolve === undefined ? [name] : [name, `${name}_identity`]
  })
}

function checkStatusChanges(view: ConfigView, sourceNames: readonly string[], report: Report): void {
  for (const [index, rule] of (view.statusChanges ?? []).entries()) {
    for (const key of ['on_source', 'make_due'] as const) {
      if (sourceNames.includes(rule[key])) continue
      report(
        ['status_changes', index, key],
        `names no registered source: "${rule[key]}"${didYouMean(rule[key], sourceNames)}`,
        `use one of: ${sourceNames.join(', ')}`,
      )
    }
    if (rule.on_source === rule.make_due) {
      report(
        ['status_changes', index, 'make_due'],
        'is the source of the event itself, which would ask it again after each change',
        'name another source',
      )
    }
    for (const [position, path] of rule.paths.entries()) {
      if (!/^\$[.[]/.test(path))
        report(
          ['status_changes', index, 'paths', position],
          `is no path into a record: "${path}"`,
          'begin it with $., e.g. $.registration.status',
        )
    }
  }
}
