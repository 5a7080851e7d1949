/** The part of Solr's query language that clients of ORCID use: fields, phrases, prefixes, date ranges, AND, OR, parentheses. */

/** What the index answers a query with that it cannot read: not a 400 but a crash. */
export class SolrError extends Error {}

export type Term =
  | { readonly kind: 'phrase'; readonly words: readonly string[] }
  | { readonly kind: 'prefix'; readonly start: string }
  | { readonly kind: 'range'; readonly from: number; readonly to: number; readonly withEnd: boolean }

export type Query =
  | { readonly kind: 'and'; readonly parts: readonly Query[] }
  | { readonly kind: 'or'; readonly parts: readonly Query[] }
  | { readonly kind: 'term'; readonly field: string; readonly term: Term }

const TOKEN = /\s*(?:(\()|(\))|"((?:[^"\\]|\\.)*)"|(\[[^\]}]*[\]}])|(AND|OR)(?=[\s(])|([a-z-]+):|([^\s()":[\]{}]+))/y

type Token = { readonly kind: 'open' | 'close' | 'phrase' | 'range' | 'operator' | 'field' | 'word'; readonly text: string }
const KINDS = ['open', 'close', 'phrase', 'range', 'operator', 'field', 'word'] as const

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const match = TOKEN.exec(text)
    const at = match?.slice(1).findIndex((group) => group !== undefined) ?? -1
    if (match === null || at < 0) throw new SolrError(`For input string: "${text}"`)
    tokens.push({ kind: KINDS[at]!, text: match[at + 1]! })
  }
  return tokens
}

/** Lower case, without accents, in words: how texts are indexed. */
export function wordsOf(text: string): readonly string[] {
  const folded = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()
  return folded.match(/[\p{L}\p{N}]+(?:'[\p{L}\p{N}]+)*/gu) ?? []
}

function instant(text: string, now: number): number {
  if (text === '*') return Number.NaN
  if (text === 'NOW') return now
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) throw new SolrError(`Invalid Date String:'${text}'`)
  return at
}

function rangeOf(text: string, now: number): Term {
  const match = /^\[(\S+) TO (\S+)([\]}])$/.exec(text)
  if (match === null) throw new SolrError(`Cannot parse '${text}'`)
  const [from, to] = [instant(match[1]!, now), instant(match[2]!, now)]
  return {
    kind: 'range',
    from: Number.isNaN(from) ? Number.NEGATIVE_INFINITY : from,
    to: Number.isNaN(to) ? Number.POSITIVE_INFINITY : to,
    withEnd: match[3] === ']',
  }
}

/** Throws `SolrError`. `now` is what `NOW` stands for. */
export function parseSolr(text: string, now: number): Query {
  const tokens = tokensOf(text)
  let at = 0

  function unit(field: string | null): Query {
    const token = tokens[at]
    at += 1
    if (token?.kind === 'field' && field === null) return unit(token.text)
    if (token?.kind === 'open') {
      const inner = either(field)
      if (tokens[at]?.kind !== 'close') throw new SolrError('Encountered "<EOF>"; was expecting ")"')
      at += 1
      return inner
    }
    if (token === undefined || field === null) throw new SolrError(`undefined field ${token?.text ?? '<EOF>'}`)
    if (token.kind === 'phrase')
      return { kind: 'term', field, term: { kind: 'phrase', words: wordsOf(token.text.replace(/\\(.)/g, '$1')) } }
    if (token.kind === 'range') return { kind: 'term', field, term: rangeOf(token.text, now) }
    if (token.kind !== 'word' || !/^[\p{L}\p{N}'.-]+\*?$/u.test(token.text))
      throw new SolrError(`For input string: "${token.text}"`)
    if (!token.text.endsWith('*')) return { kind: 'term', field, term: { kind: 'phrase', words: wordsOf(token.text) } }
    return { kind: 'term', field, term: { kind: 'prefix', start: token.text.slice(0, -1).toLowerCase() } }
  }

  function list(kind: 'and' | 'or', operator: string, next: () => Query): Query {
    const parts = [next()]
    while (tokens[at]?.kind === 'operator' && tokens[at]!.text === operator) {
      at += 1
      parts.push(next())
    }
    return parts.length === 1 ? parts[0]! : { kind, parts }
  }
  const both = (field: string | null): Query => list('and', 'AND', () => unit(field))
  const either = (field: string | null): Query => list('or', 'OR', () => both(field))

  const query = either(null)
  if (at < tokens.length) throw new SolrError(`Encountered "${tokens[at]!.text}"`)
  return query
}

/** What the index holds of one record. Texts by field, one list of words per value; moments are epoch milliseconds. */
export type Indexed = {
  readonly texts: Readonly<Record<string, readonly (readonly string[])[]>>
  readonly moments: Readonly<Record<string, number>>
}

function holds(words: readonly string[], wanted: readonly string[]): boolean {
  if (wanted.length === 0) return false
  return words.some((_, start) => wanted.every((word, offset) => words[start + offset] === word))
}

/** Throws `SolrError` for a field that the index does not have. */
export function matches(query: Query, indexed: Indexed): boolean {
  if (query.kind === 'and') return query.parts.every((part) => matches(part, indexed))
  if (query.kind === 'or') return query.parts.some((part) => matches(part, indexed))
  const { field, term } = query
  if (term.kind === 'range') {
    const at = indexed.moments[field]
    if (at === undefined) throw new SolrError(`undefined field ${field}`)
    return at >= term.from && (term.withEnd ? at <= term.to : at < term.to)
  }
  const values = indexed.texts[field]
  if (values === undefined) throw new SolrError(`undefined field ${field}`)
  return term.kind === 'phrase'
    ? values.some((words) => holds(words, term.words))
    : values.some((words) => words.some((word) => word.startsWith(term.start)))
}

/** Family names of which a match must have one, when the query says so at its top; null when it may be anybody. */
export function familiesOf(query: Query): readonly string[] | null {
  if (query.kind === 'and') {
    for (const part of query.parts) {
      const found = familiesOf(part)
      if (found !== null) return found
    }
    return null
  }
  if (query.kind === 'or') {
    const found = query.parts.map(familiesOf)
    return found.every((list) => list !== null) ? found.flat() : null
  }
  return query.field === 'family-name' && query.term.kind === 'phrase' ? [query.term.words.join(' ')] : null
}
