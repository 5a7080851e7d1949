/** Keys by which OpenAlex knows an author: an ORCID iD, or its own `A…`. */
import { readOrcid } from '../orcid/ids.ts'

const AUTHOR = /^(?:https?:\/\/openalex\.org\/|.*\/authors\/)?(A\d{4,15})(?:[?#].*)?$/i
const WORK = /^(?:https?:\/\/openalex\.org\/)?(W\d{4,15})$/i

/** What deleted authors, and works without one, are pointed to. No people. */
const TOMBSTONES: ReadonlySet<string> = new Set(['A5317838346', 'A4317838346', 'A9999999999'])

/** `A5023888391` out of an id, its URL or an address of the API; null when it is none. */
export function readAuthorId(text: string | null | undefined): string | null {
  return AUTHOR.exec((text ?? '').slice(0, 300))?.[1]?.toUpperCase() ?? null
}

export function readWorkId(text: string | null | undefined): string | null {
  return WORK.exec((text ?? '').slice(0, 300))?.[1]?.toUpperCase() ?? null
}

export function isTombstone(authorId: string): boolean {
  return TOMBSTONES.has(authorId)
}

export type AuthorKey = { readonly kind: 'orcid' | 'author'; readonly id: string }

/** A provider key as the identity holds it; null when it is neither form (a person may have set it). */
export function readAuthorKey(text: string | null): AuthorKey | null {
  const orcid = readOrcid(text)
  if (orcid !== null) return { kind: 'orcid', id: orcid }
  const id = readAuthorId(text?.trim())
  return id === null ? null : { kind: 'author', id }
}
