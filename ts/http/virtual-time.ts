/** Why a real provider is not asked while the clock is the sandbox's: days pass there in minutes, and its quota would be spent in no time. */
import type { Config } from '../config/schema.ts'
import { isLoopback } from '../config/urls.ts'
import type { SourceId } from '../model/keys.ts'
import { refusingClient } from './refusing-client.ts'
import type { SourceClient } from './source-client.ts'

/**
 * A client that refuses every call, or null when the source may be asked. The configuration refuses real addresses of enabled sources; one
 * that is not enabled can still be named on the command line.
 */
export function virtualTimeRefusal(
  { clock, enrichment }: Pick<Config, 'clock' | 'enrichment'>,
  source: SourceId,
): (SourceClient & { close(): Promise<void> }) | null {
  const own = enrichment[source]
  if (clock.source !== 'sandbox' || own === undefined) return null
  if ([own.base_url, ...Object.values(own.other_urls ?? {})].every(isLoopback)) return null
  const message =
    `${source} is a real provider and clock.source is sandbox; teach the sandbox its dialect and point ` +
    `enrichment.${source}.base_url at it in config/sandbox.yaml, or use another environment`
  return refusingClient(message)
}
