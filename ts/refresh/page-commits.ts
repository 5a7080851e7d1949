/**
 * Received pages on their way into the store, in the order of the walk. While one commit is under way the walk asks for the
 * next pages, and those that came meanwhile share the next commit: the disk is waited for once, not once per page.
 */
export type WaitingPage = {
  /** Weighs a page: so many items one commit carries at most, unless a single page has more. */
  readonly items: readonly unknown[]
}

export class PageCommits<Page extends WaitingPage> {
  private readonly write: (pages: readonly Page[]) => Promise<void>
  private readonly maxPages: number
  private readonly maxItems: number
  private waiting: Page[] = []
  /** Pages that are in the store's hands, or were when it failed. */
  private writing = 0
  private running: Promise<void> | null = null
  private failure: { readonly error: unknown } | null = null
  private wake: () => void = () => {}

  /** At most `maxPages` are without a commit, the one that is asked for included: they are what a kill can make asked again. */
  constructor(
    write: (pages: readonly Page[]) => Promise<void>,
    limits: { readonly maxPages: number; readonly maxItems: number },
  ) {
    this.write = write
    this.maxPages = Math.max(1, limits.maxPages)
    this.maxItems = limits.maxItems
  }

  /** Resolves when another page may be asked for. Rejects with the error of a commit. */
  async room(): Promise<void> {
    while (this.failure === null && this.waiting.length + this.writing >= this.maxPages) {
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
    if (this.failure !== null) throw this.failure.error
  }

  add(page: Page): void {
    this.waiting.push(page)
    this.running ??= this.drain()
  }

  /** Resolves when everything that was added is committed. Rejects with the error of a commit; what came after it is not written. */
  async drained(): Promise<void> {
    await this.running
    if (this.failure !== null) throw this.failure.error
  }

  private async drain(): Promise<void> {
    while (this.waiting.length > 0 && this.failure === null) {
      const pages = this.take()
      this.writing = pages.length
      try {
        await this.write(pages)
        this.writing = 0
      } catch (error) {
        this.failure = { error }
      }
      this.wake()
    }
    this.running = null
  }

  private take(): readonly Page[] {
    let count = 1
    let items = this.waiting[0]!.items.length
    while (count < this.waiting.length && items + this.waiting[count]!.items.length <= this.maxItems)
      items += this.waiting[count++]!.items.length
    return this.waiting.splice(0, count)
  }
}
