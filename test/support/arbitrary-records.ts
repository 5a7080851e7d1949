/** Random records over a small vocabulary, so that rules hit members, keys collide and arrays hold equal elements. */
import fc from 'fast-check'
import type { JsonObject, JsonValue } from '../../ts/model/json.ts'
import type { PathRules } from '../../ts/refresh/path-rules.ts'

const PLAIN_NAMES = ['a', 'b', 'k', 'rows', 'tags'] as const
/** Names that a careless object walk would look up on a prototype, and names that paths must quote. */
const ODD_NAMES = ['__proto__', 'constructor', 'toString', 'a.b', 'k=1', '', 'ä', '#2', '[0]'] as const

const name = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...PLAIN_NAMES) },
  { weight: 1, arbitrary: fc.constantFrom(...ODD_NAMES) },
)
const scalar: fc.Arbitrary<JsonValue> = fc.oneof(
  fc.constantFrom<JsonValue>(
    null,
    true,
    false,
    0,
    -0,
    1,
    1e21,
    0.1,
    -1.5e-7,
    '',
    '1',
    'x',
    '0',
    'null',
    'é',
    '\u{1F600}',
    '\ud800',
    '"',
    'k=1',
  ),
  fc.integer({ min: 0, max: 3 }),
)

/** Own members even for names like `__proto__`, as JSON.parse makes them. */
function objectOf(entries: readonly (readonly [string, JsonValue])[]): JsonObject {
  const made = {}
  for (const [key, value] of entries)
    Object.defineProperty(made, key, { value, enumerable: true, configurable: true, writable: true })
  return made
}

const { value } = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }) as fc.Arbitrary<JsonValue>,
    tie('object'),
  ),
  object: fc.array(fc.tuple(name, tie('value')), { maxLength: 4 }).map(objectOf),
}))

export const jsonValue: fc.Arbitrary<JsonValue> = value
export const record: fc.Arbitrary<JsonObject> = fc.array(fc.tuple(name, value), { maxLength: 5 }).map(objectOf)

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...PLAIN_NAMES).map((member) => `.${member}`) },
  { weight: 1, arbitrary: fc.constant('.__proto__') },
  { weight: 3, arbitrary: fc.constant('[*]') },
)
/** Paths of the rules' grammar: `$.rows[*].k`, `$.tags`, even `$` itself. */
const path = fc.oneof(
  fc.constantFrom(...PLAIN_NAMES).map((member) => `$.${member}`),
  fc.array(step, { minLength: 0, maxLength: 4 }).map((steps) => `$${steps.join('')}`),
)
const keyNames = fc.uniqueArray(fc.constantFrom('k', 'a', '__proto__'), { minLength: 1, maxLength: 2 })

export const pathRules: fc.Arbitrary<PathRules> = fc.record({
  volatile: fc.array(path, { maxLength: 2 }),
  unordered: fc.array(path, { maxLength: 2 }),
  arrayKeys: fc.array(fc.tuple(path, keyNames), { maxLength: 3 }).map((entries) => Object.fromEntries(entries)),
})

function isObject(candidate: JsonValue): candidate is JsonObject {
  return typeof candidate === 'object' && candidate !== null && !Array.isArray(candidate)
}

/** The same contents with members (and only members) in another order. */
export function shuffledMembers(of: JsonObject): fc.Arbitrary<JsonObject> {
  return fc.infiniteStream(fc.nat(1_000)).map((random) => {
    const shuffle = (current: JsonValue): JsonValue => {
      if (Array.isArray(current)) return (current as readonly JsonValue[]).map(shuffle)
      if (!isObject(current)) return current
      const ranked = Object.entries(current).map(([key, member]) => ({
        key,
        member: shuffle(member),
        rank: Number(random.next().value),
      }))
      return objectOf(ranked.sort((a, b) => a.rank - b.rank).map(({ key, member }) => [key, member] as const))
    }
    return shuffle(of) as JsonObject
  })
}

/** The same record with a few places changed: a value replaced, an element dropped, doubled or moved, a member removed. */
export function mutated(of: JsonObject): fc.Arbitrary<JsonObject> {
  return fc.tuple(fc.infiniteStream(fc.nat(99)), fc.array(scalar, { minLength: 1, maxLength: 3 })).map(([random, fresh]) => {
    const roll = (): number => Number(random.next().value)
    const pick = (): JsonValue => fresh[roll() % fresh.length] ?? null
    const change = (current: JsonValue): JsonValue => {
      if (roll() < 8) return pick()
      if (Array.isArray(current)) {
        const elements = (current as readonly JsonValue[]).map(change)
        const what = roll()
        if (what < 10) return elements.slice(1)
        if (what < 20) return [...elements].reverse()
        if (what < 26 && elements.length > 0) return [...elements, elements[0]!]
        if (what < 30) return [...elements, pick()]
        return elements
      }
      return isObject(current) ? changeMembers(current) : current
    }
    const changeMembers = (current: JsonObject): JsonObject =>
      objectOf(Object.entries(current).flatMap(([key, member]) => (roll() < 6 ? [] : [[key, change(member)] as const])))
    return changeMembers(of)
  })
}
