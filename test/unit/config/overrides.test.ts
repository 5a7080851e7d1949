import { describe, expect, it } from 'vitest'
import { applyOverrides, environmentOverrides, type Override, parseSetting } from '../../../ts/config/overrides.ts'
import { EMPTY_TREE, type Tree } from '../../../ts/config/tree.ts'
import { parseYamlLayer } from '../../../ts/config/yaml-layer.ts'
import { GOOD } from './fake-adapters.ts'

const base: Tree = parseYamlLayer(GOOD, 'base.yaml').tree

function set(...texts: string[]) {
  return applyOverrides(
    base,
    texts.map((text) => parseSetting(text) as Override),
  )
}
function env(variables: Record<string, string>) {
  return applyOverrides(base, environmentOverrides(variables))
}

describe('environment variables', () => {
  it('reach every level, whatever the case of the keys', () => {
    const { tree, problems } = env({
      ENRICHMENT__ENRICHMENT__A__BASE_URL: 'https://other.example.gov',
      ENRICHMENT__ENRICHMENT_REFRESH__A__QUOTAS__0__LIMIT: '7',
      ENRICHMENT__WAREHOUSE__EXPORT_AFTER_RUN: 'false',
      ENRICHMENT_ENV: 'dev',
      HOME: '/root',
    })
    expect(problems).toEqual([])
    expect(tree.value).toMatchObject({
      enrichment: { a: { base_url: 'https://other.example.gov' } },
      enrichment_refresh: { a: { quotas: [{ limit: 7, per: '60s' }] } },
      warehouse: { export_after_run: false },
    })
  })

  it('are problems when they fit nowhere, with what was likely meant', () => {
    const { tree, problems } = env({
      ENRICHMENT__ENRICHMENT__A__BASEURL: 'x',
      ENRICHMENT__ENRICHMENT_REFRESH__AA__SLA: '1d',
      ENRICHMENT__RUN__MAX_CALLS__PER_DAY: '1',
      ENRICHMENT__RUNS__MAX_CALLS: '1',
      ENRICHMENT__ENRICHMENT_REFRESH__A__QUOTAS__5__LIMIT: '1',
      ENRICHMENT__RUN__LEASE: '',
    })
    expect(tree.value).toEqual(base.value)
    expect(problems.map((problem) => problem.path).sort()).toEqual([
      'enrichment.a.baseurl',
      'enrichment_refresh.a.quotas.5.limit',
      'enrichment_refresh.aa.sla',
      'run.lease',
      'run.max_calls.per_day',
      'runs.max_calls',
    ])
    expect(problems.find((problem) => problem.path === 'enrichment.a.baseurl')?.message).toContain('did you mean "base_url"?')
    expect(problems.find((problem) => problem.path === 'enrichment_refresh.aa.sla')?.message).toContain('did you mean "a"?')
    for (const problem of problems) expect(problem.origin).toMatch(/^environment variable ENRICHMENT__/)
  })

  it('set whole maps first, then refine them', () => {
    const { tree, problems } = env({
      ENRICHMENT__ENRICHMENT__C__ADAPTER: 'keyed',
      ENRICHMENT__ENRICHMENT__C: '{"adapter": "open_data", "base_url": "https://c.example.gov"}',
    })
    expect(problems).toEqual([])
    expect(tree.value['enrichment']).toMatchObject({ c: { adapter: 'keyed', base_url: 'https://c.example.gov' } })
  })
})

describe('--set', () => {
  it('keeps text where the schema wants text, and reads numbers, truth values and JSON elsewhere', () => {
    const { tree, problems } = set(
      'http.user_agent=12345678',
      'enrichment.a.adapter=true',
      'run.max_calls=500',
      'enrichment_refresh.a.coverage_threshold=0.5',
      'enrichment_refresh.a.enabled=false',
      'enrichment_refresh.a.quotas=[{"limit":1,"per":"1s"}]',
      'enrichment.b.options.groups[0]=x',
      'state.path=C:\\data: here',
    )
    expect(problems.map((problem) => problem.path)).toEqual([])
    expect(tree.value).toMatchObject({
      http: { user_agent: '12345678' },
      enrichment: { a: { adapter: 'true' } },
      run: { max_calls: 500 },
      enrichment_refresh: { a: { coverage_threshold: 0.5, enabled: false, quotas: [{ limit: 1, per: '1s' }] } },
      state: { path: 'C:\\data: here' },
    })
  })

  it('takes the last of two, and values with an equals sign', () => {
    expect(set('run.lease=1s', 'run.lease=2s').tree.value['run']).toEqual({ lease: '2s' })
    expect(set('enrichment.a.base_url=https://x.example/?a=b').tree.value['enrichment']).toMatchObject({
      a: { base_url: 'https://x.example/?a=b' },
    })
  })

  it.each(['run.max_calls', '=5', 'a..b=1', ''])('refuses %j as no setting', (text) => {
    expect(parseSetting(text)).toMatchObject({ message: 'is no setting' })
  })

  it.each([
    '__proto__.x=1',
    'enrichment.a.options.__proto__.x=1',
    'enrichment.a.options.x={"__proto__": {"y": 1}}',
    'enrichment.a.options.x=[&a 1, *a]',
  ])('refuses %s', (text) => {
    const { tree, problems } = set(text)
    expect(problems).toHaveLength(1)
    expect(tree.value).toEqual(base.value)
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
  })

  it('creates sections that no file has', () => {
    expect(applyOverrides(EMPTY_TREE, [parseSetting('run.max_calls=5') as Override]).tree.value).toEqual({
      run: { max_calls: 5 },
    })
  })
})
