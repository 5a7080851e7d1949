import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../ts/model/json.ts'
import { entityId } from '../../ts/model/keys.ts'
import { SIGHTINGS_KEPT } from '../../ts/stores/limits.ts'
import { codeOf, company, keysOf, list, NOW, seed, upsert } from './store-fixtures.ts'
import type { Open } from './store-suite.ts'

export function populationSuite(open: Open): void {
  describe('population', () => {
    it('adds, keeps and changes entities, and counts which', async () => {
      const store = await open()
      const a = upsert(company('A'), { name: 'Acme', n: 1 })
      expect(await store.upsertEntities([a, upsert(company('B'))], 'i1', NOW)).toEqual({ added: 2, changed: 0, unchanged: 0 })
      expect(await store.upsertEntities([a, upsert(company('B'))], 'i2', NOW)).toEqual({ added: 0, changed: 0, unchanged: 2 })
      expect(await store.upsertEntities([upsert(company('A'), { n: 1, name: 'Acme' })], 'i2', NOW)).toEqual({
        added: 0,
        changed: 0,
        unchanged: 1,
      })
      expect(await store.upsertEntities([upsert(company('A'), { name: 'Acme Inc' })], 'i3', NOW)).toEqual({
        added: 0,
        changed: 1,
        unchanged: 0,
      })
      expect(await store.entity(company('A'))).toEqual({
        kind: 'company',
        key: 'A',
        attributes: { name: 'Acme Inc' },
        aliases: [],
      })
    })

    it('takes an entity that is twice in a batch as two updates', async () => {
      const store = await open()
      expect(
        await store.upsertEntities([upsert(company('A')), upsert(company('A')), upsert(company('A'), { name: 'x' })], 'i', NOW),
      ).toEqual({
        added: 1,
        changed: 1,
        unchanged: 1,
      })
    })

    it('answers null for an entity it does not know, and tells kinds apart', async () => {
      const store = await open()
      await seed(store, ['A'])
      expect(await store.entity(company('Z'))).toBeNull()
      expect(await store.entity({ kind: 'award', key: 'A' })).toBeNull()
    })

    it('adds to aliases and links, and never takes away', async () => {
      const store = await open()
      const to = { kind: 'domain' as const, key: 'acme.example' }
      const link = { from: company('A'), kind: 'has_domain' as const, to }
      await store.upsertEntities([upsert(company('A'), {}, { aliases: ['duns:1'], links: [link] })], 'i1', NOW)
      expect(await store.upsertEntities([upsert(company('A'), {}, { aliases: ['duns:2', 'duns:2'] })], 'i2', NOW)).toMatchObject({
        changed: 1,
      })
      expect(
        await store.upsertEntities([upsert(company('A'), {}, { aliases: ['duns:1'], links: [link] })], 'i3', NOW),
      ).toMatchObject({ unchanged: 1 })
      expect((await store.entity(company('A')))?.aliases).toEqual(['duns:1', 'duns:2'])
      expect(await store.links(company('A'))).toEqual([link])
    })

    it('finds links from both ends, also when the other end comes in later', async () => {
      const store = await open()
      const award = { kind: 'award' as const, key: 'v1:1' }
      const links = [
        { from: award, kind: 'awarded_to' as const, to: company('A') },
        { from: award, kind: 'led_by' as const, to: { kind: 'person' as const, key: 'pi:X' } },
      ]
      await store.upsertEntities([upsert(award, {}, { links })], 'i', NOW)
      expect(await store.linksTo(company('A'))).toEqual([links[0]])
      expect(await store.entity(company('A'))).toBeNull()
      expect(await store.countEntities()).toEqual({ award: 1 })
      await seed(store, ['B', 'A'])
      expect(await store.links(award)).toEqual(links)
      expect(await store.linksTo(company('A'))).toEqual([links[0]])
      expect(await store.linksTo(company('B'))).toEqual([])
      expect(await store.countEntities()).toEqual({ award: 1, company: 2 })
      // A link that is new makes an otherwise equal entity a changed one.
      const third = { from: award, kind: 'awarded_to' as const, to: company('B') }
      expect(await store.upsertEntities([upsert(award, {}, { links: [...links, third] })], 'i', NOW)).toMatchObject({
        changed: 1,
      })
    })

    it('finds entities by a shared alias or by their key, in key order', async () => {
      const store = await open()
      await store.upsertEntities(
        [
          upsert(company('uei:B'), {}, { aliases: ['name:ACME|CA'] }),
          upsert(company('uei:A'), {}, { aliases: ['name:ACME|CA', 'duns:7'] }),
        ],
        'i',
        NOW,
      )
      const found = await store.entitiesByAlias('company', ['name:ACME|CA', 'uei:B', 'duns:7', 'nobody'])
      expect([...found].map(([alias, entities]) => [alias, entities.map(({ key }) => key)])).toEqual([
        ['name:ACME|CA', ['uei:A', 'uei:B']],
        ['uei:B', ['uei:B']],
        ['duns:7', ['uei:A']],
      ])
      expect((await store.entitiesByAlias('award', ['name:ACME|CA'])).size).toBe(0)
    })

    it('names entities by aliases and keys alike, also when the key is an alias of its own or of another', async () => {
      const store = await open()
      await store.upsertEntities(
        [
          upsert(company('uei:B'), {}, { aliases: ['name:ACME|CA', 'uei:A'] }),
          upsert(company('uei:A'), {}, { aliases: ['name:ACME|CA', 'uei:A'] }),
          upsert({ kind: 'award', key: 'uei:A' }),
        ],
        'i',
        NOW,
      )
      const aliases = ['uei:A', 'name:ACME|CA', 'nobody', 'uei:B', 'uei:A', '', '"', "'"]
      const refs = await store.entityRefsByAlias('company', aliases)
      expect(new Map([...refs].map(([alias, found]) => [alias, found.map(({ key }) => key)]))).toEqual(
        new Map([
          ['uei:A', ['uei:A', 'uei:B']],
          ['name:ACME|CA', ['uei:A', 'uei:B']],
          ['uei:B', ['uei:B']],
        ]),
      )
      const entities = await store.entitiesByAlias('company', aliases)
      expect(new Map([...entities].map(([alias, found]) => [alias, found.map(({ kind, key }) => ({ kind, key }))]))).toEqual(refs)
      expect(await store.entityRefsByAlias('company', [])).toEqual(new Map())
      expect(await store.entityRefsByAlias('award', ['uei:A'])).toEqual(new Map([['uei:A', [{ kind: 'award', key: 'uei:A' }]]]))
    })

    it('streams a kind in insertion order, whatever is updated, over many pages', async () => {
      const store = await open()
      const keys = Array.from({ length: 1203 }, (_, index) => `K${(index * 7919) % 1203}`)
      await seed(store, keys)
      await seed(store, ['P1'], 'person')
      await store.upsertEntities([upsert(company(keys[0]!), { name: 'changed' })], 'i2', NOW)
      expect(await keysOf(store.entities('company'))).toEqual(keys)
      expect(await list(store.entities('domain'))).toEqual([])
    })

    it('knows which ingest saw which entity, for the newest ingests', async () => {
      const store = await open()
      await store.upsertEntities([upsert(company('A')), upsert(company('B'))], 'i1', NOW)
      await store.upsertEntities([upsert(company('B'))], 'i2', NOW)
      const refs = [company('A'), company('B'), company('Z')]
      expect(await store.seenBy(refs, 'i1')).toEqual(new Set([entityId(company('A')), entityId(company('B'))]))
      expect(await store.seenBy(refs, 'i2')).toEqual(new Set([entityId(company('B'))]))
      expect(await store.seenBy(refs, 'other')).toBeNull()
      for (let index = 0; index < SIGHTINGS_KEPT - 1; index += 1)
        await store.upsertEntities([upsert(company('A'))], `later-${index}`, NOW)
      expect(await store.seenBy(refs, 'i1')).toBeNull()
      expect(await store.seenBy(refs, 'i2')).toEqual(new Set([entityId(company('B'))]))
    })

    it('tells whose word entities are, and that nobody knows when two ingests overlap', async () => {
      const store = await open()
      const write = (key: string, ingestId: string | null) => store.upsertEntities([upsert(company(key))], ingestId, NOW)
      expect(await store.lastIngest()).toBeNull()
      await write('A', null)
      expect(await store.lastIngest()).toBeNull()
      await write('A', 'z first')
      await write('B', 'z first')
      expect(await store.lastIngest()).toBe('z first')
      await write('A', 'a second')
      await write('A', null)
      expect(await store.lastIngest()).toBe('a second')
      // The first one goes on: A is the second one's word, C the first one's.
      await write('C', 'z first')
      await write('D', 'z first')
      expect(await store.lastIngest()).toBeNull()
      await write('E', 'a second')
      expect(await store.lastIngest()).toBeNull()
      await write('A', 'third')
      expect(await store.lastIngest()).toBe('third')
    })

    it('takes in what no ingest saw without forgetting what ingests saw', async () => {
      const store = await open()
      await store.upsertEntities([upsert(company('A'))], 'i1', NOW)
      for (let index = 0; index < SIGHTINGS_KEPT + 1; index += 1)
        expect(await store.upsertEntities([upsert(company(`D${index}`))], null, NOW)).toMatchObject({ added: 1 })
      expect(await store.seenBy([company('A'), company('D0')], 'i1')).toEqual(new Set([entityId(company('A'))]))
    })

    it('keeps JSON as it is: __proto__ members, deep values, odd characters, large integers', async () => {
      const store = await open()
      const text =
        '{"__proto__":{"polluted":true},"constructor":1,"nested":[{"a":[null,true,-0.5,1e+21]}],"text":"\\u0000 😀 \\"\'","big":9007199254740991,"small":-9007199254740991}'
      const attributes = JSON.parse(text) as JsonObject
      await store.upsertEntities([upsert(company('A'), attributes)], 'i', NOW)
      const stored = (await store.entity(company('A')))!.attributes
      expect(JSON.stringify(stored)).toBe(text)
      expect(Object.hasOwn(stored, '__proto__')).toBe(true)
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
      expect(await store.upsertEntities([upsert(company('A'), JSON.parse(text) as JsonObject)], 'i', NOW)).toMatchObject({
        unchanged: 1,
      })
      expect(
        await store.upsertEntities([upsert(company('A'), JSON.parse(text.replace('true}', 'false}')) as JsonObject)], 'i', NOW),
      ).toMatchObject({ changed: 1 })
    })

    it('keeps what it was given, not what the caller makes of it afterwards', async () => {
      const store = await open()
      const attributes = { list: ['a'] }
      const aliases = ['x']
      await store.upsertEntities([{ ...company('A'), attributes, aliases, links: [] }], 'i', NOW)
      attributes.list.push('b')
      aliases.push('y')
      expect(await store.entity(company('A'))).toMatchObject({ attributes: { list: ['a'] }, aliases: ['x'] })
    })

    it('takes keys with any characters', async () => {
      const store = await open()
      const keys = [
        "name:O'NEIL; DROP TABLE entity--|NY",
        'name:Ä Ö Ü ß 漢字 😀|ZZ',
        'with "quotes" and \\',
        'with\u0000nul',
        '%_*',
        ' ',
      ]
      await seed(store, keys)
      for (const key of keys) expect((await store.entity(company(key)))?.key).toBe(key)
      expect((await store.countEntities()).company).toBe(keys.length)
    })

    it('rejects every call after close, and may be closed twice', async () => {
      const store = await open()
      await store.close()
      await store.close()
      expect(await codeOf(store.countEntities())).toBe('store_closed')
      expect(await codeOf(seed(store, ['A']))).toBe('store_closed')
      expect(await codeOf(list(store.entities('company')))).toBe('store_closed')
    })
  })
}
