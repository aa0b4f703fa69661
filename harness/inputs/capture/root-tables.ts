import { HcrEl2, Tcr1 } from '../../../src/aarch64/translation-control.ts';
import type { Registers, X64Registers } from '../../../src/registers.ts';

/** Where a top-level table is. */
export interface RootTable {
  /** The register that points to it, for messages. */
  readonly register: string;
  /** Number of its (first) 4 KiB frame. */
  readonly frame: number;
}

/** Bits 51:12 of CR3 (Intel SDM Vol. 3A table 4-12). */
const CR3_ADDRESS = 0xf_ffff_ffff_f000n;
/** Bits 47:12 of TTBRn_ELx; a table smaller than a page may begin inside that frame (Arm ARM D19.2). */
const TTBR_ADDRESS = 0xffff_ffff_f000n;

/** CR4.LA57: five levels of tables. */
const CR4_LA57 = 1n << 12n;

/** How many levels of tables x64 registers ask for. */
export function x64Levels({ cr4 }: X64Registers): 4 | 5 {
  return (cr4 & CR4_LA57) === 0n ? 4 : 5;
}

/** The tables at which walks under these registers begin. */
export function rootTables(registers: Registers): RootTable[] {
  if (registers.architecture === 'x64') {
    return [{ register: 'cr3', frame: Number((registers.cr3 & CR3_ADDRESS) >> 12n) }];
  }
  const { exceptionLevel, hcrEl2, tcr, vttbr } = registers;
  if (exceptionLevel === 1 && (hcrEl2 & (HcrEl2.Vm | HcrEl2.Dc)) !== 0n) {
    // The tables of stage 1, if there are any, are at addresses that stage 2 translates.
    return vttbr === undefined ? [] : [ttbr('vttbr', vttbr)];
  }
  const twoRanges = exceptionLevel === 1 || (exceptionLevel === 2 && (hcrEl2 & HcrEl2.E2h) !== 0n);
  const roots: RootTable[] = [];
  if (!twoRanges || (tcr & Tcr1.Epd0) === 0n) roots.push(ttbr('ttbr0', registers.ttbr0));
  if (twoRanges && (tcr & Tcr1.Epd1) === 0n) roots.push(ttbr('ttbr1', registers.ttbr1));
  return roots;
}

function ttbr(register: string, value: bigint): RootTable {
  return { register, frame: Number((value & TTBR_ADDRESS) >> 12n) };
}
