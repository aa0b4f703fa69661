import type { TlbiName, TlbOperation } from '../../src/aarch64/mapping/tlb-maintenance.ts';
import { ACCESS_RECORD_BYTES } from '../../src/access-list.ts';
import type { AArch64Registers, ExceptionLevel } from '../../src/registers.ts';
import { Operation } from './stub-protocol.ts';

/** A register that holds the address of tables. */
export type BaseRegister = 'ttbr0' | 'ttbr1' | 'vttbr';

/** What the stub carries out: TLB maintenance, and MSR to a base register of an exception level. */
export type LiveOperation =
  | TlbOperation
  | {
      readonly kind: 'msr';
      readonly register: BaseRegister;
      readonly level: ExceptionLevel;
      readonly value: bigint;
    };

const TLBI: Readonly<Record<TlbiName, Operation>> = {
  VAAE1IS: Operation.Vaae1is,
  VAE2IS: Operation.Vae2is,
  VAE3IS: Operation.Vae3is,
  IPAS2E1IS: Operation.Ipas2e1is,
  VMALLE1IS: Operation.Vmalle1is,
  VMALLS12E1IS: Operation.Vmalls12e1is,
  ALLE1IS: Operation.Alle1is,
  ALLE2IS: Operation.Alle2is,
  ALLE3IS: Operation.Alle3is,
};
const DSB = { ISHST: Operation.DsbIshst, ISH: Operation.DsbIsh } as const;
const MSR: Readonly<Record<BaseRegister, Partial<Readonly<Record<ExceptionLevel, Operation>>>>> = {
  ttbr0: { 1: Operation.Ttbr0El1, 2: Operation.Ttbr0El2, 3: Operation.Ttbr0El3 },
  ttbr1: { 1: Operation.Ttbr1El1, 2: Operation.Ttbr1El2 },
  vttbr: { 1: Operation.VttbrEl2 },
};

/** The MSRs that lead from one set of base registers to another, and the ISB that makes them known; none if they are alike. */
export function switchOperations(from: AArch64Registers, to: AArch64Registers): LiveOperation[] {
  const registers = ['vttbr', 'ttbr0', 'ttbr1'] as const;
  const level = to.exceptionLevel;
  const writes = registers
    .filter((register) => from[register] !== to[register])
    .map((register): LiveOperation => ({ kind: 'msr', register, level, value: to[register] ?? 0n }));
  return writes.length === 0 ? [] : [...writes, { kind: 'isb' }];
}

/**
 * Operations as the stub's records (PROTOCOL.md, COMMAND 3).
 * @throws RangeError for an MSR of a register that the level does not have
 */
export function operationRecords(operations: readonly LiveOperation[]): Uint8Array {
  const bytes = new Uint8Array(operations.length * ACCESS_RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, operation] of operations.entries()) {
    const at = index * ACCESS_RECORD_BYTES;
    view.setBigUint64(at, operandOf(operation), true);
    view.setUint8(at + 8, numberOf(operation));
  }
  return bytes;
}

function operandOf(operation: LiveOperation): bigint {
  switch (operation.kind) {
    case 'tlbi':
      return operation.operand ?? 0n;
    case 'msr':
      return operation.value;
    case 'dsb':
    case 'isb':
      return 0n;
  }
}

function numberOf(operation: LiveOperation): Operation {
  switch (operation.kind) {
    case 'dsb':
      return DSB[operation.option];
    case 'isb':
      return Operation.Isb;
    case 'tlbi':
      return TLBI[operation.name];
    case 'msr': {
      const number = MSR[operation.register][operation.level];
      if (number === undefined) throw new RangeError(`EL${operation.level} has no ${operation.register}`);
      return number;
    }
  }
}
