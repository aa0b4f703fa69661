import { STUB_REGION_BYTES } from '../guest-stubs/protocol.ts';
import { choosePlacements, type PagingLevels, type Placement } from '../guest-stubs/x64/placement.ts';
import { type GuestImage, MachineError } from '../harness/machine.ts';
import { FRAME_SIZE, hex } from '../src/addresses.ts';
import { DEFAULT_PAT } from '../src/registers.ts';
import { endOfMemory, RAM_GRANULE } from './guest-ram.ts';

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
const CR4_LA57 = 1n << 12n;
const CR4_SMEP = 1n << 20n;
const CR4_SMAP = 1n << 21n;
const CR4_PKE = 1n << 22n;
const EFER_LME = 1n << 8n;
const EFER_NXE = 1n << 11n;

/** Of the image's registers these bits are installed. CR0.AM is not: no access is to fault for its alignment. */
const INSTALLED_CR0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE;
/** CR4.PGE and PCIDE are not: every batch starts without translations of an earlier one. */
const INSTALLED_CR4 = CR4_PSE | CR4_PAE | CR4_LA57 | CR4_SMEP | CR4_SMAP | CR4_PKE;
const INSTALLED_EFER = EFER_LME | EFER_NXE;

/** With more RAM than this QEMU takes seconds to start, even if nothing of it is touched. */
const RAM_LIMIT = 2 ** 43;

/** How an image is installed in a guest. */
export interface X64Installation {
  readonly cr0: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
  readonly pat: bigint;
  /** Bits of CR3 beside the address. */
  readonly cr3Flags: bigint;
  readonly physicalAddressBits: number;
  readonly levels: PagingLevels;
  /** CR4.PKE: PKRU exists. */
  readonly protectionKeys: boolean;
  readonly topLevelFrame: number;
  /** The top-level table under test as it was loaded. */
  readonly topLevel: Uint32Array;
  readonly placements: readonly Placement[];
  /** Bytes of RAM from physical 0. */
  readonly ramSize: number;
  /** A frame without memory; undefined if RAM fills the physical address space. */
  readonly markerFrame: number | undefined;
}

/** Decides how to install an image. @throws MachineError 'unfit' if that is not possible */
export function planInstallation(machine: string, image: GuestImage): X64Installation {
  const { registers } = image;
  const unfit = (why: string) => new MachineError(machine, 'unfit', why);
  if (registers.architecture !== 'x64') throw unfit(`cannot run ${registers.architecture} tables`);
  const { cr0, cr3, cr4, efer, physicalAddressBits } = registers;
  if ((cr0 & CR0_PG) === 0n || (cr4 & CR4_PAE) === 0n || (efer & EFER_LME) === 0n) {
    throw unfit(
      `the registers do not select 4-level or 5-level paging: CR0.PG, CR4.PAE and EFER.LME must be set in CR0 ${hex(cr0)}, CR4 ${hex(cr4)}, EFER ${hex(efer)}`,
    );
  }
  const levels = (cr4 & CR4_LA57) !== 0n ? 5 : 4;
  const topLevelFrame = Number((cr3 & CR3_ADDRESS) >> 12n);
  const topLevel = image.memory.frameWords(topLevelFrame);
  if (topLevel === undefined) throw unfit(`CR3 ${hex(cr3)} leads to memory that the image does not have`);
  const placements = choosePlacements(image.memory, topLevel, levels);
  if (placements === undefined) throw unfit('the image leaves no room below 4 GiB for the probe stub');

  const end = Math.max(
    endOfMemory(image.memory),
    ...placements.map((placement) => placement.region + STUB_REGION_BYTES),
  );
  const ramSize = Math.ceil(end / RAM_GRANULE) * RAM_GRANULE;
  if (end > 2 ** physicalAddressBits) {
    throw unfit(`memory up to ${hex(end)} does not fit in ${physicalAddressBits} physical address bits`);
  }
  if (ramSize > RAM_LIMIT) {
    throw unfit(`memory up to ${hex(end)} is beyond what QEMU can be given (${hex(RAM_LIMIT)})`);
  }
  const lastFrame = 2 ** (physicalAddressBits - 12) - 1;
  return {
    cr0: (cr0 & INSTALLED_CR0) | CR0_ET,
    cr4: cr4 & INSTALLED_CR4,
    efer: efer & INSTALLED_EFER,
    pat: registers.pat ?? DEFAULT_PAT,
    cr3Flags: cr3 & CR3_CACHE_BITS,
    physicalAddressBits,
    levels,
    protectionKeys: (cr4 & CR4_PKE) !== 0n,
    topLevelFrame,
    topLevel: topLevel.slice(),
    placements,
    ramSize,
    markerFrame: lastFrame * FRAME_SIZE >= ramSize ? lastFrame : undefined,
  };
}
