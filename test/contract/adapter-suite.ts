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
import { RECEIVED_AT, type ViewParts, viewOf } from './recorded.ts'

/** A recorded answer: to which request it came, what class it is, and what `check` finds in it. */
export type RecordedCase = {
  readonly name: string
  readonly label: string
  readonly view: ResponseView
  readonly class: ResponseClass
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
}

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

const MAX_REQUESTS = 20

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

    describe('describes requests', () => {
      it('twice the same, without touching what it was given', () => {
        expect(requestsOf(adapter, targets, context, seekers)).toEqual(requests)
      })

      it('relative to the base URL, encoded, with a label and without secrets', () => {
        for (const request of requests) {
          expect(request.path, request.path).toMatch(/^\/(?!\/)[!-~]*$/)
          expect(request.path).not.toMatch(/[?#]|:\/\/|\/\.\.(?:\/|$)/)
          expect(request.label).toMatch(/^[a-z][a-z0-9_.]*$/)
          if (request.method === 'GET') expect(request.json).toBeUndefined()
          for (const { name, placement } of adapter.credentials) {
            const names = [...(request.query ?? []).map(([key]) => key), ...Object.keys(request.headers ?? {})].map((key) =>
              key.toLowerCase(),
            )
            expect(names).not.toContain(placement.name.toLowerCase())
            expect(names).not.toContain(name.toLowerCase())
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
      })
    }

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

        it('independently of volatile values', () => {
          for (const path of adapter.volatile) {
            for (const record of records) {
              const other = changedAt(record, stepsOf(path), () => 'another value') as JsonObject
              expect(payloadHash(other, adapter), path).toBe(payloadHash(record, adapter))
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
