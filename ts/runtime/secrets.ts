/**
 * Secrets as opaque values: whatever prints one prints its name. The value is revealed in three places only: where the
 * transport writes it into a request, where the scrubber learns what to look for, and where it is hashed to tell one key
 * from another.
 */
import { inspect } from 'node:util'

export class Secret {
  readonly #name: string
  readonly #value: string

  /** `name` is what may be shown, e.g. the environment variable it came from. */
  constructor(name: string, value: string) {
    this.#name = name
    this.#value = value
  }

  get name(): string {
    return this.#name
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return `[secret ${this.#name}]`
  }

  toJSON(): string {
    return this.toString()
  }

  [Symbol.toPrimitive](): string {
    return this.toString()
  }

  [inspect.custom](): string {
    return this.toString()
  }
}
