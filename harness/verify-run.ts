import { type Erratum, errataOf } from './errata.ts';
import {
  type GuestImage,
  type Machine,
  type MachineError,
  type MachineOptions,
  type MachineProvider,
  machineErrorOf,
  type Observations,
} from './machine.ts';
import { type MachineReport, NO_COLUMNS, type TableChanges } from './report.ts';
import type { MismatchLog } from './verdict-log.ts';
import { type JudgedChunk, MachineVerdict } from './verdict-machine.ts';
import type { MismatchContext } from './verdict-mismatches.ts';
import type { TableExpectation } from './verdict-tables.ts';

/** A machine that may take part; its module is loaded when it is asked for. */
export interface MachineCandidate {
  readonly name: string;
  provider(): Promise<MachineProvider>;
}

/** One machine's part in a verification: from its start to its report. */
export class MachineRun {
  readonly name: string;
  readonly #candidate: MachineCandidate;
  readonly #started = performance.now();
  #ended = Number.NaN;
  #starting: Promise<void> | undefined;
  #provider: MachineProvider | undefined;
  #machine: Machine | undefined;
  #verdict: MachineVerdict | undefined;
  #tables: TableChanges | null = null;
  #guestSeconds = 0;
  #trouble: MachineError | undefined;

  constructor(candidate: MachineCandidate) {
    this.name = candidate.name;
    this.#candidate = candidate;
  }

  /** Why it does not run, or does not any more. */
  get trouble(): MachineError | undefined {
    return this.#trouble;
  }

  get mismatched(): number {
    return this.#verdict?.mismatched ?? 0;
  }

  /** Loads the machine's module and lets it begin to look for the machine, while there is other work to do. */
  async find(): Promise<void> {
    this.#provider = await this.#attempt(() => this.#candidate.provider());
    // What it finds, or that it fails, it says again when the machine is opened.
    this.#provider?.detect().catch(() => {});
  }

  /**
   * Starts the machine and loads the image; called once, after {@link find}. Its absence is no error: see
   * {@link trouble}.
   */
  async start(image: GuestImage, options: MachineOptions): Promise<void> {
    this.#starting = this.#attempt(async () => {
      if (this.#provider === undefined) return;
      this.#machine = await this.#provider.open(options);
      await this.#machine.load(image);
    });
    await this.#starting;
  }

  /** Makes ready for judging; called once, after {@link start}. */
  prepare(context: MismatchContext, log: MismatchLog, errata: readonly Erratum[] | undefined): void {
    if (this.#machine === undefined) return;
    const known = errataOf(this.name, this.#machine.capabilities.version, errata);
    this.#verdict = new MachineVerdict(this.name, context, known, log);
  }

  /** What the machine answers to a chunk; undefined if it does not run. */
  async probe(part: JudgedChunk): Promise<Observations | undefined> {
    return await this.#attempt(async () => await this.#machine?.probe(part.chunk.probes));
  }

  judge(part: JudgedChunk, observations: Observations): void {
    this.#verdict?.judge(part, observations);
    this.#guestSeconds += observations.guestSeconds;
  }

  /** Holds the tables as the machine leaves them against what is expected, and ends the machine. */
  async finish(expectation: TableExpectation): Promise<void> {
    await this.#attempt(async () => {
      const verdict = this.#verdict;
      if (this.#machine === undefined || verdict === undefined) return;
      const allMade = verdict.notObservable.total === 0 && verdict.translatedOnly === 0;
      // The machine lists its leaves while the host compares the tables.
      const listingLeaves = this.#machine.listLeaves?.();
      listingLeaves?.catch(() => {}); // it is awaited below, unless reading back fails before
      const after = await this.#machine.readBack();
      const { accessed, dirty, findings } = expectation.compare(after, allMade);
      const listed = await listingLeaves;
      const listing = listed === undefined ? undefined : expectation.compareListing(listed);
      const all = [...findings, ...(listing?.findings ?? [])];
      this.#tables = {
        accessed,
        dirty,
        findings: all.length,
        listing: listing === undefined ? null : { compared: listing.compared, notListed: listing.notListed },
      };
      for (const finding of all) verdict.addTableFinding(finding);
    });
    await this.close();
  }

  /** Ends the machine, even one that is just being started. May be called more than once. */
  async close(): Promise<void> {
    await this.#starting;
    if (Number.isNaN(this.#ended)) this.#ended = performance.now();
    await this.#machine?.close();
  }

  report(): MachineReport {
    const verdict = this.#verdict;
    const errataApplied = verdict?.errataApplied ?? [];
    const trouble = this.#trouble;
    const ran = verdict !== undefined && trouble === undefined;
    return {
      name: this.name,
      version: this.#machine?.capabilities.version ?? '',
      status: ran ? 'ran' : trouble?.code === 'failed' ? 'failed' : 'absent',
      ...(trouble !== undefined && { reason: trouble.message }),
      ...(trouble?.code === 'unfit' && { unfit: true }),
      probes: verdict?.probes ?? 0,
      agreed: verdict?.agreed ?? 0,
      translatedOnly: verdict?.translatedOnly ?? 0,
      mismatched: verdict?.mismatched ?? 0,
      notObservable: verdict?.notObservable.total ?? 0,
      errata: errataApplied.reduce((sum, { count }) => sum + count, 0),
      seconds: ran ? (this.#ended - this.#started) / 1000 : 0,
      guestSeconds: ran && !Number.isNaN(this.#guestSeconds) ? this.#guestSeconds : null,
      columns: verdict?.columns ?? NO_COLUMNS,
      notObservableReasons: verdict?.notObservable.entries ?? [],
      errataApplied,
      tables: this.#tables,
      limits: this.#machine?.capabilities.limits ?? [],
    };
  }

  /** Does something with the machine unless it is in trouble; what goes wrong becomes its trouble. */
  async #attempt<T>(action: () => Promise<T>): Promise<T | undefined> {
    if (this.#trouble !== undefined) return undefined;
    try {
      return await action();
    } catch (error) {
      this.#trouble = machineErrorOf(this.name, error);
      return undefined;
    }
  }
}
