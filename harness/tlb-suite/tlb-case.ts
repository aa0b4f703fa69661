import type { AccessList } from '../../src/access-list.ts';
import type { Architecture } from '../../src/registers.ts';
import type { TlbOperation } from '../live-guest.ts';
import type { GuestImage, Machine, Observations, ProbeList } from '../machine.ts';

/**
 * What the architecture says of a change whose flush is left out (SDM Vol. 3A §4.10.4.2, §4.10.4.3; Arm ARM D8.16, D8.17):
 *
 * - stale: the old translation may stay in force, and the flush ends it.
 * - spurious fault: at worst an access that is allowed now faults once.
 * - nothing: no translation of the old state can be cached.
 * - stale all the same: the old translation may stay in force even after the flush.
 */
export type WithoutFlush = 'stale' | 'spurious fault' | 'nothing' | 'stale all the same';

/** A change of live tables, and what the architecture says of its flush. */
export interface TlbCase {
  /** "unmap". */
  readonly name: string;
  readonly architecture: Architecture;
  readonly withoutFlush: WithoutFlush;
  /** Features that the machine must have, as in Capabilities.features. */
  readonly needs: readonly string[];
  /** The translation regime, for the machines' errata (AArch64). */
  readonly regime?: string;
  /** Loads the tables before the change into a machine. @throws MachineError */
  start(machine: Machine): Promise<CaseGuest>;
}

/** A guest under the tables of a case. */
export interface CaseGuest {
  /** What is probed, before the change and after it. */
  readonly accesses: AccessList;
  /** The tables and registers in force, as they are now. */
  readonly image: GuestImage;
  /**
   * Makes the change.
   * @param flushed whether the flushes that it promises, or the TLB maintenance that it returns, are carried out
   * @returns what was carried out, where it is known one by one
   */
  change(flushed: boolean): Promise<readonly TlbOperation[]>;
  /** Invalidates everything. */
  flushEverything(): Promise<void>;
  probe(probes: ProbeList): Promise<Observations>;
}
