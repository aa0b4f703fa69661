import type { Architecture } from '../src/registers.ts';

/** What a verification found out: exactly the JSON report. */
export interface Report {
  readonly tool: 'mmucheck';
  readonly version: string;
  /** The path of the layout or capture as it was given. */
  readonly input: string;
  /** The capture that a layout was held against. */
  readonly tables?: string;
  readonly architecture: Architecture;
  /**
   * `agree` needs at least one machine that ran and observed something, and none that failed. `incomplete`: nothing
   * differs, but no machine ran, none could observe anything, or one broke off.
   */
  readonly verdict: 'agree' | 'mismatch' | 'incomplete';
  readonly coverage: string;
  readonly machines: readonly MachineReport[];
  /** The first mismatches, in the order of addresses. */
  readonly mismatches: readonly Mismatch[];
  /** How many there are beyond `mismatches`. */
  readonly mismatchesOmitted: number;
  /** All mismatches, grouped into ranges for people; see {@link MismatchGroup}. */
  readonly groups: readonly MismatchGroup[];
  readonly groupsOmitted: number;
  /** What was assumed about the input, each a sentence. */
  readonly notes: readonly string[];
}

export interface MachineReport {
  readonly name: string;
  readonly version: string;
  /** `absent`: not installed, or unfit for this image; `failed`: it broke off; see `reason`. */
  readonly status: 'ran' | 'absent' | 'failed';
  /** Why it is absent or failed. */
  readonly reason?: string;
  /** Whether it is there but lacks what the image needs. */
  readonly unfit?: boolean;
  /** agreed + translatedOnly + mismatched + notObservable + errata. */
  readonly probes: number;
  /** Accesses that were made and agree in all that is known of them. */
  readonly agreed: number;
  /** Probes that agree, but were answered by an address translation instruction (AArch64: `AT`) without an access. */
  readonly translatedOnly: number;
  readonly mismatched: number;
  readonly notObservable: number;
  readonly errata: number;
  /** Wall-clock seconds from its start until its end. */
  readonly seconds: number;
  /** Seconds that the guest itself needed, null if it cannot tell. */
  readonly guestSeconds: number | null;
  /** How many of its answers had which column. */
  readonly columns: ColumnCounts;
  /** Why probes were not observable: the reason, and how many. */
  readonly notObservableReasons: readonly Counted[];
  /** Which errata applied, what each is, and to how many probes. */
  readonly errataApplied: readonly AppliedErratum[];
  /** What became of the tables while they were probed; null if that could not be read back. */
  readonly tables: TableChanges | null;
  /** What it cannot observe or does not enforce, each a sentence. */
  readonly limits: readonly string[];
}

/** Whether a machine ran, and could tell of one probe at least whether it completes. */
export function hasObserved({ status, probes, notObservable }: MachineReport): boolean {
  return status === 'ran' && notObservable < probes;
}

export interface Counted {
  readonly what: string;
  readonly count: number;
}

export interface AppliedErratum {
  readonly rule: string;
  readonly description: string;
  readonly count: number;
}

/** Of the completed and of the faulting accesses that were made: how many, and for how many the machine knew the column. */
export interface ColumnCounts {
  readonly completed: number;
  readonly physicalAddress: number;
  readonly memoryType: number;
  readonly faulted: number;
  readonly faultStatus: number;
  readonly faultAddress: number;
  /** For how many of these an address translation instruction (AArch64: `AT`) said it, and not the access itself. */
  readonly byTranslation: {
    readonly physicalAddress: number;
    readonly memoryType: number;
    readonly faultStatus: number;
  };
}

/** Bits that the machine changed in the tables under test. */
export interface TableChanges {
  /** Entries in which the accessed flag was set. */
  readonly accessed: number;
  /** Entries in which the dirty flag was set. */
  readonly dirty: number;
  /** Changes that should not be or are missing, and leaves that it lists otherwise; each is among the mismatches. */
  readonly findings: number;
  /** Of how many leaves the machine's own list was compared, and how many leaves it does not list; null without one. */
  readonly listing: { readonly compared: number; readonly notListed: number } | null;
}

/** One outcome in a report. */
export type ReportedOutcome = ReportedCompletion | ReportedFault;

export interface ReportedCompletion {
  readonly completes: true;
  readonly physicalAddress?: string;
  readonly memoryType?: string;
  readonly text: string;
}

export interface ReportedFault {
  readonly completes: false;
  /** The `fault` column in hexadecimal: vector and error code, or ESR. */
  readonly fault?: string;
  readonly faultAddress?: string;
  /** AArch64: the stage that raised it, where there are two. */
  readonly stage?: 1 | 2;
  /** Of a fault of stage 2, where defined: HPFAR_EL2, and the page of intermediate physical addresses that it names. */
  readonly hpfar?: string;
  readonly intermediatePage?: string;
  readonly text: string;
}

/** What a declaration or the engine says about a page. */
export interface ReportedAttributes {
  /** Kebab-case attribute names; null for "not mapped". */
  readonly attributes: readonly string[] | null;
  /** What that means for this access. */
  readonly text: string;
}

export type Party = 'declared' | 'queried' | 'predicted' | 'observed';

export interface Mismatch {
  /** The machine's name, or "engine" where the engine's own answers contradict the declaration. */
  readonly machine: string;
  readonly address: string;
  readonly access: string;
  readonly privilege: string;
  readonly region: string | null;
  readonly declared: ReportedAttributes | null;
  readonly queried: ReportedAttributes | null;
  readonly predicted: ReportedOutcome | null;
  readonly observed: ReportedOutcome | null;
  /** Which of them contradicts all the others while these agree; null if no single one does. */
  readonly alone: Party | null;
  /** Where more is to be said than the columns show. */
  readonly remark?: string;
}

/** Mismatches of the same kind at neighbouring points. */
export interface MismatchGroup {
  /** Address of the first and of the last mismatch. */
  readonly first: string;
  readonly last: string;
  readonly count: number;
  /** The first of them. */
  readonly example: Mismatch;
}

/** Columns of a mismatch that is about entries of tables, so that nothing stands beside anything. */
export const NOTHING_COMPARED = {
  region: null,
  declared: null,
  queried: null,
  predicted: null,
  observed: null,
  alone: null,
} as const;

/** Columns of a machine that answered nothing. */
export const NO_COLUMNS: ColumnCounts = {
  completed: 0,
  physicalAddress: 0,
  memoryType: 0,
  faulted: 0,
  faultStatus: 0,
  faultAddress: 0,
  byTranslation: { physicalAddress: 0, memoryType: 0, faultStatus: 0 },
};
