/** "Did you mean": the candidate closest to what was written, when it is close enough to be a slip. */

/** Edit distance with neighbouring letters swapped counting as one slip. Inputs are short (keys, flags). */
export function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const substitution = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1)
      let best = Math.min(previous[column]! + 1, current[column - 1]! + 1, substitution)
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        best = Math.min(best, beforePrevious[column - 2]! + 1)
      }
      current.push(best)
    }
    beforePrevious = previous
    previous = current
  }
  return previous[b.length]!
}

/** The best candidate within a third of the word's length (at least two slips), or one that it abbreviates; else null. */
export function suggest(word: string, candidates: Iterable<string>): string | null {
  const wanted = word.toLowerCase().slice(0, 80)
  const allowed = Math.max(2, Math.floor(wanted.length / 3))
  let best: string | null = null
  let bestDistance = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate.toLowerCase())
    const close = distance <= allowed && distance < wanted.length
    const abbreviated = wanted.length >= 3 && candidate.toLowerCase().startsWith(wanted)
    if ((close || abbreviated) && distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** ` (did you mean "cadence"?)` or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const found = suggest(word, candidates)
  return found === null ? '' : ` (did you mean "${found}"?)`
}
