/**
 * Answers that arrive while a commit is under way share the next one. Each enqueue resolves when its answers are durable,
 * so nothing is acknowledged early; under load the cost of a transaction is spread over everything that waited for it.
 */
import type { Judged } from './commit-batch.ts'

export type Pending = { readonly judged: readonly Judged[]; readonly calls: number }

export class GroupCommit {
  private readonly write: (group: Pending) => Promise<void>
  private readonly maxRows: number
  private waiting: (Pending & { readonly resolve: () => void; readonly reject: (error: unknown) => void })[] = []
  private busy = false

  constructor(write: (group: Pending) => Promise<void>, maxRows: number) {
    this.write = write
    this.maxRows = maxRows
  }

  enqueue(group: Pending): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.waiting.push({ ...group, resolve, reject })
    if (!this.busy) {
      this.busy = true
      // One turn of the event loop gathers what arrived in the same tick.
      setImmediate(() => void this.drain())
    }
    return promise
  }

  private async drain(): Promise<void> {
    while (this.waiting.length > 0) {
      let rows = 0
      let count = 0
      while (count < this.waiting.length && (count === 0 || rows + this.waiting[count]!.judged.length <= this.maxRows))
        rows += this.waiting[count++]!.judged.length
      const taken = this.waiting.splice(0, count)
      try {
        await this.write({
          judged: taken.flatMap((group) => group.judged),
          calls: taken.reduce((sum, group) => sum + group.calls, 0),
        })
        for (const group of taken) group.resolve()
      } catch (error) {
        for (const group of taken) group.reject(error)
      }
    }
    this.busy = false
  }
}
