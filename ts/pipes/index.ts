/** Dagster Pipes for Node: the public names of `@dagster-io/dagster-pipes`, and what it lacks. See docs/dagster-pipes.md. */
export type { PipesContext } from './context.ts'
export { PipesContextLoader, PipesDefaultContextLoader } from './context-loader.ts'
export { DEFAULT_LOG_RATES, type LogRates, UNLIMITED_LOGS } from './log-cap.ts'
export { PipesLogger } from './logger.ts'
export { PipesDefaultMessageWriter, PipesMessageWriter } from './message-writer.ts'
export { metadata, type PipesMetadata, type PipesMetadataValue, type TableColumn, type TableRecord } from './metadata.ts'
export { openDagsterPipes, openPipesContext, type PipesOptions } from './open.ts'
export { PipesCliArgsParamsLoader, PipesMappingParamsLoader, PipesParamsLoader } from './params.ts'
export { watchParent } from './parent.ts'
export {
  DagsterPipesError,
  type PipesCheckSeverity,
  type PipesContextData,
  type PipesException,
  type PipesLogLevel,
  type PipesMessage,
} from './protocol.ts'
