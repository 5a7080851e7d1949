/** What every request that an adapter describes must hold to, the later ones of a conversation too. */
import { expect } from 'vitest'
import type { AdapterContext, KeyedFile, SourceAdapter, Target } from '../../ts/adapters/adapter.ts'
import { MalformedAnswer } from '../../ts/adapters/shared/malformed.ts'
import { isJsonObject, type JsonValue } from '../../ts/model/json.ts'
import type { RequestSpec, ResponseView } from '../../ts/model/response.ts'
import type { Window } from '../../ts/model/window.ts'

/** Names under which providers take keys. An adapter knows no key: whatever goes out under one of these was made up or leaked. */
const CREDENTIAL_NAME =
  /^(?:x[-_])?(?:(?:api|app|access|auth|client|user|subscription|secret)[-_]?)?(?:key|token|secret|password|passwd|authorization|credentials?)(?:[-_]?(?:id|code))?$/i

function memberNames(value: JsonValue | undefined): readonly string[] {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).flatMap(memberNames)
  if (!isJsonObject(value)) return []
  return Object.entries(value).flatMap(([name, member]) => [name, ...memberNames(member)])
}

/** Relative to the base URL, encoded, labelled, and without anything under the name of a credential. */
export function checkRequest(adapter: SourceAdapter, request: RequestSpec): void {
  expect(request.path, request.path).toMatch(/^\/(?!\/)[!-~]*$/)
  expect(request.path).not.toMatch(/[?#]|:\/\/|\/\.\.(?:\/|$)/)
  expect(request.label).toMatch(/^[a-z][a-z0-9_.]*$/)
  if (request.method === 'GET') expect(request.json).toBeUndefined()
  const own = adapter.credentials.flatMap(({ name, placement }) => [name.toLowerCase(), placement.name.toLowerCase()])
  const names = [
    ...(request.query ?? []).map(([name]) => name),
    ...Object.keys(request.headers ?? {}),
    ...memberNames(request.json),
  ]
  for (const name of names) {
    expect(own, `${request.label}: the pipeline adds the credential`).not.toContain(name.toLowerCase())
    expect(name, `${request.label}: the name of a credential`).not.toMatch(CREDENTIAL_NAME)
  }
  for (const part of [request.path, ...(request.query ?? []).map(([, value]) => value)]) {
    expect(part, `${request.label}: a credential`).not.toMatch(/(?:api[-_]?key|token|secret|password)=|\b(?:bearer|basic) \S{6}/i)
  }
}

/** Requests of one conversation, in order. It stops when the answers are used up, the adapter wants no more, or refuses one. */
type Conversing = { readonly requests: readonly RequestSpec[]; readonly cursors: readonly string[] }

/** One exchange of several requests: the answers go through the adapter's own parser, which leads to the next request. */
export type Conversation = {
  readonly name: string
  readonly by: 'lookup' | 'batch' | 'feed' | 'identity' | 'decided' | 'file'
  /** Whom it is about; feeds need none. */
  readonly targets?: readonly Target[]
  readonly group?: string
  readonly slice?: string
  readonly answers: readonly ResponseView[]
  /** How many requests are built in all; one more than answers when the last one leads on. */
  readonly requests: number
  readonly context?: AdapterContext
}

export const MAX_REQUESTS = 20

function nextIn(
  adapter: SourceAdapter,
  talk: Conversation,
  views: readonly ResponseView[],
  cursor: string | null,
  window: Window,
  context: AdapterContext,
): { readonly request: RequestSpec | null; readonly cursor: string | null } {
  const [target] = talk.targets ?? []
  const last = views.at(-1)
  const none = { request: null, cursor: null }
  switch (talk.by) {
    case 'lookup':
      return {
        request:
          last === undefined
            ? adapter.lookup!.request(target!, context)
            : (adapter.lookup!.more?.(views, target!, context) ?? null),
        cursor: null,
      }
    case 'identity':
      return { request: adapter.resolve!.request(views, target!, context), cursor: null }
    case 'decided':
      return { request: adapter.resolve!.ofDecided!.request(views, target!, context), cursor: null }
    case 'file': {
      const file = adapter.file as KeyedFile
      if (views.length > 1) return none
      const validators = { etag: null, lastModified: null }
      return { request: last === undefined ? file.locate!(context) : file.request(validators, context, last), cursor: null }
    }
    case 'batch': {
      const batch = adapter.batch!
      const group = talk.group ?? batch.groups(target!, context)[0]!
      const next = last === undefined ? null : batch.parse(last, talk.targets!, group, cursor, context).next
      return last !== undefined && next === null
        ? none
        : { request: batch.request(talk.targets!, group, next, context), cursor: next }
    }
    case 'feed': {
      const feed = adapter.feed!
      const slice = talk.slice ?? feed.slices(window, context)[0]!
      const next = last === undefined ? null : feed.parse(last, slice, cursor, context).next
      return last !== undefined && next === null ? none : { request: feed.request(window, slice, next, context), cursor: next }
    }
  }
}

/**
 * Plays a conversation and checks each request: it holds to the rules, is the same when it is built again from the same, and, where
 * `distinct`, was not made before; cursors never come back. Throws what the adapter throws.
 */
export function converse(
  adapter: SourceAdapter,
  talk: Conversation,
  window: Window,
  context: AdapterContext,
  distinct = true,
): Conversing {
  const requests: RequestSpec[] = []
  const cursors: string[] = []
  let cursor: string | null = null
  for (let asked = 0; asked <= talk.answers.length; asked++) {
    const views = talk.answers.slice(0, asked)
    const next = nextIn(adapter, talk, views, cursor, window, context)
    const again = nextIn(adapter, talk, structuredClone(views), cursor, window, context)
    expect(again, 'the same is asked when the same is known').toEqual(next)
    if (next.request === null) break
    checkRequest(adapter, next.request)
    if (distinct) {
      const text = (request: RequestSpec): string => JSON.stringify({ ...request, label: '' })
      expect(requests.map(text), 'a request is made twice').not.toContain(text(next.request))
    }
    if (next.cursor !== null) {
      expect(cursors, 'a cursor comes back').not.toContain(next.cursor)
      cursors.push(next.cursor)
    }
    requests.push(next.request)
    cursor = next.cursor
  }
  return { requests, cursors }
}

/** The same answer to all: later requests that recordings happen to lead to. What is refused is refused. */
export function leadOn(
  adapter: SourceAdapter,
  view: ResponseView,
  targets: readonly Target[],
  seekers: readonly Target[],
  window: Window,
  context: AdapterContext,
): readonly Conversing[] {
  const answers = [view, view, view]
  const attempt = (talk: Omit<Conversation, 'name' | 'answers' | 'requests'>): readonly Conversing[] => {
    try {
      return [converse(adapter, { ...talk, name: '', answers, requests: 0 }, window, context, false)]
    } catch (error) {
      if (error instanceof MalformedAnswer) return []
      throw error
    }
  }
  return [
    ...(adapter.lookup?.more === undefined ? [] : targets.flatMap((target) => attempt({ by: 'lookup', targets: [target] }))),
    ...(adapter.resolve === undefined ? [] : seekers.flatMap((target) => attempt({ by: 'identity', targets: [target] }))),
    ...targets.flatMap((target) =>
      (adapter.batch?.groups(target, context) ?? []).flatMap((group) =>
        attemptOnce(() => attempt({ by: 'batch', targets: [target], group })),
      ),
    ),
    ...(adapter.feed === undefined ? [] : attemptOnce(() => attempt({ by: 'feed' }))),
  ]
}

/** The same page again and again may well bring the same cursor, which is told from a fault by the conversations alone. */
function attemptOnce<T>(run: () => readonly T[]): readonly T[] {
  try {
    return run()
  } catch (error) {
    if (error instanceof Error && /a cursor comes back/.test(error.message)) return []
    throw error
  }
}
