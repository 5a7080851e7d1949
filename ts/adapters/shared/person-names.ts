/** Names of persons: as keys, as parts, and how alike two names are. */
import { distance } from 'fastest-levenshtein'
import { foldName, inLatin } from './company-names.ts'

const TITLES: ReadonlySet<string> = new Set(['DR', 'PROF', 'PROFESSOR', 'MR', 'MRS', 'MS'])
const DEGREES: ReadonlySet<string> = new Set(['PHD', 'MD', 'SCD', 'DSC', 'DVM', 'MBA', 'MS', 'MSC', 'PE', 'ESQ', 'DDS', 'PHARMD'])
const GENERATION = /^(?:JR|SR|II|III|IV)$/
const PARTICLES: ReadonlySet<string> = new Set(
  'VAN VON DE DEL DELLA DELA DER DEN DI DA DOS DAS DU LA LE LOS BIN IBN BEN AL EL TEN TER ST SAINT ZU ZUR MAC'.split(' '),
)

function isSuffix(part: string): boolean {
  const word = part.replace(/[.\s]/g, '')
  return DEGREES.has(word) || GENERATION.test(word)
}

/** Splits off `, PhD` and turns `Doe, Jane` round. */
function inSpokenOrder(text: string): string {
  const [family = '', ...rest] = text.split(',').map((part) => part.trim())
  const given = rest.filter((part) => part !== '' && !isSuffix(part))
  const suffixes = rest.filter((part) => part !== '' && isSuffix(part))
  return [...(given.length === 1 ? [given[0], family] : [family, ...given]), ...suffixes].join(' ')
}

/**
 * A person's name as the ledger keys it: upper case, accents and punctuation folded, titles and degrees left out, `Doe, Jane`
 * as `JANE DOE`. Empty when the text has no letter.
 */
export function normalizePersonName(name: string): string {
  const words = inSpokenOrder(foldName(name))
    .replace(/['’‘ʼ`´.]/g, '')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
    .split(' ')
  while (words.length > 1 && TITLES.has(words[0]!)) words.shift()
  while (words.length > 1 && DEGREES.has(words.at(-1)!)) words.pop()
  const text = words.join(' ')
  return /\p{L}/u.test(text) ? text : ''
}

/** Upper case, in Latin letters, without dots; what is missing is an empty text. `suffix` is one of JR SR II III IV. */
export type PersonNameParts = {
  readonly given: string
  readonly middle: string
  readonly family: string
  readonly suffix: string
}

function wordsOf(text: string): string[] {
  return text
    .replace(/['`.]/g, (mark) => (mark === '.' ? '. ' : ''))
    .replace(/[^A-Z0-9-]+/g, ' ')
    .replace(/(?<![A-Z0-9])-+|-+(?![A-Z0-9])/g, ' ')
    .trim()
    .split(' ')
    .filter((word) => word !== '')
}

/** Takes titles, degrees and the generation off; returns the generation. `M.D.` comes as two words. */
function takeExtras(words: string[]): string {
  let suffix = ''
  while (words.length > 1 && TITLES.has(words[0]!)) words.shift()
  for (;;) {
    const last = words.at(-1)
    if (words.length < 2 || last === undefined) return suffix
    const lastTwo = `${words.at(-2)}${last}`
    if (GENERATION.test(last)) {
      suffix = last
      words.pop()
    } else if (DEGREES.has(last)) words.pop()
    else if (words.length > 2 && last.length <= 2 && DEGREES.has(lastTwo)) words.length -= 2
    else return suffix
  }
}

/**
 * The parts of a person's name in either order (`Jane Q. Doe, PhD`, `Doe, Jane Q.`), titles and degrees left out; particles belong
 * to the family name (`VAN DER BERG`). A single word is a family name. Texts are cut at 200 characters.
 */
export function personNameParts(name: string): PersonNameParts {
  const text = inLatin(name.slice(0, 200)).toUpperCase()
  const pieces = text.split(',').map(wordsOf)
  const first = pieces[0] ?? []
  const rest = pieces.slice(1).filter((piece) => piece.length > 0)
  let suffix = takeExtras(first)
  const given: string[] = []
  for (const piece of rest) {
    if (isSuffix(piece.join(''))) {
      if (GENERATION.test(piece.join(''))) suffix ||= piece.join('')
    } else if (given.length === 0) {
      suffix = takeExtras(piece) || suffix
      given.push(...piece)
    }
  }
  if (given.length > 0) {
    return { given: given[0]!, middle: given.slice(1).join(' '), family: first.join(' '), suffix }
  }
  let start = Math.max(0, first.length - 1)
  while (start > 1 && PARTICLES.has(first[start - 1]!)) start -= 1
  return {
    given: start > 0 ? first[0]! : '',
    middle: first.slice(1, Math.max(1, start)).join(' '),
    family: first.slice(start).join(' '),
    suffix,
  }
}

/** Short forms in common use, each with the name it stands for. Those that merely cut the name off (`DAN`) need no line. */
const SHORT_FORMS: ReadonlyMap<string, string> = new Map(
  (
    'BOB:ROBERT ROB:ROBERT BOBBY:ROBERT BILL:WILLIAM BILLY:WILLIAM WILL:WILLIAM JIM:JAMES JIMMY:JAMES MIKE:MICHAEL DICK:RICHARD ' +
    'RICK:RICHARD TOM:THOMAS TED:EDWARD ED:EDWARD EDDIE:EDWARD JACK:JOHN JOHNNY:JOHN HANK:HENRY HARRY:HENRY CHUCK:CHARLES ' +
    'CHARLIE:CHARLES TONY:ANTHONY BETH:ELIZABETH LIZ:ELIZABETH BETTY:ELIZABETH PEGGY:MARGARET MAGGIE:MARGARET PEG:MARGARET ' +
    'KATE:KATHERINE KATHY:KATHERINE CATHY:CATHERINE STEVE:STEVEN DAVE:DAVID ANDY:ANDREW DREW:ANDREW TINA:CHRISTINA SUE:SUSAN ' +
    'JERRY:GERALD LARRY:LAWRENCE GREG:GREGORY JEFF:JEFFREY KEN:KENNETH RON:RONALD DON:DONALD PAT:PATRICK JOE:JOSEPH SANDY:SANDRA ' +
    'SASHA:ALEXANDER ALEX:ALEXANDER NATE:NATHANIEL GENE:EUGENE BECKY:REBECCA JENNY:JENNIFER DEBBIE:DEBORAH DEB:DEBORAH'
  )
    .split(' ')
    .map((pair) => pair.split(':') as [string, string]),
)

const compact = (text: string): string => text.replace(/[-\s]/g, '')

function spelledAlike(a: string, b: string): number {
  if (Math.min(a.length, b.length) < 5) return 0
  const similarity = 1 - distance(a, b) / Math.max(a.length, b.length)
  return similarity >= 0.8 ? similarity : 0
}

function familySimilarity(a: string, b: string): number {
  const [left, right] = [compact(a), compact(b)]
  if (left === right) return 1
  const words = (text: string): string[] => text.split(/[-\s]/).filter((word) => word.length > 2 && !PARTICLES.has(word))
  const [leftWords, rightWords] = [words(a), words(b)]
  const shorter = leftWords.length <= rightWords.length ? leftWords : rightWords
  const longer = shorter === leftWords ? rightWords : leftWords
  // One of two family names, or the particle left out.
  if (shorter.length > 0 && shorter.every((word) => longer.includes(word))) return 0.85
  return spelledAlike(left, right)
}

function givenSimilarity(a: string, b: string): number {
  const [left, right] = [compact(a), compact(b)]
  if (left === '' || right === '') return left === right ? 0.8 : 0.7
  if (left === right) return 1
  const [short, long] = left.length <= right.length ? [left, right] : [right, left]
  if (short.length === 1) return long.startsWith(short) ? 0.85 : 0
  if ((SHORT_FORMS.get(short) ?? short) === (SHORT_FORMS.get(long) ?? long)) return 0.92
  if (short.length >= 3 && long.startsWith(short)) return 0.9
  return spelledAlike(left, right)
}

/** Middle names seldom agree in form; only a contradiction says much. */
function middleFactor(a: string, b: string): number {
  const [left, right] = [compact(a), compact(b)]
  if (left === right) return 1
  if (left === '' || right === '') return 0.95
  if (left[0] !== right[0]) return 0.6
  return left.length === 1 || right.length === 1 || left.startsWith(right) || right.startsWith(left) ? 0.97 : 0.8
}

function suffixFactor(a: string, b: string): number {
  if (a === b) return 1
  return a === '' || b === '' ? 0.97 : 0.5
}

/** `J. Robert Oppenheimer` and `Robert Oppenheimer`; `Wei Ming Zhang` and `Weiming Zhang`. */
function givenAndMiddle(a: PersonNameParts, b: PersonNameParts): number {
  const straight = givenSimilarity(a.given, b.given) * middleFactor(a.middle, b.middle)
  const joined = compact(`${a.given}${a.middle}`) === compact(`${b.given}${b.middle}`) && a.given.length > 1 && b.given.length > 1
  const byMiddle = (x: PersonNameParts, y: PersonNameParts): boolean =>
    x.given.length === 1 && x.middle.length > 1 && x.middle === y.given
  return Math.max(straight, joined ? 0.97 : 0, byMiddle(a, b) || byMiddle(b, a) ? 0.85 : 0)
}

/**
 * How alike two names of persons are, 0-1, the same both ways. 1: the same parts. An initial for a name costs 0.15, a middle name that
 * only one has 0.05, one that contradicts 0.4; different family names come to 0, unless given and family name stand in swapped order.
 */
export function personNameSimilarity(a: string, b: string): number {
  const [left, right] = [personNameParts(a), personNameParts(b)]
  if (left.family === '' || right.family === '') return 0
  const straight =
    familySimilarity(left.family, right.family) * givenAndMiddle(left, right) * suffixFactor(left.suffix, right.suffix)
  const swapped =
    Math.max(left.given.length, right.given.length) > 1 &&
    compact(left.given) === compact(right.family) &&
    compact(left.family) === compact(right.given)
      ? 0.85
      : 0
  // `Juan Garcia Lopez` as `Juan Garcia`: two family names, of which one was taken for a middle name.
  const secondFamily = (x: PersonNameParts, y: PersonNameParts): boolean =>
    y.middle === '' && y.given.length > 1 && x.middle.split(' ').at(-1) === y.family && compact(x.given) === compact(y.given)
  return Math.max(straight, swapped, secondFamily(left, right) || secondFamily(right, left) ? 0.7 : 0)
}
