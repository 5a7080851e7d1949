/** A configuration that notes what is read from it. */
import { FREE_KEYS, type SchemaNode } from '../../ts/config/json-schema.ts'

/**
 * The value behind proxies that follow the schema; every leaf that is taken out is added to `reads` by its path in the schema
 * (`enrichment_refresh.<source>.quotas[].limit`). Copying an object with its fixed keys (`{ ...policy }`) reads none of
 * them: only who takes a key by its name knows what it means. The free keys of a map are read by going through them.
 */
export function recordReads<T extends object>(config: T, schema: SchemaNode, reads: Set<string>): T {
  return wrap(config, schema, '', '', reads) as T
}

function isLeaf({ properties, additionalProperties, items }: SchemaNode): boolean {
  return properties === undefined && typeof additionalProperties !== 'object' && items?.properties === undefined
}

function wrap(value: unknown, node: SchemaNode, path: string, key: string, reads: Set<string>): unknown {
  const isMap = typeof node.additionalProperties === 'object'
  const isList = node.items?.properties !== undefined
  if (isLeaf(node)) {
    reads.add(path)
    return value
  }
  if (typeof value !== 'object' || value === null) return value
  let enumerated: string | symbol | null = null
  return new Proxy(value, {
    // Spread and Object.entries ask for the descriptor of each key right before they take its value.
    getOwnPropertyDescriptor(target, name) {
      enumerated = name
      return Reflect.getOwnPropertyDescriptor(target, name)
    },
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      const isCopied = enumerated === name
      enumerated = null
      if (typeof name === 'symbol' || (isList && !/^\d+$/.test(name))) return member
      if (isList) return wrap(member, node.items!, `${path}[]`, key, reads)
      if (isMap) {
        const element = node.additionalProperties as SchemaNode
        return Object.hasOwn(target, name) ? wrap(member, element, `${path}.${FREE_KEYS[key] ?? '<name>'}`, name, reads) : member
      }
      const child = node.properties![name]
      if (child === undefined) return member
      const at = path === '' ? name : `${path}.${name}`
      if (isCopied && isLeaf(child)) return member
      return wrap(member, child, at, name, reads)
    },
  })
}
