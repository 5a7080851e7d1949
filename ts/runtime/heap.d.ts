/** Before the program is loaded; takes 3 ms. Never throws, prints nothing. */
export function keepHeapSmall(): 'kept small' | 'left to the user'

/** Where the heap was kept small, lets the young generation grow when so many requests are under way at once, about so many entities. */
export function makeRoomFor(requests: number, entities: number): void

export const MANY_REQUESTS: number
export const MANY_ENTITIES: number
