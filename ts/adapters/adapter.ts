/**
 * What a source adapter is: data and pure functions, no I/O, no clock, no secret. The engine performs the calls.
 *
 * A new source is one file that exports a `SourceAdapter` and one config block. `test/contract/adapter-suite.ts` is the
 * conformance suite that every adapter runs in a line; `docs/adapters/` has a page for each.
 */
import type { ZodType } from 'zod'
import type { Entity, EntityLink } from '../model/entity.ts'
import type { JsonObject } from '../model/json.ts'
import type { EntityKind, EntityRef, SourceId } from '../model/keys.ts'
import type { Classified, RequestSpec, ResponseClass, ResponseView, Validators } from '../model/response.ts'
import type { DurationMs, EpochMs } from '../model/time.ts'
import type { Window } from '../model/window.ts'

/** What adapter functions are given besides their subject. `options` is the source's `options` block, already validated. */
export type AdapterContext = { readonly now: EpochMs; readonly options: JsonObject }

/** An entity to be asked about, with what is known of it at this source. */
export type Target = {
  readonly entity: Entity
  /** The source's own key, when an earlier answer or a user established it. */
  readonly providerKey: string | null
  readonly validators: Validators
  /** Current records of the sources that the adapter `reads`, about the same entity; missing ones are left out. */
  readonly related?: Readonly<Record<SourceId, JsonObject>>
}

/** An entity that an answer brings to light, e.g. the addresses of a domain. Added to the population before the answer is recorded. */
export type Discovered = Entity & { readonly links: readonly EntityLink[] }

/** How the answer was tied to our entity. Stored as the entity's `Identity` at this source. */
export type FoundIdentity = {
  readonly providerKey: string
  readonly method: string
  /** 0-1. */
  readonly confidence: number
  readonly evidence: JsonObject
  readonly alternatives?: readonly JsonObject[]
}

/** What one answer says about one entity. */
export type Answer =
  | {
      readonly kind: 'record'
      readonly entity: EntityRef
      readonly record: JsonObject
      readonly identity?: FoundIdentity
      readonly validators?: Validators
      readonly discovered?: readonly Discovered[]
      /**
       * The provider obliges whoever has it to forget what it said before (somebody objected): earlier events lose their values,
       * and the event of this answer says what is known from now on, not what was.
       */
      readonly erasesHistory?: true
    }
  | { readonly kind: 'absent'; readonly entity: EntityRef; readonly reason: string }
  /** Feeds only: it changed, and the feed does not say what it is now. It becomes due at this source at once. */
  | { readonly kind: 'due'; readonly entity: EntityRef; readonly reason: string }
  /** Cannot be decided, e.g. several candidates; shown to the operator with the reason. */
  | {
      readonly kind: 'skipped'
      readonly entity: EntityRef
      readonly reason: string
      readonly alternatives?: readonly JsonObject[]
    }
  | { readonly kind: 'failed'; readonly entity: EntityRef; readonly errorClass: ResponseClass; readonly reason: string }

/** One look-up per entity. */
export type LookupCapability = {
  /** Requests that one entity takes on average, for planning; default 1. 0: what is known already says it all. */
  readonly callsPerEntity?: number
  request(target: Target, context: AdapterContext): RequestSpec
  /**
   * The next request of a look-up that takes several (officers after the company, a second provider after the first), or
   * null when `views`, all answers so far in order, suffice. Asked after each `ok`, `empty` and `not_found` answer; at most 20 times.
   */
  more?(views: readonly ResponseView[], target: Target, context: AdapterContext): RequestSpec | null
  /**
   * Whether the look-up can do without an answer to its next request, because another provider is asked then. Where that one fails (after
   * the retries), is down, takes no more questions for now, or its data file cannot be used, `more` and `parse` are given `NO_ANSWER`
   * (`shared/no-answer.ts`) in its place, and the partition goes on. A refused credential or request is nobody's failure but ours: it
   * shows. `views`: all answers so far.
   */
  dispensable?(views: readonly ResponseView[], target: Target, context: AdapterContext): boolean
  /** Called for `ok`, `empty` and `not_found` answers. `earlier`: the answers before the last one, of look-ups that take several. */
  parse(view: ResponseView, target: Target, context: AdapterContext, earlier?: readonly ResponseView[]): Answer
}

/** One thing at the provider that may be our entity. */
export type Candidate = {
  readonly providerKey: string
  /** How it was found and compared, e.g. `exact_name+state`. */
  readonly method: string
  /** 0-1; what it is made of is in the evidence. */
  readonly confidence: number
  readonly evidence: JsonObject
}

/** What the provider says when it is asked who our entity is. Candidates come in any order; none: it does not know it. */
export type Resolution = {
  readonly candidates: readonly Candidate[]
  /** Why there is none, for people. */
  readonly reason?: string
  readonly discovered?: readonly Discovered[]
}

/**
 * How our entities are tied to the provider's keys. The engine runs it as a source of its own, `<source>_identity`, with its
 * own cadence, partitions and ledger, on the source's client: one quota, one breaker. A candidate counts when its confidence
 * reaches the source's `identity.min_confidence` and it is `identity.min_margin` ahead of the next one; others wait for a person.
 */
export type ResolveCapability = {
  /** Whose identity is found; mostly the adapter's own kinds. Others when it discovers entities (companies -> patents). */
  readonly entityKinds: readonly EntityKind[]
  /** Raise it when the same answers would give other candidates. */
  readonly version: number
  /** Cohort name, numbered by the engine: `name_batch` -> `name_batch_0001`. */
  readonly cohort: string
  /** Questions that one entity takes on average, for planning; default 1. 0: attributes or related records say it all. */
  readonly callsPerEntity?: number
  /** Why there is nothing to ask by (`no name`), or null. */
  unresolvable(entity: Entity): string | null
  /**
   * The next question, or null when `views`, all answers so far in order, suffice: at first possibly none at all, when the entity's
   * attributes or `target.related` say it already. At most 20.
   */
  request(views: readonly ResponseView[], target: Target, context: AdapterContext): RequestSpec | null
  parse(views: readonly ResponseView[], target: Target, context: AdapterContext): Resolution
  /**
   * What comes to light by a key that a person decided (`target.providerKey`), where finding identities brings entities to light
   * (companies -> patents). Without it nothing is asked about a decision. Questions as for `request`.
   */
  readonly ofDecided?: {
    request(views: readonly ResponseView[], target: Target, context: AdapterContext): RequestSpec | null
    discovered(views: readonly ResponseView[], target: Target, context: AdapterContext): readonly Discovered[]
  }
  /**
   * Members of other sources' records on which its candidates depend, by source: paths as events write them, `[*]` for any element of
   * a list. Records that it `reads`, and those by which an entity's own attributes are kept up to date (`sbir_gov`). A change of one of
   * them makes the identity due; a first record does so at every source that it `reads`.
   */
  readonly dependsOn?: Readonly<Record<SourceId, readonly string[]>>
}

/** Many entities in one call. Pages of one batch are followed until `next` is null. */
export type BatchCapability = {
  readonly maxSize: number
  /**
   * What a partition takes before any pass told, where a target may be in several groups: calls a batch, and on top calls a partition for
   * what is left of its groups. For planning; default one call a batch.
   */
  readonly firstCalls?: { readonly perBatch: number; readonly perPartition: number }
  /**
   * Groups in which a target may be found, most likely first. A call never mixes groups; what a complete answer of one
   * group does not list is asked in its next group, and is `absent` when it was listed in none.
   */
  groups(target: Target, context: AdapterContext): readonly string[]
  request(targets: readonly Target[], group: string, cursor: string | null, context: AdapterContext): RequestSpec
  parse(
    view: ResponseView,
    targets: readonly Target[],
    group: string,
    cursor: string | null,
    context: AdapterContext,
  ): { readonly answers: readonly Answer[]; readonly next: string | null }
}

/** One changed thing as the feed lists it. `record` is null when the feed names it without saying what it is now. */
export type FeedItem = {
  readonly providerKey: string
  /** Aliases of our entities it may be about, e.g. `award_id:FA865114C0132`. */
  readonly aliases: readonly string[]
  readonly row: JsonObject
}

export type FeedAnswer = Exclude<Answer, { readonly kind: 'skipped' }>

/** What changed at the provider in a window of time, walked slice by slice, page by page. */
export type FeedCapability = {
  /** A cheap question whose answer tells whether anything is new since the last complete pass. */
  readonly gate?: {
    request(context: AdapterContext): RequestSpec
    /** An opaque marker; equal markers mean "nothing new". */
    marker(view: ResponseView): string
  }
  /** How far before the last known moment a window must begin, because providers publish late and by whole days. */
  readonly overlapMs: DurationMs
  /** Rough changes a day and rows a page, for planning before the feed was ever walked. */
  readonly estimate: { readonly rowsPerDay: number; readonly rowsPerPage: number }
  /** True when the feed lists every change, so that what it does not list is proven unchanged. */
  readonly complete: boolean
  /** Independent parts in which the window is walked, e.g. one per day or per award type group. Opaque strings. */
  slices(window: Window, context: AdapterContext): readonly string[]
  request(window: Window, slice: string, cursor: string | null, context: AdapterContext): RequestSpec
  /** `split`: the slice is too large for the provider; walk these instead of it. */
  parse(
    view: ResponseView,
    slice: string,
    cursor: string | null,
    context: AdapterContext,
  ): { readonly items: readonly FeedItem[]; readonly next: string | null; readonly split?: readonly string[] }
  /**
   * What the item says about one of the entities it matched; null when it is not about that entity after all. What cannot be told
   * from the item alone is `due`, never `skipped`: what is known of the entity stays, and a look-up tells.
   */
  answer(item: FeedItem, target: Target, context: AdapterContext): FeedAnswer | null
}

type BulkFile = {
  /** `located`: the answer to `locate`, where there is one. Throws `MalformedAnswer` when it does not say where the file is. */
  request(validators: Validators, context: AdapterContext, located?: ResponseView): RequestSpec
}

/** Everything in one conditional download. The engine ingests it, then compares the entities it names with the ledger. */
export type PopulationFile = BulkFile & {
  /** The loader of `ts/ingest` that reads the file. */
  readonly loader: 'sbir_awards'
  /** What the file says about an entity that it names: the part of its attributes that this source owns. */
  record(entity: Entity, context: AdapterContext): JsonObject
}

/** A row of a file by our column names; columns that have no name are not read. */
export type FileRow = Readonly<Record<string, string>>

/** A CSV with a header in a zip archive. It is streamed: neither the archive nor the table is ever in memory as a whole. */
export type FileTable = {
  /** Archive member, compared without directories and case: `P_CAGE.CSV`. */
  readonly member: string
  /** A table that is larger than this is refused as something else (a zip bomb). */
  readonly maxBytes: number
  /** Our name of each column of the header, null for columns that are not read. Throws `MalformedAnswer` for a foreign header. */
  columns(header: readonly string[]): readonly (string | null)[]
  /** The provider key that a row is about; null when it has none. */
  keyOf(row: FileRow): string | null
}

/**
 * A file about everybody, in one conditional download, of which only the rows count whose key is an identity of ours. It adds
 * nothing to the population, so that a file about millions costs rows for our thousands.
 */
export type KeyedFile = BulkFile & {
  /** The page that says where the file is now; asked before the download. */
  readonly locate?: (context: AdapterContext) => RequestSpec
  readonly table: FileTable
  /** What the rows with the target's key say about it; there is at least one. */
  answer(rows: readonly FileRow[], target: Target, context: AdapterContext): Answer
}

export type FileCapability = PopulationFile | KeyedFile

export type CredentialSpec = {
  /** Key under `credentials` in the config; its value there is the name of an environment variable. */
  readonly name: string
  readonly placement:
    | { readonly in: 'header'; readonly name: string; readonly prefix?: string }
    | { readonly in: 'query'; readonly name: string }
  readonly required: boolean
}

export type DataFile = {
  /** Of the source, that names it. */
  readonly option: string
  readonly path: string
  /** What an MMDB database must be about. */
  readonly use: 'place' | 'network'
  /** False when another provider is asked in its place. */
  readonly needed: boolean
}

export type RecordOrigin = { readonly by: string; readonly standsIn: boolean; readonly lacks?: readonly string[] }

export type SourceAdapter = {
  readonly id: SourceId
  /** For people: `SAM.gov entity management v4`. */
  readonly title: string
  /** The provider's own documentation. */
  readonly docs: string
  readonly entityKinds: readonly EntityKind[]
  /** Raise it whenever `record` would come out differently for the same payload: the next answer is then no change of the provider's. */
  readonly normalizerVersion: number
  /** Options that decide what a record holds (which parts are asked for, how many rows): another choice counts as another normalizer. */
  readonly recordOptions?: readonly string[]
  /**
   * Where one of several providers is asked: whose word a record is, and whether only because a better one could not be asked
   * (`standsIn`). Words of different providers are not compared, as their difference is nothing that happened; and a stand-in's never
   * replaces what a better one said. `lacks`: the same provider told less; these members are left out of the comparison with a record
   * of another origin, the others are compared.
   */
  readonly origin?: (record: JsonObject) => RecordOrigin
  readonly credentials: readonly CredentialSpec[]
  /** Validates the `options` block of the config; unknown keys are refused. */
  readonly options: ZodType<JsonObject>

  /** How entities are grouped. `numbered` adds `_NNNN` and fills groups to the configured size, oldest first. */
  readonly cohort: {
    readonly numbered: boolean
    name(entity: Entity): string
    /** The date that places an entity in time, for `--window`; null when it has none. */
    date(entity: Entity): EpochMs | null
  }
  /** Why this source can never be asked about the entity (`no UEI`), or null when it can. */
  unresolvable(entity: Entity): string | null
  /** The entity can only be asked about by the provider's own key: it waits in cohort `unresolved` until an identity is there. */
  readonly identityRequired?: boolean
  /** How identities are found. */
  readonly resolve?: ResolveCapability
  /**
   * Answers say which of the provider's things is ours (`identity`), and may be wrong: below this confidence, or the one of the
   * configuration (`identity.min_confidence`), the match is kept as a candidate, and its record is not taken for ours. 0: every one counts.
   */
  readonly identifies?: { readonly minConfidence: number }
  /**
   * What is wrong with a provider key that a person gives, as far as its form says; null when it may be one. A key becomes part of
   * requests: one that could mean more there than itself (a path, an operator) is refused.
   */
  readonly providerKeyProblem?: (key: string) => string | null
  /** The key in its one spelling where what a person wrote can only mean that one (a number without its zeros); else as it came. */
  readonly readProviderKey?: (text: string) => string
  /** Set by the engine on the sources it derives from `resolve`: whose identities they find. */
  readonly resolvesFor?: SourceId
  /** Other sources whose current records of the same entity are handed in as `target.related`. */
  readonly reads?: readonly SourceId[]

  readonly lookup?: LookupCapability
  readonly batch?: BatchCapability
  readonly feed?: FeedCapability
  readonly file?: FileCapability
  /** Credits a call takes on average with these options, to plan by quotas that count credits; 1 unless said. */
  readonly creditsPerCall?: (options: JsonObject) => number
  /** Where a call costs by how many entities it is about: the credits that each takes, at most. Outranks `creditsPerCall`. */
  readonly creditsPerEntity?: (options: JsonObject) => number
  /** A harmless call for `sources check`. */
  readonly probe: (context: AdapterContext) => RequestSpec
  /**
   * Whether an answer of class `source_down` is the configuration's fault (a data file that is not there): nobody is down, waiting does not
   * help, and the partition fails with the reason.
   */
  readonly ownFault?: (view: ResponseView, request: RequestSpec) => boolean
  /** Files of the user that it reads with these options, so that they can be checked before anything is asked. */
  readonly dataFiles?: (options: JsonObject) => readonly DataFile[]
  /**
   * With these options it goes on while nobody at `base_url` can be asked: there is another provider in this process. Then neither breaker
   * nor quota hold back its work.
   */
  readonly worksAlone?: (options: JsonObject) => boolean
  /** What the probe is known to be answered when all is as usual, where that is not a success (an API that is switched off). */
  readonly probeAnswer?: ResponseClass

  classify(view: ResponseView, request: RequestSpec, context: AdapterContext): Classified
  /** The provider is gone for good: that its host has no address is `source_down`, with this reason, and is not tried again. */
  readonly hostGone?: string

  /** JSON paths into the record (`$.links`, `$.rows[*].score`) that are left out of the hash and of deltas. */
  readonly volatile: readonly string[]
  /** Arrays compared by key instead of by position: path -> member(s) that identify an element. */
  readonly arrayKeys: Readonly<Record<string, readonly string[]>>
  /** Arrays of scalars or objects whose order says nothing: sorted before hashing. */
  readonly unordered: readonly string[]

  /** Which other sources' records an event of this source makes due at once. */
  readonly followUps?: readonly {
    readonly on: readonly string[]
    readonly paths: readonly string[]
    readonly source: SourceId
    readonly reason: string
  }[]
}
