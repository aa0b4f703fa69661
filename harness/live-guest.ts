import { isDeepStrictEqual } from 'node:util';
import type { TlbOperation as AArch64TlbOperation } from '../src/aarch64/mapping/tlb-maintenance.ts';
import type { AArch64Registers, Architecture, Registers } from '../src/registers.ts';
import type { X64TlbOperation } from '../src/x64/tlb-operation.ts';
import { MachineError } from './machine.ts';

/** One instruction of TLB maintenance, of the architecture whose tables are loaded. */
export type TlbOperation = X64TlbOperation | AArch64TlbOperation;

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
  /**
   * Executes the instructions in the guest, in order.
   * @throws MachineError 'unfit' for one of another architecture
   */
  invalidate(operations: readonly TlbOperation[]): Promise<void>;
  /**
   * Loads base registers that lead to other tables (AArch64: TTBR0, TTBR1, VTTBR) in the guest. That invalidates
   * nothing by itself. Absent where a machine cannot do that.
   * @throws MachineError 'unfit' if any other register differs from those in force
   */
  switchTables?(registers: Registers): Promise<void>;
  /**
   * What supervisor reads of 8 bytes return in the guest; undefined for one that faults.
   * @param addresses multiples of 8
   * @throws MachineError 'unfit' for an address that an AArch64 machine keeps for its own part of the guest
   */
  peek(addresses: readonly bigint[]): Promise<(bigint | undefined)[]>;
}

const X64_KINDS: ReadonlySet<TlbOperation['kind']> = new Set(['invlpg', 'reload-cr3', 'toggle-pge']);

/** The operations as those of x64. @throws MachineError 'unfit' naming one that is not */
export function x64Operations(machine: string, operations: readonly TlbOperation[]): X64TlbOperation[] {
  return operations.map((operation) =>
    isOfX64(operation) ? operation : refuse(machine, operation, 'aarch64'),
  );
}

/** The operations as those of AArch64. @throws MachineError 'unfit' naming one that is not */
export function aarch64Operations(
  machine: string,
  operations: readonly TlbOperation[],
): AArch64TlbOperation[] {
  return operations.map((operation) => (isOfX64(operation) ? refuse(machine, operation, 'x64') : operation));
}

/** Whether nothing but the addresses of tables tells registers from others (LiveGuest.switchTables). */
export function differOnlyInTables(before: AArch64Registers, after: Registers): after is AArch64Registers {
  const bases = { ttbr0: 0n, ttbr1: 0n, vttbr: 0n };
  return isDeepStrictEqual({ ...before, ...bases }, { ...after, ...bases });
}

function isOfX64(operation: TlbOperation): operation is X64TlbOperation {
  return X64_KINDS.has(operation.kind);
}

function refuse(machine: string, { kind }: TlbOperation, architecture: Architecture): never {
  throw new MachineError(machine, 'unfit', `'${kind}' is a TLB operation of ${architecture}`);
}
