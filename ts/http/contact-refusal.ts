/** Why a provider that refuses strangers is not asked as one: it would shut out the address, and with it everybody behind it. */
import { contactProblem } from '../config/contact.ts'
import type { Config } from '../config/schema.ts'
import type { SourceId } from '../model/keys.ts'
import { refusingClient } from './refusing-client.ts'
import type { SourceClient } from './source-client.ts'

/** A client that refuses every call, or null when the source may be asked. `config check` warns of the same before. */
export function contactRefusal(
  config: Pick<Config, 'enrichment' | 'http'>,
  source: SourceId,
): (SourceClient & { close(): Promise<void> }) | null {
  const problem = contactProblem(config, source)
  return problem === null ? null : refusingClient(`${problem.path} ${problem.message}; ${problem.fix}`)
}
