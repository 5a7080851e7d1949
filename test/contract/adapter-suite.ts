/**
 * What every adapter must hold to, in a line: `adapterSuite(adapter, { exampleEntities, … })`. It needs no network and no
 * recordings; those of the provider make it sharper.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AdapterContext, Answer, FeedItem, Resolution, SourceAdapter, Target } from '../../ts/adapters/adapter.ts'
import { MalformedAnswer } from '../../ts/adapters/shared/malformed.ts'
import type { Entity } from '../../ts/model/entity.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../ts/model/json.ts'
import { ENTITY_KINDS, entityId, isCohortName, isSourceId } from '../../ts/model/keys.ts'
import { RESPONSE_CLASSES, type RequestSpec, type ResponseClass, type ResponseView } from '../../ts/model/response.ts'
import { DAY_MS } from '../../ts/model/time.ts'
import { canonicalJson, payloadHash } from '../../ts/refresh/canonical.ts'
import { diffRecords } from '../../ts/refresh/diff.ts'
import { compilePathRules } from '../../ts/refresh/path-rules.ts'
import {
  checkDates,
  checkInstant,
  type EmptyReading,
  flipped,
  type Instant,
  isRecord,
  valuesAt,
  withNoise,
} from './adapter-readings.ts'
import { type Conversation, checkRequest, converse, leadOn, MAX_REQUESTS } from './adapter-requests.ts'
import { HAS_RECORDINGS, RECEIVED_AT, type ViewParts, viewOf } from './recorded.ts'

/** A recorded answer: to which request it came, what class it is, and what `check` finds in it. */
export type RecordedCase = {
  readonly name: string
  readonly label: string
  readonly view: ResponseView
  readonly class: ResponseClass
  /** Who reads it. Needed for what the engine would have read: `ok`, `empty` and `not_found`. */
  readonly reads?: EmptyReading
  readonly check?: () => void
}
/** An error as the provider answers it. `until`: milliseconds after the answer arrived. */
export type ErrorCase = {
  readonly name: string
  readonly label: string
  readonly answer: ViewParts
  readonly class: ResponseClass
  readonly untilMs?: number
}
export type RecordPair = { readonly name: string; readonly before: JsonObject; readonly after: JsonObject }
/** `path` is one that `diffRecords` must name. */
export type ChangedPair = RecordPair & { readonly path: string }

export type SuiteInput = {
  /** At least one that the source can be asked about. */
  readonly exampleEntities: readonly Entity[]
  /** Keys under which the source may know the examples, to try requests by them too. Needed when `identityRequired`. */
  readonly providerKeys?: Readonly<Record<string, string>>
  /** Entities whose identity is looked for, when these are not the examples (companies that lead to patents). */
  readonly resolveEntities?: readonly Entity[]
  /** Records of the sources that the adapter `reads`, by entity key. */
  readonly related?: Readonly<Record<string, Readonly<Record<string, JsonObject>>>>
  readonly options?: JsonObject
  readonly recordings?: readonly RecordedCase[]
  readonly errors?: readonly ErrorCase[]
  readonly unchangedPairs?: readonly RecordPair[]
  readonly changedPairs?: readonly ChangedPair[]
  /** Exchanges of several requests, at least one for each way that can take several. */
  readonly conversations?: readonly Conversation[]
  /** Ways that never take more than one request, and why: `{ batch: 'a call answers about all that were asked' }`. */
  readonly onePage?: Readonly<Partial<Record<'lookup' | 'batch' | 'feed' | 'identity', string>>>
  /** Why the provider takes its key nowhere but in the URL, as its sheet says. Keys go into a header otherwise. */
  readonly keyGoesInUrl?: string
  /** A moment in each format with a zone (or an epoch) that the provider writes, or why it writes none. */
  readonly instants?: readonly Instant[] | string
  /** Members of the provider's answers that say nothing, however deep: turning one changes no hash. */
  readonly noise?: readonly string[]
}

/** Keys that a hand or an older version may have stored: paths, operators, line ends, look-alikes, and far too much of them. */
export const HOSTILE_KEYS: readonly string[] = [
  '../../x?y=1',
  '..',
  'foo~bar]&x',
  'a/b#c%2f..',
  ' ',
  'x'.repeat(10_000),
  'A\u0000B',
  'A\r\nX-Injected: 1',
  'line\u2028end\u0085',
  '") OR *:* OR ("',
  '\ud800',
]

/** A key with one letter or digit replaced by another alphabet's that looks like it, or with something behind it. */
function disguised(key: string): readonly string[] {
  const lookAlikes: Readonly<Record<string, string>> = {
    A: '\u0410',
    C: '\u0421',
    E: '\u0415',
    S: '\u017f',
    K: '\u212a',
    u: '\u03c5',
  }
  const position = [...key].findIndex((char) => lookAlikes[char] !== undefined || /\d/.test(char))
  const char = key[position] ?? ''
  const other = lookAlikes[char] ?? String.fromCodePoint(0xff10 + Number(char))
  const swapped = position < 0 ? [] : [key.slice(0, position) + other + key.slice(position + 1)]
  return [...swapped, `${key}\r\n`, `${key}/../x`, `${key}?a=b`, `${key}&a=b`, `${key}\u200b`, ` ${key}`]
}

/** Classes whose answers the engine has parsed. */
const PARSED: readonly ResponseClass[] = ['ok', 'empty', 'not_found']
const NO_VALIDATORS = { etag: null, lastModified: null }
const WINDOW = { from: RECEIVED_AT - 3 * DAY_MS, to: RECEIVED_AT }

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const member of Object.values(value)) deepFreeze(member)
  }
  return value
}

/** Every call that the adapter can describe for the targets; `seekers` are those whose identity is looked for. */
function requestsOf(
  adapter: SourceAdapter,
  targets: readonly Target[],
  context: AdapterContext,
  seekers: readonly Target[] = [],
): RequestSpec[] {
  const requests = [adapter.probe(context)]
  for (const target of seekers) {
    const request = adapter.resolve?.request([], target, context) ?? null
    if (request !== null) requests.push(request)
  }
  for (const target of targets) {
    if (adapter.lookup !== undefined) requests.push(adapter.lookup.request(target, context))
    for (const group of adapter.batch?.groups(target, context) ?? [])
      requests.push(adapter.batch!.request([target], group, null, context))
  }
  if (adapter.feed !== undefined) {
    if (adapter.feed.gate !== undefined) requests.push(adapter.feed.gate.request(context))
    for (const slice of adapter.feed.slices(WINDOW, context).slice(0, 20))
      requests.push(adapter.feed.request(WINDOW, slice, null, context))
  }
  if (adapter.file !== undefined) {
    if ('locate' in adapter.file && adapter.file.locate !== undefined) requests.push(adapter.file.locate(context))
    requests.push(adapter.file.request(NO_VALIDATORS, context))
  }
  return requests
}

/** Runs every parser over an answer. Returns the answers they gave; lets everything thrown through. */
function parseAll(
  adapter: SourceAdapter,
  view: ResponseView,
  targets: readonly Target[],
  context: AdapterContext,
  tolerate: (error: unknown) => void,
): Answer[] {
  const answers: Answer[] = []
  const attempt = (run: () => readonly (Answer | null)[]): void => {
    try {
      answers.push(...run().filter((answer) => answer !== null))
    } catch (error) {
      tolerate(error)
    }
  }
  const { lookup, batch, feed } = adapter
  for (const target of targets) {
    if (lookup !== undefined)
      attempt(() => {
        // The same answer to every request of a look-up that takes several.
        const views = [view]
        while (views.length < MAX_REQUESTS && (lookup.more?.(views, target, context) ?? null) !== null) views.push(view)
        expect(views.length, 'a look-up asks without end').toBeLessThan(MAX_REQUESTS)
        return [lookup.parse(view, target, context, views.slice(0, -1))]
      })
    for (const group of batch?.groups(target, context) ?? [])
      attempt(() => batch!.parse(view, [target], group, null, context).answers)
  }
  if (feed !== undefined) {
    if (feed.gate !== undefined) {
      attempt(() => {
        feed.gate!.marker(view)
        return []
      })
    }
    const slice = feed.slices(WINDOW, context)[0]!
    attempt(() =>
      feed
        .parse(view, slice, null, context)
        .items.flatMap((item: FeedItem) => targets.map((target) => feed.answer(item, target, context))),
    )
  }
  return answers
}

function checkResolution({ candidates, discovered = [] }: Resolution): void {
  for (const { providerKey, method, confidence } of candidates) {
    expect(providerKey).not.toBe('')
    expect(method).toMatch(/^[a-z][a-z0-9_+]*$/)
    expect(confidence).toBeGreaterThanOrEqual(0)
    expect(confidence).toBeLessThanOrEqual(1)
  }
  expect(new Set(candidates.map(({ providerKey }) => providerKey)).size, 'a candidate comes twice').toBe(candidates.length)
  for (const { kind, key } of discovered) {
    expect(ENTITY_KINDS).toContain(kind)
    expect(key).not.toBe('')
  }
}

/** The same answer to every question about an identity. */
function followResolution(adapter: SourceAdapter, view: ResponseView, target: Target, context: AdapterContext): void {
  const resolve = adapter.resolve!
  const views: ResponseView[] = []
  try {
    while (views.length < MAX_REQUESTS && resolve.request(views, target, context) !== null) views.push(view)
    expect(views.length, 'it asks without end').toBeLessThan(MAX_REQUESTS)
    checkResolution(resolve.parse(views, target, context))
  } catch (error) {
    onlyMalformed(error)
  }
}

function onlyMalformed(error: unknown): void {
  if (!(error instanceof MalformedAnswer)) throw error
}

function shuffled(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(shuffled)
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, shuffled(member)]),
  )
}

/** The record with every value at the path replaced by `change`. */
function changedAt(value: JsonValue, steps: readonly string[], change: (old: JsonValue) => JsonValue): JsonValue {
  const [step, ...rest] = steps
  if (step === undefined) return change(value)
  if (step === '*')
    return Array.isArray(value) ? (value as readonly JsonValue[]).map((item) => changedAt(item, rest, change)) : value
  return isJsonObject(value) && Object.hasOwn(value, step) ? { ...value, [step]: changedAt(value[step]!, rest, change) } : value
}

function stepsOf(path: string): readonly string[] {
  return path.replaceAll('[*]', '.*').split('.').slice(1)
}

/** Paths to all scalars of a value. */
function leaves(value: JsonValue, path: readonly string[] = []): (readonly string[])[] {
  if (Array.isArray(value))
    return (value as readonly JsonValue[]).flatMap((item, index) => leaves(item, [...path, String(index)]))
  if (isJsonObject(value)) return Object.entries(value).flatMap(([name, member]) => leaves(member, [...path, name]))
  return [path]
}

function replaceAt(value: JsonValue, path: readonly string[], by: JsonValue): JsonValue {
  const [step, ...rest] = path
  if (step === undefined) return by
  if (Array.isArray(value))
    return (value as readonly JsonValue[]).map((item, index) => (String(index) === step ? replaceAt(item, rest, by) : item))
  return isJsonObject(value) ? { ...value, [step]: replaceAt(value[step] ?? null, rest, by) } : value
}

/** A JSON answer of which one value was replaced by another of any shape. */
function mutationOf(body: JsonValue): fc.Arbitrary<JsonValue> {
  const paths = leaves(body)
  const stems = paths.flatMap((path) => path.map((_, length) => path.slice(0, length + 1)))
  return fc
    .tuple(fc.constantFrom(...(stems.length === 0 ? [[]] : stems)), fc.jsonValue() as fc.Arbitrary<JsonValue>)
    .map(([path, by]) => replaceAt(body, path, by))
}

export function adapterSuite(adapter: SourceAdapter, input: SuiteInput): void {
  const { exampleEntities, providerKeys = {}, recordings = [], errors = [], unchangedPairs = [], changedPairs = [] } = input
  const context: AdapterContext = deepFreeze({
    now: RECEIVED_AT,
    options: input.options ?? (adapter.options.parse({}) as JsonObject),
  })
  const askable = exampleEntities.filter((entity) => adapter.unresolvable(entity) === null)
  const targetOf = (entity: Entity, providerKey: string | null): Target => ({
    entity,
    providerKey,
    validators: NO_VALIDATORS,
    ...(input.related?.[entity.key] === undefined ? {} : { related: input.related[entity.key]! }),
  })
  const targets: readonly Target[] = deepFreeze(
    askable.flatMap((entity): Target[] => {
      const known = providerKeys[entity.key]
      // The engine never asks such a source about an entity whose identity it does not have.
      const unknown = adapter.identityRequired === true ? [] : [targetOf(entity, null)]
      return known === undefined ? unknown : [...unknown, targetOf(entity, known)]
    }),
  )
  const { resolve } = adapter
  const seekers: readonly Target[] = deepFreeze(
    resolve === undefined
      ? []
      : (input.resolveEntities ?? exampleEntities)
          .filter((entity) => resolve.unresolvable(entity) === null)
          .map((entity) => targetOf(entity, null)),
  )
  const requests = requestsOf(adapter, targets, context, seekers)
  const labelled = (label: string): RequestSpec => {
    const request = requests.find((candidate) => candidate.label === label)
    return request ?? { method: 'GET', path: '/', label }
  }
  const records = [...unchangedPairs, ...changedPairs].flatMap(({ before, after }) => [before, after])
  const isRead = (recorded: RecordedCase): boolean => PARSED.includes(recorded.class)
  /** What the recordings say: records, with the answers that they were read from. */
  const read = () =>
    recordings
      .filter(isRead)
      .flatMap(({ view, reads }) =>
        reads === undefined || reads.kind === 'other' ? [] : [{ view, reads, answers: reads.parse(view).filter(isRecord) }],
      )

  describe(`adapter ${adapter.id}`, () => {
    describe('says what it is', () => {
      it('has a valid id, kinds, version and documentation', () => {
        expect(isSourceId(adapter.id)).toBe(true)
        expect(adapter.title).not.toBe('')
        expect(new URL(adapter.docs).protocol).toBe('https:')
        expect(adapter.entityKinds.length).toBeGreaterThan(0)
        for (const kind of adapter.entityKinds) expect(ENTITY_KINDS).toContain(kind)
        expect(Number.isInteger(adapter.normalizerVersion) && adapter.normalizerVersion >= 1).toBe(true)
      })

      it('offers at least one way to learn what the source says', () => {
        expect([adapter.lookup, adapter.batch, adapter.feed, adapter.file].some((capability) => capability !== undefined)).toBe(
          true,
        )
        if (adapter.batch !== undefined) expect(adapter.batch.maxSize).toBeGreaterThanOrEqual(1)
        if (adapter.feed !== undefined) {
          expect(adapter.feed.overlapMs).toBeGreaterThanOrEqual(0)
          expect(adapter.feed.estimate.rowsPerDay).toBeGreaterThan(0)
          expect(adapter.feed.estimate.rowsPerPage).toBeGreaterThan(0)
        }
      })

      it('validates its options and refuses unknown ones', () => {
        expect(adapter.options.safeParse({}).success).toBe(true)
        expect(adapter.options.safeParse({ no_such_option: 1 }).success).toBe(false)
      })

      it('names paths that the hash understands', () => {
        expect(() => compilePathRules(adapter)).not.toThrow()
      })
    })

    describe('places entities', () => {
      it('can be asked about at least one example', () => {
        expect(askable.length).toBeGreaterThan(0)
        expect(targets.length, 'give providerKeys: the source needs an identity').toBeGreaterThan(0)
      })

      it('gives each a valid cohort, always the same, and a date or none', () => {
        for (const entity of askable) {
          const name = adapter.cohort.name(deepFreeze(entity))
          expect(isCohortName(adapter.cohort.numbered ? `${name}_0001` : name), name).toBe(true)
          expect(adapter.cohort.name(entity)).toBe(name)
          const date = adapter.cohort.date(entity)
          expect(date === null || Number.isSafeInteger(date)).toBe(true)
        }
      })

      it('takes entities with empty and odd attributes', () => {
        const attribute = fc.oneof(fc.constant(null), fc.string(), fc.double(), fc.jsonValue() as fc.Arbitrary<JsonValue>)
        const names = [...new Set(exampleEntities.flatMap(({ attributes }) => Object.keys(attributes)))]
        const kinds = fc.constantFrom(...adapter.entityKinds)
        fc.assert(
          fc.property(kinds, fc.record(Object.fromEntries(names.map((name) => [name, attribute]))), (kind, attributes) => {
            const entity: Entity = { kind, key: 'k', attributes: attributes as JsonObject, aliases: [] }
            const reason = adapter.unresolvable(entity)
            expect(reason === null || reason.length > 0).toBe(true)
            if (reason !== null) return
            const name = adapter.cohort.name(entity)
            expect(isCohortName(adapter.cohort.numbered ? `${name}_0001` : name), name).toBe(true)
            const providerKey = adapter.identityRequired === true ? (Object.values(providerKeys)[0] ?? null) : null
            expect(() => requestsOf(adapter, [{ entity, providerKey, validators: NO_VALIDATORS }], context)).not.toThrow()
          }),
        )
      })
    })

    if (resolve !== undefined) {
      describe('finds identities', () => {
        it('of entities of kinds that exist, in a valid cohort', () => {
          expect(resolve.entityKinds.length).toBeGreaterThan(0)
          for (const kind of resolve.entityKinds) expect(ENTITY_KINDS).toContain(kind)
          expect(isCohortName(`${resolve.cohort}_0001`)).toBe(true)
          expect(Number.isInteger(resolve.version) && resolve.version >= 1).toBe(true)
          expect(seekers.length, 'no example can be resolved').toBeGreaterThan(0)
        })

        it('of entities with empty and odd attributes, or says why not', () => {
          const attribute = fc.oneof(fc.constant(null), fc.string(), fc.double(), fc.jsonValue() as fc.Arbitrary<JsonValue>)
          const names = [...new Set(seekers.flatMap(({ entity }) => Object.keys(entity.attributes)))]
          const kinds = fc.constantFrom(...resolve.entityKinds)
          fc.assert(
            fc.property(kinds, fc.record(Object.fromEntries(names.map((name) => [name, attribute]))), (kind, attributes) => {
              const entity: Entity = { kind, key: 'k', attributes: attributes as JsonObject, aliases: [] }
              const reason = resolve.unresolvable(entity)
              if (reason !== null) {
                expect(reason).not.toBe('')
                return
              }
              const target = { entity, providerKey: null, validators: NO_VALIDATORS }
              if (resolve.request([], target, context) === null) checkResolution(resolve.parse([], target, context))
            }),
          )
        })

        it('from no answer that makes sense, whatever comes back, in bounded questions', () => {
          const anyView = fc.record({ status: fc.constantFrom(200, 404), body: fc.jsonValue() as fc.Arbitrary<JsonValue> })
          fc.assert(
            fc.property(anyView, (parts) => {
              for (const target of seekers) followResolution(adapter, viewOf(parts), target, context)
            }),
          )
          for (const { view } of recordings)
            if (view.json !== undefined) for (const target of seekers) followResolution(adapter, view, target, context)
        })
      })
    }

    describe('takes keys for nothing but keys', () => {
      const examples = [...new Set(Object.values(providerKeys))]
      const problemOf = (key: string): string | null => adapter.providerKeyProblem?.(key) ?? null
      const requestsWith = (providerKey: string): readonly RequestSpec[] =>
        askable.flatMap((entity) => requestsOf(adapter, [targetOf(entity, providerKey)], context))

      it('those that it knows are keys', () => {
        for (const key of examples) expect(problemOf(key), key).toBeNull()
      })

      it('those that recorded answers bring are keys', () => {
        for (const { view } of recordings) {
          const answers = parseAll(adapter, view, targets, context, onlyMalformed)
          for (const answer of answers) {
            if (answer.kind === 'record' && answer.identity !== undefined)
              expect(problemOf(answer.identity.providerKey), answer.identity.providerKey).toBeNull()
          }
        }
      })

      it('what could mean more is refused, or is data wherever it goes', () => {
        for (const key of [...HOSTILE_KEYS, ...examples.flatMap(disguised)]) {
          const problem = problemOf(key)
          if (problem !== null) {
            expect(problem).not.toBe('')
            // The reason ends in logs and on screens; the key may be anything.
            expect(problem.length).toBeLessThan(200)
            if (HOSTILE_KEYS.includes(key) && key.length > 3) expect(problem).not.toContain(key)
            continue
          }
          for (const request of requestsWith(key)) {
            expect(request.path).toMatch(/^\/(?!\/)[!-~]*$/)
            expect(request.path).not.toMatch(/[?#]|\/\.{1,2}(?:\/|$)|%2f|%5c|%0[ad]/i)
            expect(request.path.length).toBeLessThan(500)
            for (const [name, value] of request.query ?? []) {
              expect(name).toMatch(/^[A-Za-z0-9_.[\]-]+$/)
              expect(value).not.toMatch(/[\u0000-\u001f]/)
            }
            for (const value of Object.values(request.headers ?? {})) expect(value).not.toContain(key)
          }
        }
        expect(problemOf('') !== null || adapter.providerKeyProblem === undefined, 'an empty key is none').toBe(true)
      })

      it('has a say wherever a key changes a request', () => {
        if (adapter.providerKeyProblem !== undefined) return
        for (const entity of askable) {
          const [plain, keyed] = [null, 'another key'].map((key) => requestsOf(adapter, [targetOf(entity, key)], context))
          expect(keyed).toEqual(plain)
        }
      })
    })

    describe('describes requests', () => {
      it('twice the same, without touching what it was given', () => {
        expect(requestsOf(adapter, targets, context, seekers)).toEqual(requests)
      })

      it('relative to the base URL, encoded, with a label and without secrets', () => {
        for (const request of requests) checkRequest(adapter, request)
      })

      it('with the key in a header, unless the provider takes it in the URL alone', () => {
        const inUrl = adapter.credentials.filter(({ placement }) => placement.in === 'query').map(({ name }) => name)
        if (input.keyGoesInUrl === undefined) expect(inUrl, 'a key in the URL ends in logs').toEqual([])
        else {
          expect(inUrl, 'keyGoesInUrl says so, but no key does').not.toEqual([])
          expect(input.keyGoesInUrl.length).toBeGreaterThan(15)
        }
      })

      const talks = input.conversations ?? []
      for (const talk of talks) {
        it(`one after the other: ${talk.name}`, () => {
          const frozen = deepFreeze(structuredClone(talk.answers)) as readonly ResponseView[]
          const held = { ...talk, answers: frozen }
          const { requests: asked } = converse(adapter, held, WINDOW, talk.context ?? context)
          expect(asked.map(({ label }) => label)).toHaveLength(talk.requests)
        })
      }

      it('several of them in every way that can take several', () => {
        const several = (by: Conversation['by']): boolean => talks.some((talk) => talk.by === by && talk.requests > 1)
        const { onePage = {} } = input
        if (adapter.lookup?.more !== undefined && onePage.lookup === undefined)
          expect(several('lookup'), 'give a conversation by lookup, or onePage.lookup').toBe(true)
        if (adapter.batch !== undefined && onePage.batch === undefined)
          expect(several('batch'), 'give a conversation by batch, or onePage.batch').toBe(true)
        if (adapter.feed !== undefined && onePage.feed === undefined)
          expect(several('feed'), 'give a conversation by feed, or onePage.feed').toBe(true)
        if (resolve !== undefined && onePage.identity === undefined)
          expect(several('identity'), 'give a conversation by identity, or onePage.identity').toBe(true)
        if (resolve?.ofDecided !== undefined) expect(several('decided'), 'give a conversation: by decided').toBe(true)
        if (adapter.file !== undefined && 'locate' in adapter.file && adapter.file.locate !== undefined)
          expect(several('file'), 'give a conversation: by file').toBe(true)
        for (const why of Object.values(onePage)) expect(why.length).toBeGreaterThan(15)
      })

      it('and no other ones, whatever recorded answers lead to', () => {
        const { onePage = {} } = input
        for (const { view } of recordings) {
          if (view.text.length > 200_000) continue
          for (const { requests: asked, cursors } of leadOn(adapter, view, targets, seekers, WINDOW, context)) {
            if (onePage.batch !== undefined && (adapter.feed === undefined || onePage.feed !== undefined))
              expect(cursors, 'onePage says that there are no others').toEqual([])
            if (
              adapter.lookup !== undefined &&
              onePage.lookup !== undefined &&
              onePage.identity !== undefined &&
              adapter.batch === undefined
            )
              expect(asked.length, 'onePage says that there are no others').toBeLessThan(2)
          }
        }
      })

      if (adapter.batch !== undefined) {
        const batch = adapter.batch
        it('puts as many entities as it allows into a batch, in distinct groups', () => {
          const [first] = targets
          const many = Array.from({ length: batch.maxSize }, () => first!)
          const groups = batch.groups(first!, context)
          expect(groups.length).toBeGreaterThan(0)
          expect(new Set(groups).size).toBe(groups.length)
          for (const group of groups) expect(() => batch.request(many, group, null, context)).not.toThrow()
        })
      }
      if (adapter.feed !== undefined) {
        const feed = adapter.feed
        it('walks a window in distinct slices', () => {
          const slices = feed.slices(WINDOW, context)
          expect(slices.length).toBeGreaterThan(0)
          expect(new Set(slices).size).toBe(slices.length)
          expect(feed.slices(WINDOW, context)).toEqual(slices)
        })
      }
    })

    if (recordings.length > 0) {
      describe('reads recordings', () => {
        it.each(recordings.map((recorded) => [recorded.name, recorded] as const))('%s', (_name, recorded) => {
          expect(adapter.classify(recorded.view, labelled(recorded.label), context).class).toBe(recorded.class)
          recorded.check?.()
        })

        it.each(recordings.filter(isRead).map((recorded) => [recorded.name, recorded] as const))(
          '%s: by a parser that it names, or says why by none',
          (_name, { view, reads, class: found }) => {
            if (reads === undefined) return expect.fail('it has no line that says who reads it (`reads`)')
            if (reads.kind === 'other') return void expect(reads.why.length, 'say why').toBeGreaterThan(15)
            expect(reads.parser).toMatch(/^[A-Za-z][A-Za-z.]+$/)
            const answers = reads.parse(view)
            // Nothing found is an answer only where that is the class of it.
            if (reads.nothing !== undefined) expect(answers, reads.nothing).toEqual([])
            else if (found === 'ok') expect(answers.length, `${reads.parser} finds nothing in it`).toBeGreaterThan(0)
            for (const answer of answers) checkDates(answer)
          },
        )
      })
    }

    describe('knows what time it is', () => {
      it('in every record of the pairs', () => {
        for (const record of records) checkDates(record)
      })

      const { instants } = input
      if (typeof instants === 'object')
        it.each(instants.map((one) => [one.text, one.utc, one] as const))('%s is %s', (_t, _u, one) => checkInstant(one))
      it('in each format with a zone, or its provider writes none', () => {
        expect(instants, 'give instants: pairs of a text and its moment in UTC, or why there are none').toBeDefined()
        expect(instants!.length).toBeGreaterThan(typeof instants === 'string' ? 15 : 0)
      })
    })

    if (errors.length > 0) {
      describe('classifies errors', () => {
        it.each(errors.map((error) => [error.name, error] as const))('%s', (_name, error) => {
          const classified = adapter.classify(viewOf(error.answer), labelled(error.label), context)
          expect(classified.class).toBe(error.class)
          expect(classified.until).toBe(error.untilMs === undefined ? undefined : RECEIVED_AT + error.untilMs)
          expect(classified.reason).not.toBe('')
        })
      })
    }

    if (unchangedPairs.length > 0 || changedPairs.length > 0) {
      describe('hashes records', () => {
        it.each(unchangedPairs.map((pair) => [pair.name, pair] as const))('alike: %s', (_name, { before, after }) => {
          expect(diffRecords(before, after, adapter)).toEqual([])
          expect(payloadHash(after, adapter)).toBe(payloadHash(before, adapter))
        })

        it.each(changedPairs.map((pair) => [pair.name, pair] as const))('apart: %s', (_name, { before, after, path }) => {
          expect(payloadHash(after, adapter)).not.toBe(payloadHash(before, adapter))
          expect(diffRecords(before, after, adapter).map((change) => change.path)).toContain(path)
        })

        it('independently of the order of members', () => {
          for (const record of records)
            expect(payloadHash(shuffled(record) as JsonObject, adapter)).toBe(payloadHash(record, adapter))
        })

        it('independently of volatile values, at all depths', () => {
          const all = [...records, ...read().flatMap(({ answers }) => answers)]
          for (const path of adapter.volatile) {
            const matched = all.filter((record) => valuesAt(record, stepsOf(path)).length > 0)
            expect(matched.length, `${path} is in no record, so that nothing shows what it is for`).toBeGreaterThan(0)
            for (const record of matched) {
              for (const change of [() => 'another value', () => null, flipped] as const) {
                const other = changedAt(record, stepsOf(path), change) as JsonObject
                expect(payloadHash(other, adapter), path).toBe(payloadHash(record, adapter))
                expect(
                  diffRecords(record, other, adapter).map((one) => one.path),
                  path,
                ).toEqual([])
              }
            }
          }
        })

        it('independently of the order in lists whose order says nothing', () => {
          for (const path of [...adapter.unordered, ...Object.keys(adapter.arrayKeys)]) {
            for (const record of records) {
              const other = changedAt(record, stepsOf(path), (old) =>
                Array.isArray(old) ? [...(old as readonly JsonValue[])].reverse() : old,
              ) as JsonObject
              expect(payloadHash(other, adapter), path).toBe(payloadHash(record, adapter))
            }
          }
        })

        it('differently when any other value changes', () => {
          for (const record of records) {
            const hash = payloadHash(record, adapter)
            for (const path of leaves(record)) {
              const other = replaceAt(record, path, 'another value') as JsonObject
              const counts = canonicalJson(other, adapter) !== canonicalJson(record, adapter)
              expect(payloadHash(other, adapter) !== hash, path.join('.')).toBe(counts)
              if (adapter.volatile.length === 0) expect(counts, path.join('.')).toBe(true)
            }
          }
        })
      })
    }

    if ((input.noise ?? []).length > 0 && recordings.length > 0) {
      describe('hashes recorded answers', () => {
        it.each(input.noise!.map((noise) => [noise] as const))('alike, whatever %s says', (noise) => {
          const hits = { count: 0 }
          for (const { view, reads, answers } of read()) {
            const json = view.json === undefined ? undefined : withNoise(view.json, noise, hits)
            const again =
              json === undefined ? answers : reads.parse({ ...view, json, text: JSON.stringify(json) }).filter(isRecord)
            expect(again.map((record) => payloadHash(record, adapter))).toEqual(
              answers.map((record) => payloadHash(record, adapter)),
            )
          }
          // Where only answers of this repository are at hand, none of them may hold it.
          if (HAS_RECORDINGS) expect(hits.count, 'it is in no recorded answer').toBeGreaterThan(0)
        })
      })
    }

    describe('stands whatever comes back', () => {
      const checkView = (view: ResponseView): void => {
        for (const request of requests) expect(RESPONSE_CLASSES).toContain(adapter.classify(view, request, context).class)
        const asked = new Set(targets.map(({ entity }) => entityId(entity)))
        for (const answer of parseAll(adapter, view, targets, context, onlyMalformed))
          expect(asked).toContain(entityId(answer.entity))
      }
      const status = fc.oneof(
        fc.constantFrom(200, 204, 301, 304, 400, 401, 403, 404, 408, 422, 429, 500, 503, 504),
        fc.integer({ min: 100, max: 599 }),
      )
      const headers = fc.dictionary(fc.constantFrom('retry-after', 'content-type', 'location', 'etag'), fc.string())

      it('any JSON', () => {
        fc.assert(
          fc.property(status, headers, fc.jsonValue() as fc.Arbitrary<JsonValue>, (code, head, body) =>
            checkView(viewOf({ status: code, headers: head, body })),
          ),
        )
      })

      it('any text', () => {
        fc.assert(
          fc.property(status, headers, fc.string(), (code, head, text) =>
            checkView(viewOf({ status: code, headers: head, text })),
          ),
        )
      })

      const bodies = recordings
        .map(({ view }) => view.json)
        .filter((body) => body !== undefined && JSON.stringify(body).length < 40_000)
      if (bodies.length > 0) {
        it('a recorded answer with one value replaced', () => {
          const mutated = fc.constantFrom(...bodies).chain((body) => mutationOf(body!))
          fc.assert(
            fc.property(mutated, (body) => checkView(viewOf({ body }))),
            { numRuns: 200 },
          )
        })

        it('the same page again and again', () => {
          const { batch, feed } = adapter
          for (const body of bodies) {
            const view = viewOf({ body: body! })
            if (feed !== undefined)
              expectEnd((cursor) => feed.parse(view, feed.slices(WINDOW, context)[0]!, cursor, context).next)
            for (const target of targets) {
              for (const group of batch?.groups(target, context) ?? [])
                expectEnd((cursor) => batch!.parse(view, [target], group, cursor, context).next)
            }
          }
        })
      }
    })
  })
}

/** Follows cursors until there is none, one is refused, or far too many came; two equal ones in a row are a loop. */
function expectEnd(next: (cursor: string | null) => string | null): void {
  let cursor: string | null = null
  for (let steps = 0; steps < 2_000; steps++) {
    let following: string | null
    try {
      following = next(cursor)
    } catch (error) {
      onlyMalformed(error)
      return
    }
    if (following === null) return
    expect(following).not.toBe(cursor)
    cursor = following
  }
  expect.fail('the pages never end')
}
