/** From the names in the configuration to secrets in their place in a request. */
import type { CredentialSpec } from '../adapters/adapter.ts'
import type { SourceConfig } from '../config/schema.ts'
import { MIN_SECRET_LENGTH } from '../runtime/scrub.ts'
import { Secret } from '../runtime/secrets.ts'

export type PlacedCredential = { readonly spec: CredentialSpec; readonly secret: Secret; readonly isPublic: boolean }

export type Credentials =
  | { readonly ok: true; readonly placed: readonly PlacedCredential[] }
  | { readonly ok: false; readonly message: string }

export type CredentialInput = {
  readonly source: string
  readonly specs: readonly CredentialSpec[]
  readonly config: SourceConfig['credentials']
  readonly env: (name: string) => string | undefined
  /** Of `base_url`; only then `loopback_value` counts. */
  readonly isLoopback: boolean
}

/**
 * Every credential of the adapter that has a value. Not ok, with what to do, when a required one has none or a value
 * cannot be one. Values never appear in the message.
 */
export function resolveCredentials({ source, specs, config, env, isLoopback }: CredentialInput): Credentials {
  const placed: PlacedCredential[] = []
  for (const spec of specs) {
    const entry = config[spec.name]
    if (entry === undefined) {
      if (!spec.required) continue
      return {
        ok: false,
        message: `${source} needs the credential "${spec.name}": name its environment variable under enrichment.${source}.credentials.${spec.name}.env.`,
      }
    }
    const fromEnv = env(entry.env)?.trim()
    const value = fromEnv ?? (isLoopback ? entry.loopback_value : undefined)
    if (value === undefined || value === '') {
      if (!spec.required) continue
      return { ok: false, message: `${source} needs the credential "${spec.name}": set the environment variable ${entry.env}.` }
    }
    if (/[^\x21-\x7e]/.test(value)) {
      return { ok: false, message: `The value of ${entry.env} holds spaces or characters that no key has; set it again.` }
    }
    if (fromEnv !== undefined && value.length < MIN_SECRET_LENGTH) {
      return {
        ok: false,
        message: `The value of ${entry.env} is shorter than ${MIN_SECRET_LENGTH} characters, too short to be kept out of logs; set the whole key.`,
      }
    }
    placed.push({ spec, secret: new Secret(entry.env, value), isPublic: fromEnv === undefined })
  }
  return { ok: true, placed }
}
