/** What adapters make of recorded answers: who reads them, which dates come out, and what must not show in the hash. */
import { expect } from 'vitest'
import type { AdapterContext, Answer, SourceAdapter, Target } from '../../ts/adapters/adapter.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../ts/model/json.ts'
import type { ResponseView } from '../../ts/model/response.ts'
import { toIso } from '../../ts/model/time.ts'

/**
 * Who reads a recorded answer. `record`: one entity's; `list`: rows or candidates; `feed`: changed things. `parse` runs the named parser of
 * the adapter and gives what it found, at least one thing. `other`: an answer to what the adapter never asks, and why it is there.
 */
export type Reading =
  | {
      readonly kind: 'record' | 'list' | 'feed'
      readonly parser: string
      readonly parse: (view: ResponseView) => readonly JsonValue[]
    }
  | { readonly kind: 'other'; readonly why: string }

/** The same, of an answer that holds nothing and is none the worse for it. */
export type EmptyReading = Reading & { readonly nothing?: string }

const found = (answer: Answer): JsonValue => (answer.kind === 'record' ? answer.record : { [answer.kind]: answer.reason })

/** Readings by the adapter's own capabilities, as the engine runs them. */
export function readingsOf(adapter: SourceAdapter, context: AdapterContext) {
  return {
    record: (target: Target, earlier: readonly ResponseView[] = []): Reading => ({
      kind: 'record',
      parser: 'lookup.parse',
      parse: (view) => [found(adapter.lookup!.parse(view, target, context, earlier))],
    }),
    /** The look-up of several requests of which this is one of the first: what it leads to is read with the answers given. */
    recordThen: (target: Target, later: readonly ResponseView[]): Reading => ({
      kind: 'record',
      parser: 'lookup.parse',
      parse: (view) => {
        const views = [view, ...later]
        return [found(adapter.lookup!.parse(views.at(-1)!, target, context, views.slice(0, -1)))]
      },
    }),
    batch: (targets: readonly Target[], group?: string, cursor: string | null = null): Reading => ({
      kind: 'list',
      parser: 'batch.parse',
      parse: (view) =>
        adapter
          .batch!.parse(view, targets, group ?? adapter.batch!.groups(targets[0]!, context)[0]!, cursor, context)
          .answers.map(found),
    }),
    /** Items as they are; with targets also what the feed says about them. */
    feed: (slice: string, targets: readonly Target[] = [], cursor: string | null = null): Reading => ({
      kind: 'feed',
      parser: 'feed.parse',
      parse: (view) =>
        adapter.feed!.parse(view, slice, cursor, context).items.flatMap((item): readonly JsonValue[] => {
          const answers = targets.map((target) => adapter.feed!.answer(item, target, context)).filter((answer) => answer !== null)
          return [item.providerKey, ...answers.map(found)]
        }),
    }),
    gate: (): Reading => ({ kind: 'feed', parser: 'feed.gate.marker', parse: (view) => [adapter.feed!.gate!.marker(view)] }),
    candidates: (target: Target, earlier: readonly ResponseView[] = []): Reading => ({
      kind: 'list',
      parser: 'resolve.parse',
      parse: (view) => adapter.resolve!.parse([...earlier, view], target, context).candidates.map(({ evidence }) => evidence),
    }),
    other: (why: string): Reading => ({ kind: 'other', why }),
  }
}

/** Texts with a day and a time: in a record each is UTC and says so. A day alone is the provider's. */
const DAY_AND_TIME = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:?\d{2}/
const UTC = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/
const FOREIGN_DATE =
  /^(?:\d{1,2}[/.-]\d{1,2}[/.-]\d{4}(?: .*)?|\d{4}\/\d{2}\/\d{2}.*|\d{4}-[A-Za-z]{3}-\d{1,2} .*|[A-Za-z]{3}, \d{1,2} [A-Za-z]{3} \d{4} .*)$/
const DATE_MEMBER = /(?:^|_)(?:date|time|at|on|modified|updated|created)$|(?:Date|Time|At)$/

/** Every date of a record is a calendar day or an instant in UTC, whichever member it is in. */
export function checkDates(value: JsonValue, path = '$'): void {
  if (Array.isArray(value)) {
    for (const [index, item] of (value as readonly JsonValue[]).entries()) checkDates(item, `${path}[${index}]`)
  } else if (isJsonObject(value)) {
    for (const [name, member] of Object.entries(value)) {
      if (typeof member === 'number' && DATE_MEMBER.test(name))
        expect(member, `${path}.${name}: a date as a number`).toBeLessThan(1e8)
      checkDates(member, `${path}.${name}`)
    }
  } else if (typeof value === 'string') {
    if (DAY_AND_TIME.test(value)) expect(value, `${path}: a time that does not say that it is UTC`).toMatch(UTC)
    expect(value, `${path}: a date in the provider's format`).not.toMatch(FOREIGN_DATE)
  }
}

/** A moment as the provider writes it, and what it is in UTC; `read` takes it through the adapter. */
export type Instant = { readonly text: string; readonly read: () => JsonValue | undefined; readonly utc: string }

export function checkInstant({ text, read, utc }: Instant): void {
  const value = read()
  expect(typeof value === 'number' ? toIso(value) : value, text).toBe(utc)
}

function flippedLeaf(value: JsonValue): JsonValue {
  if (typeof value === 'number') return value + 7
  if (typeof value === 'boolean') return !value
  return value === null ? 'flipped' : `${value as string} flipped`
}

/** Everything in a value turned into something else of its kind. */
export function flipped(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return [...(value as readonly JsonValue[])].reverse().map(flipped)
  if (isJsonObject(value)) return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, flipped(member)]))
  return flippedLeaf(value)
}

/** The answer with every member of that name turned, at all depths. `hits` counts them. */
export function withNoise(value: JsonValue, noise: string, hits: { count: number }): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map((item) => withNoise(item, noise, hits))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]): [string, JsonValue] => {
      if (name !== noise) return [name, withNoise(member, noise, hits)]
      hits.count += 1
      return [name, flipped(member)]
    }),
  )
}

/** Values at a path of the record, `[*]` for all elements. */
export function valuesAt(record: JsonValue, steps: readonly string[]): readonly JsonValue[] {
  const [step, ...rest] = steps
  if (step === undefined) return [record]
  if (step === '*') return Array.isArray(record) ? (record as readonly JsonValue[]).flatMap((item) => valuesAt(item, rest)) : []
  return isJsonObject(record) && Object.hasOwn(record, step) ? valuesAt(record[step]!, rest) : []
}

export function isRecord(value: JsonValue): value is JsonObject {
  return isJsonObject(value) && !['absent', 'skipped', 'failed', 'due'].some((kind) => Object.keys(value).join() === kind)
}
