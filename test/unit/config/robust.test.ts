import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { applyOverrides, environmentOverrides, parseSetting } from '../../../ts/config/overrides.ts'
import { formatProblems } from '../../../ts/config/problems.ts'
import { mergeTrees, type Tree } from '../../../ts/config/tree.ts'
import { parseYamlLayer } from '../../../ts/config/yaml-layer.ts'
import { GOOD } from './fake-adapters.ts'

const base: Tree = parseYamlLayer(GOOD, 'base.yaml').tree

const word = fc.oneof(
  fc.constantFrom(
    'enrichment',
    'a',
    'b',
    'run',
    'max_calls',
    'options',
    'quotas',
    '0',
    '__proto__',
    'constructor',
    'ENRICHMENT_REFRESH',
    'QUOTAS',
    'credentials',
  ),
  fc.string({ maxLength: 8 }),
)
const value = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.json({ maxDepth: 2 }),
  fc.constantFrom(
    '',
    '~',
    '{',
    '[',
    '&a *a',
    '!!binary x',
    '!!js/function x',
    '{"__proto__": {"polluted": 1}}',
    '- a\n- b',
    '%YAML 9',
    '\u0000',
    '? a\n: b',
  ),
)

// Hundreds of runs, and no statement about speed.
vi.setConfig({ testTimeout: 60_000 })

describe('whatever is written', () => {
  it('as a YAML file is a tree or problems, never an exception, and pollutes nothing', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 200 }),
          fc.tuple(word, value).map(([key, text]) => `${key}: ${text}`),
        ),
        (text) => {
          const { tree, problems } = parseYamlLayer(text, 'x.yaml')
          for (const problem of problems) expect(problem.origin).toMatch(/^x\.yaml/)
          const merged = mergeTrees(base, tree)
          expect(merged.value['enrichment'] === undefined).toBe(false)
          expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
          expect(Object.getPrototypeOf(merged.value)).toBe(Object.prototype)
          formatProblems(problems)
        },
      ),
      { numRuns: 400 },
    )
  })

  it('as an override is applied at its place or is a problem', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), value, (path, raw) => {
        const setting = parseSetting(`${path.join('.')}=${raw}`)
        const variables = { [`ENRICHMENT__${path.join('__').toUpperCase()}`]: raw }
        const overrides = [...environmentOverrides(variables), ...('message' in setting ? [] : [setting])]
        const { tree, problems } = applyOverrides(base, overrides)
        expect(problems.length).toBeLessThanOrEqual(overrides.length)
        if (problems.length === overrides.length) expect(tree.value).toEqual(base.value)
        expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
      }),
      { numRuns: 400 },
    )
  })
})
