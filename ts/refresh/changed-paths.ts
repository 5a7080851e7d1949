/** Whether a change that an event tells of touches a path that a rule names. */

/** Keys of list elements may hold dots; brackets in them end where the diff wrote its own. */
const STEP = /\.([^.[\]]+)|\[([^\]]*)\]/g

function stepsOf(path: string): readonly string[] {
  return [...path.matchAll(STEP)].map(([step]) => step)
}

const isSame = (wanted: string, step: string): boolean => wanted === step || (wanted === '[*]' && step.startsWith('['))

/**
 * `named`: `$.registrations[*].cageCode`, where `[*]` is any element. The change may be inside of what is named, or around it: a list
 * element that came or went takes its members with it.
 */
export function touches(changed: string, named: string): boolean {
  if (changed === named) return true
  const [steps, wanted] = [stepsOf(changed), stepsOf(named)]
  return wanted.slice(0, steps.length).every((want, index) => isSame(want, steps[index]!))
}
