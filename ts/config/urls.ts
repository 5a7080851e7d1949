/** Which addresses a source may have. Pure. */
import { embeddedName } from '../runtime/embedded.ts'

/** True for hosts that never leave this machine, whatever a name server says. */
export function isLoopback(url: string): boolean {
  if (embeddedName(url) !== null) return true
  const parsed = URL.parse(url)
  if (parsed === null) return false
  return parsed.hostname === 'localhost' || parsed.hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(parsed.hostname)
}

/** What is wrong with a base URL, or null. The address itself is not repeated: it may hold a key. */
export function baseUrlProblem(url: string): { readonly message: string; readonly fix: string } | null {
  if (embeddedName(url) !== null) return null
  const parsed = URL.parse(url)
  if (parsed === null) return { message: 'is no URL', fix: 'write the whole address, e.g. https://api.example.gov' }
  if (parsed.username !== '' || parsed.password !== '') {
    return { message: 'holds a user name or password', fix: 'remove it and name the secret under credentials' }
  }
  if (parsed.search !== '' || parsed.hash !== '') {
    return { message: 'holds a query or fragment', fix: 'keep only origin and path; keys belong under credentials' }
  }
  if (parsed.protocol !== 'https:' && !isLoopback(url)) {
    return { message: 'is not encrypted', fix: 'use https; plain http is only for loopback (127.0.0.1, localhost)' }
  }
  return null
}
