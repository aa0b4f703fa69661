import { hex } from '../addresses.ts';
import { highMask } from '../bit-field.ts';
import { DEFAULT_PAT, type X64Registers } from '../registers.ts';
import { EntryHigh, EntryLow } from './entry-bits.ts';
import { type X64ProtectionMode, x64PermissionTable } from './walk-rights.ts';

/** Levels of the paging structures, numbered from the leaf's side. */
export const LEVEL_NAMES = ['', 'PT', 'PD', 'PDPT', 'PML4', 'PML5'] as const;
/** The page tables' own level. */
export const PT_LEVEL = 1;
/** The highest level whose entry can be a leaf (1 GiB). */
export const HIGHEST_LEAF_LEVEL = 3;
/** Position of the lowest address bit that an entry of a level translates by its index. */
export const LEVEL_SHIFT = [0, 12, 21, 30, 39, 48] as const;

/** Paging-relevant bits of the control registers (SDM Vol. 3A §2.5) and of IA32_EFER (§2.2.1). */
const Cr0 = { PE: 1n << 0n, WP: 1n << 16n, PG: 1n << 31n } as const;
const Cr4 = {
  PAE: 1n << 5n,
  LA57: 1n << 12n,
  PCIDE: 1n << 17n,
  SMEP: 1n << 20n,
  SMAP: 1n << 21n,
  PKE: 1n << 22n,
  PKS: 1n << 24n,
  LAM_SUP: 1n << 28n,
} as const;
const Efer = { LME: 1n << 8n, NXE: 1n << 11n } as const;

/** What the registers say about a walk, made ready for it. */
export interface X64Paging extends X64ProtectionMode {
  /** 4 or 5: the level of the table that CR3 points to. */
  readonly levels: 4 | 5;
  /** Frame of that table. */
  readonly rootFrame: number;
  /** CR4.PKE: protection keys of user-mode addresses (§4.6.2). */
  readonly protectionKeys: boolean;
  /** Whether the page-fault error code marks instruction fetches (§4.7, I/D flag). */
  readonly reportsFetch: boolean;
  /** How far the high word is shifted right (signed) to leave 0 or −1 if the address is canonical. */
  readonly canonicalShift: number;
  /** Reserved bits of the low word of a leaf and of a table entry, by level. */
  readonly reservedInLeaf: Int32Array;
  readonly reservedInTable: Int32Array;
  /** Reserved bits of the high word of any entry. */
  readonly reservedHigh: number;
  /** See {@link x64PermissionTable}. */
  readonly permissions: Uint16Array;
  /** The memory type of each PAT index (§4.9.2). */
  readonly memoryTypes: Uint8Array;
}

/**
 * Decodes the registers of 4-level or 5-level paging.
 * @throws RangeError naming the register and its value, if paging is off or of another mode, a reserved bit
 *   of CR3 is set, IA32_PAT holds a reserved type, MAXPHYADDR is not 32–52, or a feature is on that is not modelled (PKS, LAM)
 */
export function decodeX64Paging(registers: X64Registers): X64Paging {
  const { cr0, cr3, cr4, efer, physicalAddressBits } = registers;
  requireBits('CR0', cr0, Cr0.PG | Cr0.PE, 'paging is off (PE and PG must be 1)');
  requireBits('CR4', cr4, Cr4.PAE, 'PAE is 0, so this is not 4-level or 5-level paging');
  requireBits('IA32_EFER', efer, Efer.LME, 'LME is 0, so this is not 4-level or 5-level paging');
  forbidBits('CR4', cr4, Cr4.PKS, 'PKS is 1; supervisor protection keys are not modelled');
  forbidBits('CR4', cr4, Cr4.LAM_SUP, 'LAM_SUP is 1; linear-address masking is not modelled');
  if (!Number.isInteger(physicalAddressBits) || physicalAddressBits < 32 || physicalAddressBits > 52) {
    throw new RangeError(`physicalAddressBits is ${physicalAddressBits}; MAXPHYADDR is 32 to 52`);
  }
  const ignoredTop = (cr4 & Cr4.PCIDE) !== 0n ? 1n << 63n : 0n;
  const beyond = ~((1n << BigInt(physicalAddressBits)) - 1n) & ~ignoredTop & ((1n << 64n) - 1n);
  forbidBits('CR3', cr3, beyond, `a bit above MAXPHYADDR (${physicalAddressBits}) is 1`);

  const noExecute = (efer & Efer.NXE) !== 0n;
  const mode: X64ProtectionMode = {
    writeProtect: (cr0 & Cr0.WP) !== 0n,
    noExecute,
    smep: (cr4 & Cr4.SMEP) !== 0n,
    smap: (cr4 & Cr4.SMAP) !== 0n,
  };
  const la57 = (cr4 & Cr4.LA57) !== 0n;
  return {
    ...mode,
    levels: la57 ? 5 : 4,
    rootFrame: Number((cr3 & 0xf_ffff_ffff_f000n) >> 12n),
    protectionKeys: (cr4 & Cr4.PKE) !== 0n,
    reportsFetch: noExecute || mode.smep,
    canonicalShift: la57 ? 24 : 15,
    reservedInLeaf: RESERVED_IN_LEAF,
    reservedInTable: RESERVED_IN_TABLE,
    reservedHigh: highMask(physicalAddressBits, 52) | (noExecute ? 0 : EntryHigh.ExecuteDisable),
    permissions: x64PermissionTable(mode),
    memoryTypes: memoryTypesOf(registers.pat ?? DEFAULT_PAT),
  };
}

/** Tables 4-16, 4-18: address bits below a large page's size. Bit 12 is the PAT bit, not an address bit. */
const RESERVED_IN_LEAF = Int32Array.of(0, 0, 0x001f_e000, 0x3fff_e000, 0, 0);
/** Tables 4-14, 4-15: PS must be 0 in PML4E and PML5E. */
const RESERVED_IN_TABLE = Int32Array.of(0, 0, 0, 0, EntryLow.PageSize, EntryLow.PageSize);

/** The encodings that IA32_PAT takes; a write of any other is #GP (table 11-10). */
const MEMORY_TYPES: ReadonlySet<number> = new Set([0, 1, 4, 5, 6, 7]);

function memoryTypesOf(pat: bigint): Uint8Array {
  return Uint8Array.from({ length: 8 }, (_, index) => {
    const type = Number((pat >> BigInt(8 * index)) & 0xffn);
    if (MEMORY_TYPES.has(type)) return type;
    throw new RangeError(`IA32_PAT is ${hex(pat)}: PA${index} is ${type}, which is no memory type`);
  });
}

function requireBits(register: string, value: bigint, bits: bigint, problem: string): void {
  if ((value & bits) !== bits) throw new RangeError(`${register} is ${hex(value)}: ${problem}`);
}

function forbidBits(register: string, value: bigint, bits: bigint, problem: string): void {
  if ((value & bits) !== 0n) throw new RangeError(`${register} is ${hex(value)}: ${problem}`);
}
