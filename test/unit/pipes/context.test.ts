import { describe, expect, test } from 'vitest'
import { ConnectedContext } from '../../../ts/pipes/context.ts'
import { InactiveContext } from '../../../ts/pipes/inactive-context.ts'
import { DEFAULT_LOG_RATES } from '../../../ts/pipes/log-cap.ts'
import { PipesMessageWriter } from '../../../ts/pipes/message-writer.ts'
import type { PipesContextData, PipesLogLevel, PipesMessage } from '../../../ts/pipes/protocol.ts'

class Recorder extends PipesMessageWriter {
  readonly messages: PipesMessage[] = []
  closed = 0
  broken = false
  open(): void {}
  writeMessage(message: PipesMessage): void {
    if (this.broken) throw new Error('broken')
    this.messages.push(message)
  }
  close(): void {
    this.closed += 1
  }
}

const DATA: PipesContextData = {
  asset_keys: ['one'],
  code_version_by_asset_key: { one: 'v1' },
  provenance_by_asset_key: { one: null },
  partition_key: null,
  partition_key_range: null,
  partition_time_window: null,
  run_id: 'run',
  job_name: null,
  retry_number: 2,
  extras: { given: 1 },
}

function open(data: Partial<PipesContextData> = {}): { context: ConnectedContext; writer: Recorder } {
  const writer = new Recorder()
  return {
    writer,
    context: new ConnectedContext({ data: { ...DATA, ...data }, writer, logRates: DEFAULT_LOG_RATES, monotonicMs: () => 0 }),
  }
}

describe('what the step is about', () => {
  test('one asset', () => {
    const { context } = open()
    expect([context.assetKey, context.codeVersion, context.provenance, context.runID, context.retryNumber]).toEqual([
      'one',
      'v1',
      null,
      'run',
      2,
    ])
    expect([context.isAssetStep, context.isPartitionStep, context.isActive, context.isClosed]).toEqual([true, false, true, false])
    expect(() => context.partitionKey).toThrow('no partition, or a range')
    expect(() => context.partitionKeyRange).toThrow('partitionKeyRange')
    expect(context.partitionTimeWindow).toBeNull()
    expect(context.getExtra('given')).toBe(1)
    expect(() => context.getExtra('toString')).toThrow('no extra "toString" (but given)')
  })

  test('several assets, or none', () => {
    const several = open({ asset_keys: ['one', 'two'] }).context
    expect(() => several.assetKey).toThrow('targets 2 assets')
    expect(() => several.codeVersion).toThrow('targets 2 assets')
    expect(() => several.reportAssetMaterialization()).toThrow('targets several')
    const none = open({ asset_keys: null, code_version_by_asset_key: null, provenance_by_asset_key: null }).context
    expect(none.isAssetStep).toBe(false)
    expect(() => none.assetKeys).toThrow('does not target an asset')
  })

  test('a partition, and a range', () => {
    expect(open({ partition_key: 'k', partition_key_range: { start: 'k', end: 'k' } }).context.partitionKey).toBe('k')
    const range = open({ partition_key_range: { start: 'a', end: 'b' } }).context
    expect(range.isPartitionStep).toBe(true)
    expect(() => range.partitionKey).toThrow('pass them as an extra')
  })
})

describe('reports', () => {
  test('once per asset, once per check; a refused one may be corrected', () => {
    const { context, writer } = open({ asset_keys: ['one', 'two'] })
    expect(() => context.reportAssetMaterialization({ n: { type: 'int', raw_value: 1.5 } }, null, 'one')).toThrow('whole number')
    context.reportAssetMaterialization({ n: 1 }, 'v', 'one')
    context.reportAssetMaterialization(null, null, 'two')
    expect(() => context.reportAssetMaterialization(null, null, 'one')).toThrow('already')
    context.reportAssetCheck('c', true, 'WARN', null, 'one')
    context.reportAssetCheck('c', false, 'ERROR', null, 'two')
    expect(() => context.reportAssetCheck('c', false, 'ERROR', null, 'two')).toThrow('already')
    expect(writer.messages.map((message) => message.method)).toEqual([
      'report_asset_materialization',
      'report_asset_materialization',
      'report_asset_check',
      'report_asset_check',
    ])
  })

  test('what Python would not take is refused here', () => {
    const { context, writer } = open()
    expect(() => context.log('x', 'TRACE' as PipesLogLevel)).toThrow('"TRACE" is no log level')
    expect(() => context.reportAssetCheck('c', 'yes' as unknown as boolean)).toThrow('true or false')
    expect(() => context.reportAssetCheck('c', true, 'FATAL' as 'WARN')).toThrow('WARN or ERROR')
    context.log('x', 'info' as PipesLogLevel)
    expect(writer.messages.map((message) => message.params)).toEqual([{ message: 'x', level: 'INFO' }])
  })

  test('nothing comes after the end, and the end comes once', () => {
    const { context, writer } = open()
    context.close()
    context.close(new Error('late'))
    expect(writer.messages.map((message) => message.params)).toEqual([{}])
    expect(writer.closed).toBe(1)
    for (const late of [
      () => context.log('x'),
      () => context.reportCustomMessage(1),
      () => context.reportAssetMaterialization(),
      () => context.reportAssetCheck('c', true),
    ])
      expect(late).toThrow('after the Pipes context was closed')
    expect([context.isClosed, context.isFailed]).toEqual([true, false])
  })

  test.each([
    ['a text', 'why', { message: 'why', name: null }],
    ['an error', new RangeError('why'), { message: 'why', name: 'RangeError' }],
    [
      'an exception with keys left out',
      { message: 'why', name: 'Own' },
      { message: 'why', name: 'Own', stack: [], cause: null, context: null },
    ],
  ])('closing with %s', (_what, exception, expected) => {
    const { context, writer } = open()
    context.close(exception)
    const told = writer.messages[0]!.params['exception'] as object
    expect(told).toMatchObject(expected)
    expect(Object.keys(told).sort()).toEqual(['cause', 'context', 'message', 'name', 'stack'])
    expect(context.isFailed).toBe(true)
  })

  test('an end that cannot be told is a failed one, and the channel is let go of', () => {
    const { context, writer } = open()
    writer.broken = true
    expect(() => context.close()).toThrow('broken')
    expect([context.isFailed, writer.closed]).toEqual([true, 1])
  })

  test('what was left out of the log is said before the end', () => {
    const { context, writer } = open()
    for (let n = 0; n < 60; n += 1) context.logger.info(`line ${n}`)
    context.close()
    const [remark, closed] = writer.messages.slice(-2)
    expect(remark!.params).toMatchObject({ level: 'WARNING', message: expect.stringContaining('10 log messages were left out') })
    expect(closed!.method).toBe('closed')
    expect(writer.messages).toHaveLength(52)
  })
})

test('outside Dagster nothing happens and nothing throws', () => {
  using context = new InactiveContext()
  context.log()
  context.logger.critical('x')
  context.reportAssetMaterialization()
  context.reportAssetCheck()
  context.reportCustomMessage()
  expect([context.isActive, context.isAssetStep, context.isPartitionStep, context.assetKey, context.getExtra()]).toEqual([
    false,
    false,
    false,
    '',
    undefined,
  ])
  context.close()
  expect(context.isClosed).toBe(true)
})
