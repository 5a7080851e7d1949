/** `embedded:dns`: the resolver that this machine is configured to use, in the JSON that public resolvers speak over HTTPS. */
import { Resolver } from 'node:dns/promises'
import type { EmbeddedAnswer, EmbeddedHandler } from './embedded.ts'

const TYPES: Readonly<Record<string, number>> = { A: 1, AAAA: 28 }
const TRY_MS = 4_000
const TRIES = 2

export type AddressRecord = { readonly address: string; readonly ttl: number }
/** One question; a Resolver of its own per request, so that cancelling one does not cancel others. */
export type AskDns = (name: string, type: 'A' | 'AAAA', signal: AbortSignal) => Promise<readonly AddressRecord[]>

const askSystem: AskDns = async (name, type, signal) => {
  const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES })
  const cancel = (): void => resolver.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    // The trailing dot keeps search domains of the machine out of it.
    return type === 'A' ? await resolver.resolve4(`${name}.`, { ttl: true }) : await resolver.resolve6(`${name}.`, { ttl: true })
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** DNS answers that are not addresses, by the resolver's error: NXDOMAIN, no such record, SERVFAIL, FORMERR, REFUSED. */
const STATUSES: Readonly<Record<string, number>> = {
  ENOTFOUND: 3,
  ENODATA: 0,
  ESERVFAIL: 2,
  EFORMERR: 1,
  EREFUSED: 5,
  EBADRESP: 2,
}

/** `ask` replaces the machine's resolver. No answer at all (time-out, no server) is a rejection: transient. */
export function dnsProvider(ask: AskDns = askSystem): EmbeddedHandler {
  return async ({ method, path, query, signal }): Promise<EmbeddedAnswer> => {
    const name = query.get('name') ?? ''
    const type = query.get('type') ?? ''
    if (method !== 'GET' || path !== '/resolve') return { status: 404, json: { error: 'only GET /resolve is answered' } }
    if (name === '' || (type !== 'A' && type !== 'AAAA'))
      return { status: 400, json: { error: 'name and type (A, AAAA) are needed' } }
    const question = { name: `${name}.`, type: TYPES[type]! }
    try {
      const records = await ask(name, type, signal)
      const answers = records.map(({ address, ttl }) => ({ ...question, TTL: ttl, data: address }))
      return { status: 200, json: { Status: 0, Question: [question], Answer: answers } }
    } catch (error) {
      const code = (error as { code?: unknown } | null)?.code
      const status = typeof code === 'string' ? STATUSES[code] : undefined
      if (status === undefined) throw error
      return { status: 200, json: { Status: status, Question: [question] } }
    }
  }
}
