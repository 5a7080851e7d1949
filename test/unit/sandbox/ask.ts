/** An adapter's requests put to the sandbox in this process, and its answers as the engine would hand them over. */
import type { AdapterContext, SourceAdapter, Target } from '../../../ts/adapters/adapter.ts'
import { parseJson } from '../../../ts/http/json.ts'
import type { Entity } from '../../../ts/model/entity.ts'
import type { JsonObject, JsonValue } from '../../../ts/model/json.ts'
import type { Classified, RequestSpec, ResponseView } from '../../../ts/model/response.ts'
import type { Sandbox } from '../../../ts/sandbox/sandbox.ts'

export type Asker = {
  readonly context: AdapterContext
  ask(request: RequestSpec): Promise<{ readonly view: ResponseView; readonly classified: Classified }>
  /** All requests of a look-up. Throws when an answer is neither `ok`, `empty` nor `not_found`. */
  lookup(target: Target): Promise<ReturnType<NonNullable<SourceAdapter['lookup']>['parse']>>
  resolve(target: Target): Promise<ReturnType<NonNullable<SourceAdapter['resolve']>['parse']>>
}

export function askerOf(
  sandbox: Sandbox,
  adapter: SourceAdapter,
  headers: Readonly<Record<string, string>> = {},
  options: JsonObject = {},
): Asker {
  const context = { now: sandbox.clock.now(), options: adapter.options.parse(options) }

  async function ask(request: RequestSpec): Promise<{ view: ResponseView; classified: Classified }> {
    const prefix = request.base === undefined ? adapter.id : `${adapter.id}_${request.base}`
    const url = new URL(`http://sandbox.test/${prefix}${request.path}`)
    for (const [name, value] of request.query ?? []) url.searchParams.append(name, value)
    const { response, departed } = await sandbox.answer(
      new Request(url, {
        method: request.method,
        headers: { ...request.headers, ...headers },
        ...(request.json === undefined ? {} : { body: JSON.stringify(request.json) }),
      }),
    )
    const text = await response.text()
    departed()
    const parsed = parseJson(text, 64)
    const view: ResponseView = {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      text,
      json: 'value' in parsed ? (parsed.value as JsonValue) : undefined,
      receivedAt: sandbox.clock.now(),
    }
    return { view, classified: adapter.classify(view, request, context) }
  }

  async function answered(request: RequestSpec): Promise<ResponseView> {
    const { view, classified } = await ask(request)
    if (!['ok', 'empty', 'not_found'].includes(classified.class)) throw new Error(`${classified.class}: ${classified.reason}`)
    return view
  }

  return {
    context,
    ask,
    async lookup(target) {
      const { lookup } = adapter
      const views: ResponseView[] = []
      let next: RequestSpec | null = lookup!.request(target, context)
      while (next !== null) {
        views.push(await answered(next))
        next = lookup!.more?.(views, target, context) ?? null
      }
      return lookup!.parse(views.at(-1)!, target, context, views.slice(0, -1))
    },
    async resolve(target) {
      const views: ResponseView[] = []
      for (;;) {
        const next: RequestSpec | null = adapter.resolve!.request(views, target, context)
        if (next === null) return adapter.resolve!.parse(views, target, context)
        views.push(await answered(next))
      }
    },
  }
}

export function targetOf(
  entity: Entity,
  providerKey: string | null = null,
  related?: Readonly<Record<string, JsonObject>>,
): Target {
  return { entity, providerKey, validators: { etag: null, lastModified: null }, ...(related === undefined ? {} : { related }) }
}

export function personEntity(name: string, company: string): Entity {
  const attributes = { name, company_key: `name:${company}`, company_name: company, role: 'principal_investigator' }
  return { kind: 'person', key: `pi:${name}|${company}`, attributes, aliases: [] }
}

/** Members that one of two answers has and the other has not; below a null or an empty list there is nothing to compare. */
export function shapeDifferences(ours: JsonValue | undefined, theirs: JsonValue | undefined, path = '$'): string[] {
  if (ours === null || theirs === null) return []
  if (ours === undefined || theirs === undefined) return [`${ours === undefined ? 'only theirs' : 'only ours'}: ${path}`]
  if (Array.isArray(ours) && Array.isArray(theirs)) {
    const [a, b] = [ours[0] as JsonValue | undefined, theirs[0] as JsonValue | undefined]
    return a === undefined || b === undefined ? [] : shapeDifferences(a, b, `${path}[]`)
  }
  if (typeof ours === 'object' && typeof theirs === 'object' && !Array.isArray(ours) && !Array.isArray(theirs)) {
    const [a, b] = [ours as JsonObject, theirs as JsonObject]
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((name) =>
      shapeDifferences(a[name], b[name], `${path}.${name}`),
    )
  }
  return typeof ours === typeof theirs ? [] : [`types differ: ${path}`]
}
