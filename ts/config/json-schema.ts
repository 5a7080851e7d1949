/** The schema as JSON Schema: for editors, for `config schema`, for the docs table, and to find one's way by path. */
import { z } from 'zod'
import { configSchema } from './schema.ts'

/** The part of JSON Schema that zod emits for ours. */
export type SchemaNode = {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly string[]
  readonly format?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly minItems?: number
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | SchemaNode
  readonly items?: SchemaNode
  readonly $ref?: string
}

/** JSON Schema (2020-12) of a whole configuration as it is written, before defaults. */
export function configJsonSchema(): SchemaNode & Readonly<Record<string, unknown>> {
  const schema = z.toJSONSchema(configSchema, { io: 'input' }) as Record<string, unknown>
  return { ...schema, title: 'Configuration of the enrichment refresh engine' } as SchemaNode & Record<string, unknown>
}

/** `<source>` and the like: what stands for a free key in tables. */
export const FREE_KEYS: Readonly<Record<string, string>> = {
  enrichment: '<source>',
  enrichment_refresh: '<source>',
  credentials: '<credential>',
  other_urls: '<name>',
  options: '<option>',
}

export type SchemaLeaf = {
  /** `enrichment_refresh.<source>.quotas[].limit` */
  readonly path: string
  /** Last fixed key of the path. */
  readonly key: string
  readonly node: SchemaNode
  readonly required: boolean
}

/** Every place that holds a value, in the order of the schema. */
export function schemaLeaves(root: SchemaNode = configJsonSchema()): readonly SchemaLeaf[] {
  const leaves: SchemaLeaf[] = []
  const walk = (node: SchemaNode, path: string, key: string, required: boolean): void => {
    if (node.properties !== undefined) {
      for (const [name, child] of Object.entries(node.properties)) {
        walk(child, path === '' ? name : `${path}.${name}`, name, node.required?.includes(name) ?? false)
      }
    } else if (typeof node.additionalProperties === 'object') {
      // The description of the map itself says more about its free keys than the element's.
      const element = node.additionalProperties
      const described = element.description === undefined ? { ...element, description: node.description ?? '' } : element
      walk(described, `${path}.${FREE_KEYS[key] ?? '<name>'}`, key, false)
    } else if (node.items?.properties !== undefined) {
      walk(node.items, `${path}[]`, key, required)
    } else {
      leaves.push({ path, key, node, required })
    }
  }
  walk(root, '', '', true)
  return leaves
}
