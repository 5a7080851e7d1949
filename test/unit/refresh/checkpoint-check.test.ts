import { describe, expect, test } from 'vitest'
import { checkCheckpoint } from '../../../ts/refresh/checkpoint-check.ts'
import { checkpoint } from '../../support/builders.ts'
import { TEST_EPOCH } from '../../support/fake-clock.ts'

const AT = TEST_EPOCH
const NOW = TEST_EPOCH + 1_000

describe('checkCheckpoint', () => {
  test('agrees when there is no checkpoint, or when both name the same moment (or none)', () => {
    expect(checkCheckpoint(null, AT, null, NOW)).toEqual({ ok: true })
    expect(checkCheckpoint(checkpoint({ ledgerWatermark: AT }), AT, null, NOW)).toEqual({ ok: true })
    expect(checkCheckpoint(checkpoint({ ledgerWatermark: null }), null, null, NOW)).toEqual({ ok: true })
  })

  test('the ledger is ahead: explained by passes over the whole source, or reported', () => {
    const point = checkpoint({ ledgerWatermark: AT, cursor: 'due:5', version: 7 })
    expect(checkCheckpoint(point, AT + 10, AT + 10, NOW)).toEqual({ ok: true })
    expect(checkCheckpoint(point, AT + 10, AT + 11, NOW)).toEqual({ ok: true })
    for (const explained of [null, AT + 9]) {
      const verdict = checkCheckpoint(point, AT + 10, explained, NOW)
      expect(verdict).toMatchObject({
        ok: false,
        repaired: { version: 8, cursor: null, ledgerWatermark: AT + 10, updatedAt: NOW },
      })
      expect(!verdict.ok && verdict.message).toContain('the checkpoint is older than the ledger')
    }
  })

  test('a checkpoint that knows of no attempt, where the ledger has some, is older than the ledger', () => {
    expect(checkCheckpoint(checkpoint({ ledgerWatermark: null }), AT, null, NOW)).toMatchObject({
      ok: false,
      repaired: { ledgerWatermark: AT },
    })
    expect(checkCheckpoint(checkpoint({ ledgerWatermark: null }), AT, AT, NOW)).toEqual({ ok: true })
  })

  test('the ledger is behind: rows were lost, whatever whole-source passes say', () => {
    for (const newest of [null, AT - 1]) {
      const verdict = checkCheckpoint(checkpoint({ ledgerWatermark: AT }), newest, Number.MAX_SAFE_INTEGER, NOW)
      expect(verdict).toMatchObject({ ok: false, repaired: { ledgerWatermark: newest, cursor: null } })
      expect(!verdict.ok && verdict.message).toContain('rows were lost')
      expect(!verdict.ok && verdict.message).toContain(newest === null ? 'only up to never' : '2026-11-21T02:59:59.999Z')
    }
  })

  test('what it repairs agrees at the next look', () => {
    for (const newest of [null, AT - 1, AT + 1]) {
      const verdict = checkCheckpoint(checkpoint({ ledgerWatermark: AT }), newest, null, NOW)
      expect(!verdict.ok && checkCheckpoint(verdict.repaired, newest, null, NOW + 1)).toEqual({ ok: true })
    }
  })

  test('keeps the counts and the beginning of the pass: what the ledger shows as done is not done again', () => {
    const point = checkpoint({ ledgerWatermark: AT })
    const verdict = checkCheckpoint(point, null, null, NOW)
    expect(!verdict.ok && verdict.repaired).toMatchObject({
      passStartedAt: point.passStartedAt,
      counts: point.counts,
      status: 'open',
    })
  })
})
