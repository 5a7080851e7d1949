/** A set of strings that nearly always holds one: a Set takes five times the memory for that. */
export class FewStrings implements Iterable<string> {
  #first: string | null = null
  #all: Set<string> | null = null

  constructor(values: Iterable<string> = []) {
    for (const value of values) this.add(value)
  }

  get size(): number {
    return this.#all?.size ?? (this.#first === null ? 0 : 1)
  }

  /** The one value there is; null when there are none or several. */
  get only(): string | null {
    return this.#all === null ? this.#first : null
  }

  has(value: string): boolean {
    return this.#all?.has(value) ?? this.#first === value
  }

  add(value: string): void {
    if (this.#first === null) this.#first = value
    else if (this.#all !== null) this.#all.add(value)
    else if (this.#first !== value) this.#all = new Set([this.#first, value])
  }

  *[Symbol.iterator](): Iterator<string> {
    if (this.#all !== null) yield* this.#all
    else if (this.#first !== null) yield this.#first
  }
}

/** Several strings under one key. */
export class StringIndex {
  readonly #values = new Map<string, FewStrings>()

  add(key: string, value: string): void {
    const values = this.#values.get(key)
    if (values === undefined) this.#values.set(key, new FewStrings([value]))
    else values.add(value)
  }

  get(key: string): FewStrings {
    return this.#values.get(key) ?? NONE
  }
}
const NONE = new FewStrings()
