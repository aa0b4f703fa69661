import { hex } from '../../src/addresses.ts';
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { DEFAULT_PAT, type X64Registers } from '../../src/registers.ts';
import { choosePlacements, type PagingLevels, type Placement } from './placement.ts';
import { findTableFrames } from './table-frames.ts';

// Control registers SDM Vol. 3A §2.5, IA32_EFER §2.2.1.
const CR0_PE = 1n << 0n;
const CR0_ET = 1n << 4n;
const CR0_NE = 1n << 5n;
const CR0_WP = 1n << 16n;
const CR0_PG = 1n << 31n;
const CR3_ADDRESS = 0x000f_ffff_ffff_f000n;
/** PWT and PCD: how the top-level table is cached. */
const CR3_CACHE_BITS = 0x18n;
const CR4_PSE = 1n << 4n;
const CR4_PAE = 1n << 5n;
const CR4_PGE = 1n << 7n;
const CR4_LA57 = 1n << 12n;
const CR4_PCIDE = 1n << 17n;
const CR4_SMEP = 1n << 20n;
const CR4_SMAP = 1n << 21n;
const CR4_PKE = 1n << 22n;
const EFER_LME = 1n << 8n;
const EFER_NXE = 1n << 11n;

/** Of the image's registers these bits are installed. CR0.AM is not: no access is to fault for its alignment. */
const INSTALLED_CR0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE;
/** CR4.PGE is installed for live tables only: else every batch starts without translations of an earlier one. */
const INSTALLED_CR4 = CR4_PSE | CR4_PAE | CR4_LA57 | CR4_SMEP | CR4_SMAP | CR4_PKE;
const INSTALLED_EFER = EFER_LME | EFER_NXE;

/** How the tables under test and the stub are installed together. */
export interface X64StubPlan {
  readonly cr0: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
  readonly pat: bigint;
  /** Bits of CR3 beside the address. */
  readonly cr3Flags: bigint;
  readonly levels: PagingLevels;
  /** The tables change while the guest runs: nothing but the host's TLB operations invalidates. */
  readonly live: boolean;
  /** CR4.PKE: PKRU exists. */
  readonly protectionKeys: boolean;
  readonly topLevelFrame: number;
  /** The top-level table under test as it was loaded. */
  readonly topLevel: Uint32Array;
  /** Frames of the image that tables point to. */
  readonly tableFrames: ReadonlySet<number>;
  readonly placements: readonly Placement[];
}

/**
 * The plan for an image.
 * @param live see {@link X64StubPlan.live}
 * @throws RangeError saying why the stub cannot run under these registers or beside this memory
 */
export function planX64Stub(registers: X64Registers, memory: PhysicalMemory, live = false): X64StubPlan {
  const { cr0, cr3, cr4, efer } = registers;
  if ((cr0 & CR0_PG) === 0n || (cr4 & CR4_PAE) === 0n || (efer & EFER_LME) === 0n) {
    throw new RangeError(
      `the registers do not select 4-level or 5-level paging: CR0.PG, CR4.PAE and EFER.LME must be set in CR0 ${hex(cr0)}, CR4 ${hex(cr4)}, EFER ${hex(efer)}`,
    );
  }
  if (live && (cr4 & CR4_PCIDE) !== 0n) {
    throw new RangeError(`CR4 ${hex(cr4)} has PCIDE set, and the processor has no PCIDs`);
  }
  const levels = (cr4 & CR4_LA57) !== 0n ? 5 : 4;
  const topLevelFrame = Number((cr3 & CR3_ADDRESS) >> 12n);
  const topLevel = memory.frameWords(topLevelFrame);
  if (topLevel === undefined) {
    throw new RangeError(`CR3 ${hex(cr3)} leads to memory that the image does not have`);
  }
  const tables = findTableFrames(memory, topLevelFrame, levels);
  const placements = choosePlacements(memory, topLevel, levels, tables.missing);
  if (placements === undefined) {
    throw new RangeError('the image leaves no room below 4 GiB for the probe stub');
  }
  return {
    cr0: (cr0 & INSTALLED_CR0) | CR0_ET,
    cr4: cr4 & (INSTALLED_CR4 | (live ? CR4_PGE : 0n)),
    efer: efer & INSTALLED_EFER,
    pat: registers.pat ?? DEFAULT_PAT,
    cr3Flags: cr3 & CR3_CACHE_BITS,
    levels,
    live,
    protectionKeys: (cr4 & CR4_PKE) !== 0n,
    topLevelFrame,
    topLevel: topLevel.slice(),
    tableFrames: tables.present,
    placements,
  };
}
