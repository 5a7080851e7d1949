import type { PipesContext } from './context.ts'
import { PipesLogger } from './logger.ts'

/** Outside Dagster: reports go nowhere and questions have empty answers, so that the same program runs anywhere. */
export class InactiveContext implements PipesContext {
  readonly isActive = false
  readonly isAssetStep = false
  readonly isPartitionStep = false
  readonly assetKey = ''
  readonly assetKeys = []
  readonly provenance = null
  readonly provenanceByAssetKey = {}
  readonly codeVersion = null
  readonly codeVersionByAssetKey = {}
  readonly partitionKey = ''
  readonly partitionKeyRange = { start: '', end: '' }
  readonly partitionTimeWindow = null
  readonly runID = ''
  readonly jobName = null
  readonly retryNumber = 0
  readonly extras = {}
  readonly logger = new PipesLogger(() => {})
  #isClosed = false

  get isClosed(): boolean {
    return this.#isClosed
  }

  reportAssetMaterialization(): void {}
  reportAssetCheck(): void {}
  log(): void {}
  reportCustomMessage(): void {}
  getExtra(): unknown {
    return undefined
  }

  close(): void {
    this.#isClosed = true
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
