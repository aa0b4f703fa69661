import { Access, Privilege } from '../access-list.ts';
import { FRAME_SIZE } from '../addresses.ts';
import { EntryKind } from '../entry-kind.ts';
import type { MemoryRange } from '../memory/physical-memory.ts';
import { type PermissionMask, permissionBit } from '../permissions.ts';
import type { WalkMemory } from '../walk-memory.ts';
import { FaultStatus, faultStatusCode } from './walk-fault.ts';
import { levelBits } from './walk-granule.ts';
import { isDevice } from './walk-memory-type.ts';
import { AArch64PageWalk } from './walk-page.ts';
import { NO_FAULT, statusAfterWalk, statusBeforeWalk } from './walk-predict.ts';
import type { StageTwo } from './walk-stage-two.ts';

/** A status: no memory is where the next descriptor should be. */
export const MISSING = -2;

/** What a walk of stage 1 does with its own tables; both stand for either privilege. */
export const TableAccess = {
  Read: permissionBit(Access.Read, Privilege.Supervisor),
  /** Hardware sets the access flag or the dirty state. */
  Update: permissionBit(Access.Write, Privilege.Supervisor),
} as const;

/** Stage 2 as a function of intermediate addresses, which are doubles. */
export class StageTwoWalk {
  readonly stage: StageTwo;
  /** The walk of the last translation. */
  readonly walk: AArch64PageWalk;
  #low = 0;
  #high = 0;

  constructor(memory: WalkMemory, stage: StageTwo) {
    this.stage = stage;
    this.walk = new AArch64PageWalk(memory, stage);
  }

  /** @returns {@link NO_FAULT}, {@link MISSING}, or the fault status code of stage 2 */
  status(address: number, permission: PermissionMask): number {
    const { walk } = this;
    const { range } = this.stage;
    const low = address >>> 0;
    const high = Math.floor(address / 0x1_0000_0000);
    this.#low = low;
    this.#high = high;
    const refused = statusBeforeWalk(range, low, high, Access.Read, Privilege.Supervisor);
    if (refused !== NO_FAULT) return refused;
    walk.walk(range, low, high);
    return walk.end === EntryKind.Missing ? MISSING : statusAfterWalk(walk, permission);
  }

  /** As {@link status} for an address of a table of stage 1 (HCR_EL2.PTW). */
  tableStatus(address: number, permission: PermissionMask): number {
    const status = this.status(address, permission);
    if (status !== NO_FAULT || !this.stage.protectsWalks) return status;
    const type = this.stage.memoryTypes.types[this.walk.memoryTypeIndex] as number;
    return isDevice(type & 0xff) ? faultStatusCode(FaultStatus.Permission, this.walk.level) : NO_FAULT;
  }

  /**
   * The first frame of the output, undefined where stage 2 has none, and for how many 4 KiB pages from `address`
   * (of a page) on the same descriptor decides.
   */
  extent(address: number): { readonly pages: number; readonly frame: number | undefined } {
    const { range } = this.stage;
    const refused = statusBeforeWalk(
      range,
      address >>> 0,
      Math.floor(address / 0x1_0000_0000),
      Access.Read,
      Privilege.Supervisor,
    );
    if (refused !== NO_FAULT) return { pages: Number.POSITIVE_INFINITY, frame: undefined };
    this.status(address, TableAccess.Read);
    const bytes = 2 ** levelBits(range.granule, this.walk.level).shift;
    const pages = (bytes - (address % bytes)) / FRAME_SIZE;
    return {
      pages,
      frame: this.walk.end === EntryKind.Leaf ? this.physicalAddress / FRAME_SIZE : undefined,
    };
  }

  /** Where the last address lies that had no fault. */
  get physicalAddress(): number {
    return this.walk.physicalAddress(this.#low, this.#high);
  }
}

/**
 * Memory as a walk of stage 1 sees it: through stage 2, as far as stage 2 lets it read. What is known is kept
 * until {@link forget}.
 */
export class IntermediateMemory implements WalkMemory {
  readonly #memory: WalkMemory;
  readonly #stageTwo: StageTwoWalk;
  readonly #ranges = new Map<number, MemoryRange | undefined>();

  constructor(memory: WalkMemory, stageTwo: StageTwoWalk) {
    this.#memory = memory;
    this.#stageTwo = stageTwo;
  }

  /** Drops what is remembered: call it when tables may have changed. */
  forget(): void {
    this.#stageTwo.walk.forget();
    this.#ranges.clear();
  }

  /** Frames are translated one by one: no range holds more than the one asked for. */
  rangeHolding(frame: number, count = 1): MemoryRange | undefined {
    if (count > 1) return undefined;
    const known = this.#ranges.get(frame);
    if (known !== undefined || this.#ranges.has(frame)) return known;
    const range = this.#translated(frame);
    this.#ranges.set(frame, range);
    return range;
  }

  /** The physical address of an intermediate one from which tables may be read. */
  physicalAddress(address: number): number | undefined {
    const status = this.#stageTwo.tableStatus(address, TableAccess.Read);
    return status === NO_FAULT ? this.#stageTwo.physicalAddress : undefined;
  }

  #translated(frame: number): MemoryRange | undefined {
    const address = this.physicalAddress(frame * FRAME_SIZE);
    if (address === undefined) return undefined;
    const physicalFrame = address / FRAME_SIZE;
    const range = this.#memory.rangeHolding(physicalFrame);
    if (range === undefined) return undefined;
    const { firstFrame, frameCount, words } = range;
    return { firstFrame: frame - (physicalFrame - firstFrame), frameCount, words };
  }
}
