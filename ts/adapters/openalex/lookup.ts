/** The author by ORCID iD, which is free, then the newest works, which cost one credit. */
import type { JsonObject } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { AdapterContext, Answer, LookupCapability, Target } from '../adapter.ts'
import { readOrcid } from '../orcid/ids.ts'
import { refOf } from '../shared/entity.ts'
import { countOf, listOf, memberAt, requireObject, requireObjects, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { clipText } from '../shared/text.ts'
import { AUTHOR_LABEL, movedTo, WORKS_LABEL } from './classify.ts'
import { type AuthorKey, isTombstone, readAuthorId, readAuthorKey } from './ids.ts'
import { recordOfAuthor } from './record.ts'

/** A page: as many as one credit buys. */
export const DEFAULT_RECENT_WORKS = 100
/** The same day for everybody, whatever the day of the look-up. Another default is another normalizer version. */
export const DEFAULT_WORKS_SINCE = '2024-01-01'
const AUTHOR_FIELDS =
  'id,orcid,display_name,display_name_alternatives,ids,affiliations,last_known_institutions,topics,works_count,cited_by_count,summary_stats'
const WORK_FIELDS = 'id,doi,title,display_name,publication_date,type,primary_location,is_retracted'
type WantedWorks = { readonly count: number; readonly since: string }
/** Redirects, the iD instead of a lost id, the works. */
const MAX_REQUESTS = 5

/** The short form of the iD: the edge bills the form with a URL as a list. */
export function authorRequest(key: AuthorKey | null): RequestSpec {
  const id = key === null ? 'A0' : key.kind === 'orcid' ? `orcid:${key.id}` : key.id
  return { method: 'GET', path: `/authors/${id}`, query: [['select', AUTHOR_FIELDS]], credits: 0, label: AUTHOR_LABEL }
}

function worksRequest(author: string, { count, since }: WantedWorks): RequestSpec {
  return {
    method: 'GET',
    path: '/works',
    query: [
      ['filter', `author.id:${author},from_publication_date:${since}`],
      ['sort', 'publication_date:desc'],
      ['per_page', String(count)],
      ['select', WORK_FIELDS],
    ],
    credits: 1,
    label: WORKS_LABEL,
  }
}

function wantedWorks({ recent_works: count, works_since: since }: JsonObject): WantedWorks {
  const isCount = typeof count === 'number' && Number.isInteger(count) && count >= 0 && count <= 100
  return {
    count: isCount ? count : DEFAULT_RECENT_WORKS,
    since: typeof since === 'string' && since !== '' ? since : DEFAULT_WORKS_SINCE,
  }
}

/** The iD that `orcid` has for the same person. */
export function relatedOrcid(target: Target): string | null {
  return readOrcid(textAt(target.related?.['orcid'], 'orcid'))
}

const isAuthor = (view: ResponseView): boolean => view.status === 200 && readAuthorId(textAt(view.json, 'id')) !== null

/** Which authors were asked for so far, the way `more` asked. */
function askedKeys(views: readonly ResponseView[], target: Target): readonly (AuthorKey | null)[] {
  const keys: (AuthorKey | null)[] = [readAuthorKey(target.providerKey)]
  for (const view of views) {
    const next = nextKey(view, keys, target)
    if (next === null) break
    keys.push(next)
  }
  return keys
}

/** After a redirect the author it leads to; after a miss the iD, when only the author's id was asked for. */
function nextKey(view: ResponseView, asked: readonly (AuthorKey | null)[], target: Target): AuthorKey | null {
  const known = (id: string): boolean => asked.some((key) => key?.id === id)
  const moved = movedTo(view)
  if (moved !== null) return known(moved) ? null : { kind: 'author', id: moved }
  const orcid = relatedOrcid(target)
  return view.status === 404 && orcid !== null && !known(orcid) ? { kind: 'orcid', id: orcid } : null
}

function more(views: readonly ResponseView[], target: Target, { options }: AdapterContext): RequestSpec | null {
  const last = views.at(-1)
  if (last === undefined || views.length >= MAX_REQUESTS || readAuthorKey(target.providerKey) === null) return null
  const wanted = wantedWorks(options)
  if (views.some(isAuthor)) {
    const author = isAuthor(last) ? readAuthorId(textAt(last.json, 'id')) : null
    return author === null || wanted.count === 0 || isTombstone(author) || views.slice(0, -1).some(isAuthor)
      ? null
      : worksRequest(author, wanted)
  }
  const next = nextKey(last, askedKeys(views.slice(0, -1), target), target)
  return next === null ? null : authorRequest(next)
}

function parse(view: ResponseView, target: Target, { options }: AdapterContext, earlier: readonly ResponseView[] = []): Answer {
  const entity = refOf(target.entity)
  const key = readAuthorKey(target.providerKey)
  if (key === null)
    return {
      kind: 'skipped',
      entity,
      reason: `"${clipText(target.providerKey ?? '', 60)}" is neither an ORCID iD nor an author of OpenAlex; set or clear the identity`,
    }
  const views = [...earlier, view]
  const at = views.findIndex(isAuthor)
  if (at < 0) {
    if (movedTo(view) !== null) return { kind: 'skipped', entity, reason: `${key.id} is redirected again and again` }
    if (view.status === 404) return { kind: 'absent', entity, reason: `OpenAlex has no author ${key.id}` }
    throw new MalformedAnswer('the author has no id')
  }
  const author = requireObject(views[at]!, 'the author')
  const id = readAuthorId(textAt(author, 'id'))!
  if (isTombstone(id)) return { kind: 'absent', entity, reason: `OpenAlex deleted the author ${key.id}` }
  const orcid = readOrcid(textAt(author, 'orcid'))
  const asked = askedKeys(views.slice(0, at), target).at(-1)
  if (asked?.kind === 'orcid' && orcid !== asked.id)
    throw new MalformedAnswer(`asked for ${asked.id}, OpenAlex answered with ${orcid ?? id}`)
  if (asked?.kind === 'author' && id !== asked.id)
    throw new MalformedAnswer(`asked for ${asked.id}, OpenAlex answered with ${id}`)
  const page = views[at + 1]
  if (page === undefined) return { kind: 'record', entity, record: recordOfAuthor(author, null) }
  const body = requireObject(page, 'the works')
  const results = requireObjects(listOf(body['results']), 'results')
  const total = countOf(memberAt(body, 'meta', 'count'))
  // Without the count a full page may be all there is, or not.
  const complete = total === null ? results.length < wantedWorks(options).count : results.length >= total
  return { kind: 'record', entity, record: recordOfAuthor(author, { results, complete }) }
}

export const lookup: LookupCapability = {
  // The author, free, then the newest works.
  callsPerEntity: 2,
  request: (target) => authorRequest(readAuthorKey(target.providerKey)),
  more,
  parse,
}
