import type { ResponseView } from '../../model/response.ts'

/** Stands in the place of an answer that did not come, in look-ups that can do without it (`LookupCapability.dispensable`). */
export const NO_ANSWER: ResponseView = Object.freeze({ status: 0, headers: {}, text: '', json: undefined, receivedAt: 0 })

export function isNoAnswer(view: ResponseView): boolean {
  return view.status === 0
}
