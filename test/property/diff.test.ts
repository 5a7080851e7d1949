import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { isJsonObject, type JsonObject, type JsonValue } from '../../ts/model/json.ts'
import type { FieldChange } from '../../ts/model/record.ts'
import { payloadHash } from '../../ts/refresh/canonical.ts'
import { diffRecords } from '../../ts/refresh/diff.ts'
import { mutated, record } from '../support/arbitrary-records.ts'

// Many runs each, and no statement about speed.
vi.setConfig({ testTimeout: 120_000 })

type Step = { readonly member: string } | { readonly index: number }

/** Reads the paths that `diffRecords` writes when no array is compared by key: `$.a["odd name"][3]`. */
function steps(path: string): readonly Step[] {
  const found: Step[] = []
  const pattern = /\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/gy
  pattern.lastIndex = 1
  while (pattern.lastIndex < path.length) {
    const match = pattern.exec(path)
    if (match === null) throw new Error(`unreadable path ${path}`)
    found.push(
      match[1] !== undefined
        ? { member: match[1] }
        : match[2] !== undefined
          ? { index: Number(match[2]) }
          : { member: JSON.parse(match[3]!) as string },
    )
  }
  return found
}

const ABSENT = Symbol('absent')
type Patched = JsonValue | typeof ABSENT

/** The value with one change applied; `ABSENT` where the change takes an element away. */
function apply(
  current: Patched,
  [step, ...rest]: readonly Step[],
  change: FieldChange,
  lengths: { readonly shrinking: boolean },
): Patched {
  if (step === undefined) return change.new === null && lengths.shrinking ? ABSENT : change.new
  if ('index' in step) {
    const elements = [...(current as readonly JsonValue[])]
    const patched = apply(elements[step.index] ?? null, rest, change, { shrinking: true })
    if (patched === ABSENT) elements.splice(step.index)
    else elements[step.index] = patched
    return elements
  }
  const object = new Map(Object.entries(isJsonObject(current) ? current : {}))
  const patched = apply(object.get(step.member) ?? null, rest, change, { shrinking: false })
  object.set(step.member, patched === ABSENT ? null : patched)
  const made = {}
  for (const [key, value] of object)
    Object.defineProperty(made, key, { value, enumerable: true, configurable: true, writable: true })
  return made as JsonObject
}

/** Nulls in arrays cannot be told from "no such element" by a change alone; the property is about everything else. */
function withoutNullElements(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).filter((element) => element !== null).map(withoutNullElements)
  if (!isJsonObject(value)) return value
  const made = {}
  for (const [key, member] of Object.entries(value))
    Object.defineProperty(made, key, { value: withoutNullElements(member), enumerable: true, configurable: true, writable: true })
  return made as JsonObject
}

describe('diffRecords', () => {
  test('applying the changes to the old record gives one that hashes like the new', () => {
    const pair = record.chain((before) => fc.tuple(fc.constant(before), fc.oneof(mutated(before), record)))
    fc.assert(
      fc.property(pair, ([rawBefore, rawAfter]) => {
        const before = withoutNullElements(rawBefore) as JsonObject
        const after = withoutNullElements(rawAfter) as JsonObject
        let patched: Patched = before
        for (const change of diffRecords(before, after))
          patched = apply(patched, steps(change.path), change, { shrinking: false })
        expect(payloadHash(patched as JsonObject)).toBe(payloadHash(after))
      }),
      { numRuns: 2_000 },
    )
  })

  test('every change names a place once and differs there', () => {
    const pair = record.chain((before) => fc.tuple(fc.constant(before), mutated(before)))
    fc.assert(
      fc.property(pair, ([before, after]) => {
        const changes = diffRecords(before, after)
        expect(new Set(changes.map((change) => change.path)).size).toBe(changes.length)
        for (const change of changes) expect(change.path.startsWith('$')).toBe(true)
      }),
    )
  })

  test('in an array compared by key, one element that changes is one change under its key, wherever it stands', () => {
    const codes = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 })
    fc.assert(
      fc.property(codes, fc.nat(), fc.nat(), (list, which, shift) => {
        const changed = list[which % list.length]!
        const before = list.map((code) => ({ code, status: 'open' }))
        const turned = [...list.slice(shift % list.length), ...list.slice(0, shift % list.length)]
        const after = turned.map((code) => ({ code, status: code === changed ? 'shut' : 'open' }))
        const rules = { volatile: [], unordered: [], arrayKeys: { '$.sites': ['code'] } }
        expect(diffRecords({ sites: before }, { sites: after }, rules)).toEqual([
          { path: `$.sites[code=${changed}].status`, old: 'open', new: 'shut' },
        ])
      }),
    )
  })
})
