import type { X64TlbOperation } from '../src/x64/tlb-operation.ts';

/** One instruction that invalidates translations, of the architecture whose tables are loaded. */
export type TlbOperation = X64TlbOperation;

/**
 * A guest that runs on while its tables change. Nothing is invalidated but by {@link invalidate}: between two of
 * its calls, probes run under whatever translations the processor has cached.
 */
export interface LiveGuest {
  /**
   * Writes every entry of the image's memory that has changed since it was loaded or last updated to the guest's.
   * What the host has not changed stays as the processor left it, accessed and dirty flags included.
   * @throws MachineError 'failed' if the memory has other ranges than when it was loaded
   */
  update(): Promise<void>;
  /** Executes the instructions in the guest, in order. */
  invalidate(operations: readonly TlbOperation[]): Promise<void>;
  /**
   * What supervisor reads of 8 bytes return in the guest; undefined for one that faults.
   * @param addresses multiples of 8
   */
  peek(addresses: readonly bigint[]): Promise<(bigint | undefined)[]>;
}
