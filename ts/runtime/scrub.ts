/**
 * Takes the values of registered secrets out of text, in every form in which they commonly travel: raw, percent-encoded,
 * form-encoded, JSON- and HTML-escaped, hexadecimal, base64 and base64url at any alignment. It works by value, because
 * lists of key names miss what providers echo inside messages and links.
 */
import type { Secret } from './secrets.ts'

/** Shorter values would hit ordinary words. */
export const MIN_SECRET_LENGTH = 6
export const REDACTED = '[redacted]'
const LONG_TEXT = 256

export type ScrubStream = {
  /** What of the text so far is safe to write. A tail that may be the beginning of a secret is held back. */
  push(chunk: string): string
  /** The rest. */
  end(): string
}

export type Scrubber = {
  /** False when the value is too short to be recognised; it is then not scrubbed. */
  add(secret: Secret): boolean
  scrub(text: string): string
  stream(): ScrubStream
}

function percentForms(value: string): string[] {
  const strict = [...Buffer.from(value)].map((byte) => {
    const char = String.fromCharCode(byte)
    return /[A-Za-z0-9._~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  })
  const upper = strict.join('')
  const loose = encodeURIComponent(value.toWellFormed())
  const form = new URLSearchParams({ '': value }).toString().slice(1)
  const forms = [upper, loose, form, loose.replaceAll('%20', '+'), upper.replaceAll('%20', '+')]
  return [...forms, ...forms.map((form) => form.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()))]
}

function escapedForms(value: string): string[] {
  const json = JSON.stringify(value).slice(1, -1)
  const ascii = json.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  const html = value.replace(/[&<>"']/g, (char) => entities[char]!)
  // Encoders that keep JSON safe inside HTML write these marks as \u003c: Go the first set, Gson the second, PHP the third.
  const guarded = ['<>&', "<>&='", `<>&'"`].flatMap((marks) => {
    const code = (found: string): string => `\\u00${found.at(-1)!.charCodeAt(0).toString(16)}`
    const text = json.replace(/\\"|[<>&=']/g, (found) => (marks.includes(found.at(-1)!) ? code(found) : found))
    return [text, text.replaceAll(/\\u00../g, (found) => `\\u${found.slice(2).toUpperCase()}`), text.replaceAll('/', '\\/')]
  })
  return [json, ascii, JSON.stringify(json).slice(1, -1), json.replaceAll('/', '\\/'), html, ...guarded]
}

/**
 * The characters that the value, and nothing beside it, determines in base64 when it begins at byte 0, 1 or 2 of a group
 * of three: so it is found inside `user:key` as well.
 */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value)
  return [0, 1, 2].flatMap((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    const core = text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
    return [core, core.replaceAll('+', '-').replaceAll('/', '_'), encodeURIComponent(core)]
  })
}

function formsOf(value: string): string[] {
  const hex = Buffer.from(value).toString('hex')
  return [value, ...percentForms(value), ...escapedForms(value), hex, hex.toUpperCase(), ...base64Forms(value)].filter(
    (form) => form.length >= MIN_SECRET_LENGTH,
  )
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

export function createScrubber(): Scrubber {
  const forms = new Set<string>()
  let pattern: RegExp | null = null
  let longest = 0

  /** Longest form first, so that of two secrets with the same beginning the longer one is taken whole. */
  function compile(): void {
    const ordered = [...forms].sort((a, b) => b.length - a.length)
    longest = ordered[0]?.length ?? 0
    pattern = ordered.length === 0 ? null : new RegExp(ordered.map(escapeRegExp).join('|'), 'g')
  }

  /** Scrubs all that begins before `cut`; `end` is where the unread rest begins. */
  function scrubUntil(text: string, cut: number): { done: string; end: number } {
    if (pattern === null) return { done: text.slice(0, cut), end: cut }
    let done = ''
    let end = 0
    pattern.lastIndex = 0
    for (let match = pattern.exec(text); match !== null && match.index < cut; match = pattern.exec(text)) {
      done += text.slice(end, match.index) + REDACTED
      end = match.index + match[0].length
    }
    return end >= cut ? { done, end } : { done: done + text.slice(end, cut), end: cut }
  }

  function containsAny(text: string): boolean {
    for (const form of forms) if (text.includes(form)) return true
    return false
  }

  return {
    add(secret) {
      const value = secret.reveal()
      if (value.length < MIN_SECRET_LENGTH) return false
      const before = forms.size
      for (const form of formsOf(value)) forms.add(form)
      if (forms.size > before) compile()
      return true
    },
    scrub(text) {
      if (pattern === null) return text
      // One plain search per form is far cheaper than the pattern, and nearly all long texts hold none.
      if (text.length > LONG_TEXT && !containsAny(text)) return text
      return text.replace(pattern, REDACTED)
    },
    stream() {
      let held = ''
      return {
        push(chunk) {
          held += chunk
          // A match that begins before the cut has all the text it could reach in view, so no chunk border can hide it.
          const { done, end } = scrubUntil(held, Math.max(0, held.length - Math.max(0, longest - 1)))
          held = held.slice(end)
          return done
        },
        end() {
          const { done } = scrubUntil(held, held.length)
          held = ''
          return done
        },
      }
    },
  }
}
