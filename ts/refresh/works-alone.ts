/** Sources of which a part answers in this process: what keeps the other part from being asked must not hold back all of it. Pure. */
import type { SourceAdapter } from '../adapters/adapter.ts'
import type { JsonObject } from '../model/json.ts'
import type { QuotaUse } from '../stores/store.ts'

/** `options`: as configured; what is left out is the adapter's default. */
export function worksAlone(adapter: Pick<SourceAdapter, 'worksAlone' | 'options'>, options: JsonObject): boolean {
  if (adapter.worksAlone === undefined) return false
  const parsed = adapter.options.safeParse(options)
  return parsed.success && adapter.worksAlone(parsed.data)
}

/** Neither the provider's word nor a spent counter is said to hold the source back; how much is left of each stays. */
export function withoutHolds(uses: readonly QuotaUse[]): readonly QuotaUse[] {
  return uses.map((use) => ({
    ...use,
    blockedUntil: null,
    remaining: use.rule.kind === 'counter' ? Math.max(1, use.remaining) : use.remaining,
  }))
}
