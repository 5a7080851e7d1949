// How V8 keeps the heap of the program. Plain JavaScript without newer syntax than Node 18 has, because the launchers load it.
//
// What lives is 30-50 MB whatever the size of the population; left alone, V8 lets garbage grow to several times that while
// the machine has memory (a refresh peaked at 300 MB and more). Set in the running process and not by flags of its command
// line, so that it holds however the program is started, and nobody's NODE_OPTIONS are touched.
import v8 from 'node:v8'

/** Both halves of the young generation together, as V8 counts them. Smaller costs CPU time at every collection. */
const YOUNG_BYTES = 8_000_000
/** The young generation doubles and more when what was allocated lives; this much of it is enough to see that happen. */
const MAX_TRIES = 400

/** From so many requests at once on, or entities in them, what lives because of them fills a small young generation. */
export const MANY_REQUESTS = 64
export const MANY_ENTITIES = 800

let isKeptSmall = false

/** Whoever has sized the heap is not overruled. */
function isSizedByUser() {
  return [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((text) =>
    /(semi|young|old|heap)[-_](space|generation|size|growing|growth)/.test(text),
  )
}

function youngBytes() {
  return v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? YOUNG_BYTES
}

/** Before the program is loaded; takes 3 ms. Never throws, prints nothing. Returns what was done. */
export function keepHeapSmall() {
  if (isSizedByUser()) return 'left to the user'
  // From 1 MB to its size in one step, by objects that live through a collection; then it does not grow any more.
  v8.setFlagsFromString('--semi-space-growth-factor=4')
  let living = []
  for (let tries = 0; tries < MAX_TRIES && youngBytes() < YOUNG_BYTES; tries++)
    for (let count = 0; count < 100; count++) living.push(new Array(64).fill(count))
  living = []
  v8.setFlagsFromString('--semi-space-growth-factor=1')
  // The old generation is collected when it has doubled.
  v8.setFlagsFromString('--heap-growing-percent=100')
  isKeptSmall = true
  return 'kept small'
}

/**
 * For a run with so many requests at once, about so many entities: each collection of a small young generation would copy what is
 * known of them, a third more CPU time. It takes 100 MB more then.
 */
export function makeRoomFor(requests, entities) {
  if (!isKeptSmall || (requests < MANY_REQUESTS && entities < MANY_ENTITIES)) return
  v8.setFlagsFromString('--semi-space-growth-factor=2')
}
