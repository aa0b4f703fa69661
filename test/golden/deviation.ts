import type { Op, Result, Script } from './script.ts';

/** A page of tables, as a session reports it. */
export interface TablePage {
  readonly address: number;
  readonly entries: readonly bigint[];
}

/** A call, and the tables as they were before it. */
export interface Call {
  readonly begin: Script['begin'];
  readonly op: Op;
  readonly root: string | null;
  tables(): readonly TablePage[];
}

/** A call whose result differs from the original's. */
export interface DifferingCall extends Call {
  readonly expected: Result;
  readonly actual: Result;
}

/**
 * A named rule by which the engine answers otherwise than an original, because of what the architecture says. A
 * rule looks at what a call does, never at who made it.
 */
export interface Deviation {
  readonly rule: string;
  readonly crate: string;
  readonly reason: string;
  /** Whether the rule explains this call's result. */
  explains(call: DifferingCall): boolean;
  /** Whether by the rule this call makes other tables than the original, so that what follows cannot agree. */
  changesTables?(call: Call): boolean;
}
