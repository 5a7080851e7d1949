/** Which sources have to be told who asks, and whether their User-Agent says so. Pure. */
import type { ConfigProblem } from './problems.ts'
import type { Config } from './schema.ts'
import { originOf } from './tree.ts'
import { isLoopback } from './urls.ts'

/**
 * By adapter, what the provider does to who names no contact. It stands here because the header is the configuration's: an adapter cannot
 * set it, and must never get to see it. Only providers that refuse belong here; elsewhere a contact is a courtesy.
 */
const REFUSES_STRANGERS: Readonly<Record<string, string>> = {
  edgar: 'the SEC shuts out who does not say how to reach him',
}

/** An e-mail address, or the address of a page. */
const CONTACT = /[^\s@()<>,;]+@[^\s@()<>,;]+\.[A-Za-z]{2,}|https?:\/\/[^\s/()<>,;]+\.[A-Za-z]{2,}/i

export function namesContact(userAgent: string): boolean {
  return CONTACT.test(userAgent)
}

/**
 * The problem of a source that would be asked without a contact, or null: another adapter, a contact, or addresses that never leave
 * this machine. The User-Agent itself is not repeated. `origins` says where it was written.
 */
export function contactProblem(
  { enrichment, http }: Pick<Config, 'enrichment' | 'http'>,
  source: string,
  origins: ReadonlyMap<string, string> = new Map(),
): ConfigProblem | null {
  const own = enrichment[source]
  const why = own === undefined ? undefined : REFUSES_STRANGERS[own.adapter]
  if (own === undefined || why === undefined || namesContact(own.user_agent ?? http.user_agent)) return null
  if ([own.base_url, ...Object.values(own.other_urls)].every(isLoopback)) return null
  const [path, also] =
    own.user_agent === undefined
      ? [['http', 'user_agent'], `; or enrichment.${source}.user_agent, for ${source} alone`]
      : [['enrichment', source, 'user_agent'], '']
  return {
    path: path.join('.'),
    origin: originOf(origins, path),
    message: `names no contact (an e-mail address or a URL), so ${source} cannot be asked: ${why}`,
    fix: `write ${path.join('.')}: "Acme enrichment data@acme.com", with your own${also}; or set enrichment_refresh.${source}.enabled to false`,
  }
}
