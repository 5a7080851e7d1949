/** Which normalizer made a record, where options of the source take part in making it. */
import { hash } from 'node:crypto'
import type { SourceAdapter } from '../adapters/adapter.ts'
import type { JsonObject } from '../model/json.ts'
import { canonicalText } from './canonical.ts'

/** Of one adapter version; a version number of ours stays far below, and the product far below 2^53. */
const VARIANTS = 1_000_000

/**
 * The adapter's version while the options that shape records (`recordOptions`) are as they come; any other choice is a
 * version of its own: 1 000 000 times the adapter's and a number from 1 to 999 999 made of the choice. So what a changed option brings or
 * takes away is never taken for the provider's change.
 */
export function normalizerVersionOf(
  adapter: Pick<SourceAdapter, 'normalizerVersion' | 'recordOptions' | 'options'>,
  options: JsonObject,
): number {
  const defaults = adapter.options.safeParse({}).data ?? {}
  const chosen = adapter.options.safeParse(options).data ?? options
  const choice = (adapter.recordOptions ?? []).flatMap((name) => {
    const [ours, usual] = [canonicalText(chosen[name] ?? null, null), canonicalText(defaults[name] ?? null, null)]
    return ours === usual ? [] : [`${name}=${ours}`]
  })
  if (choice.length === 0) return adapter.normalizerVersion
  const digest = Number.parseInt(hash('sha256', choice.sort().join('\n'), 'hex').slice(0, 12), 16)
  return adapter.normalizerVersion * VARIANTS + 1 + (digest % (VARIANTS - 1))
}
