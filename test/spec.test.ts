/** docs/spec.md names tests and crash points: they exist, and none is left out. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { TRANSACTION_STEPS, transactionsInCode, writtenOutInCode } from './chaos/support/crash-points.ts'

const ROOT = join(import.meta.dirname, '..')
const SPEC = readFileSync(join(ROOT, 'docs/spec.md'), 'utf8')
const prose = SPEC.replaceAll(/```[\s\S]*?```/g, '')
const spans = [...prose.matchAll(/`([^`]+)`/g)].map((match) => match[1]!.replaceAll(/\s+/g, ' '))
const references = [...new Set(spans.filter((span) => /^test\/\S+\.ts\b/.test(span)))].map((span) => {
  const [file, ...title] = span.split(' > ')
  return [file!, title.join(' > ')] as const
})

describe('docs/spec.md', () => {
  it('names enough tests to be read as more than an intention', () => {
    expect(references.length).toBeGreaterThan(50)
  })

  it.each(references)('%s > %s is a test that exists', (file, title) => {
    const path = join(ROOT, file)
    expect(existsSync(path), file).toBe(true)
    if (title !== '') expect(readFileSync(path, 'utf8').includes(title), `${file} has no test "${title}"`).toBe(true)
  })

  it('has a test for every invariant, and numbers them without gaps', () => {
    const rows = prose.split('\n').filter((line) => /^\| I\d+ \|/.test(line))
    expect(rows.map((row) => Number(/\d+/.exec(row)![0]))).toEqual(rows.map((_, index) => index + 1))
    for (const row of rows) expect(row, row.slice(0, 60)).toMatch(/`test\/\S+\.ts/)
  })

  it('lists the crash points of the code', () => {
    const section = prose.slice(prose.indexOf('## 6. Crash points'), prose.indexOf('## 7. Gaps'))
    const cells = section.split('\n').filter((line) => line.startsWith('|'))
    const [points, transactions] = [
      cells.slice(0, cells.indexOf('| transaction | writes |')),
      cells.slice(cells.indexOf('| transaction | writes |')),
    ]
    const namesIn = (lines: readonly string[]): string[] =>
      [...lines.join('\n').matchAll(/`([a-z_.]+)`/g)].map((match) => match[1]!).sort()
    expect(namesIn(points)).toEqual([...writtenOutInCode()])
    expect(namesIn(transactions)).toEqual([...transactionsInCode()])
    for (const step of TRANSACTION_STEPS) expect(section).toContain(`\`store.<name>.${step}\``)
  })

  it('names files of the program that exist', () => {
    for (const span of spans.filter((one) => /^ts\/[\w/-]+\.ts$/.test(one))) expect(existsSync(join(ROOT, span)), span).toBe(true)
  })
})
