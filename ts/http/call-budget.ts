/** How many requests one run may send, over all its sources. */
export type CallBudget = {
  /** Takes one; false when none is left. */
  tryTake(): boolean
  /** The request was not sent after all. */
  giveBack(): void
}

export function createCallBudget(limit: number): CallBudget & { readonly used: number } {
  let used = 0
  return {
    tryTake() {
      if (used >= limit) return false
      used++
      return true
    },
    giveBack() {
      used = Math.max(0, used - 1)
    },
    get used() {
      return used
    },
  }
}
