import { Access, type Privilege } from '../access-list.ts';
import { EntryKind } from '../entry-kind.ts';
import { permissionBit } from '../permissions.ts';
import { DescriptorLow } from './descriptor-bits.ts';
import { FaultStatus, faultStatusCode } from './walk-fault.ts';
import type { MemoryTypeTable } from './walk-memory-type.ts';
import type { AArch64PageWalk } from './walk-page.ts';
import { isInRange, NO_FAULT, statusAfterWalk, statusBeforeWalk } from './walk-predict.ts';
import { type AddressRange, rangeOf } from './walk-stage.ts';
import type { StageOne } from './walk-stage-one.ts';
import { OffType, type StageOneOff } from './walk-stage-one-off.ts';
import { MISSING } from './walk-stage-two-walk.ts';

/** Stage 1 as the first half of two; what the last translation found stands in the fields. */
export interface FirstStage {
  readonly ranges: readonly AddressRange[];
  readonly memoryTypes: MemoryTypeTable;
  /** The intermediate address of an access without a fault. */
  readonly intermediateAddress: number;
  /** Index into {@link memoryTypes}. */
  readonly memoryTypeIndex: number;
  /** Whether hardware must change the leaf to let the access pass (FEAT_HAFDBS). */
  readonly isUpdated: boolean;
  /** The intermediate address of that leaf, or of the descriptor that is missing. */
  readonly concernedDescriptor: number;
  /** Its level. */
  readonly concernedLevel: number;
  forget(): void;
  /** @returns {@link NO_FAULT}, {@link MISSING}, or the fault status code of stage 1 */
  translate(low: number, high: number, access: Access, privilege: Privilege): number;
}

/** Stage 1 with tables, which it reads through stage 2. */
export class FirstStageOn implements FirstStage {
  readonly stage: StageOne;
  readonly walk: AArch64PageWalk;
  intermediateAddress = 0;
  concernedDescriptor = 0;
  isUpdated = false;

  constructor(stage: StageOne, walk: AArch64PageWalk) {
    this.stage = stage;
    this.walk = walk;
  }

  get ranges(): readonly AddressRange[] {
    return this.stage.ranges;
  }

  get memoryTypes(): MemoryTypeTable {
    return this.stage.memoryTypes;
  }

  get memoryTypeIndex(): number {
    return this.walk.memoryTypeIndex;
  }

  get concernedLevel(): number {
    return this.walk.level;
  }

  forget(): void {
    this.walk.forget();
  }

  translate(low: number, high: number, access: Access, privilege: Privilege): number {
    const { walk } = this;
    const range = rangeOf(this.stage.ranges, high);
    this.isUpdated = false;
    const refused = statusBeforeWalk(range, low, high, access, privilege);
    if (refused !== NO_FAULT) return refused;
    walk.walk(range, low, high);
    this.concernedDescriptor = walk.entryAddress;
    if (walk.end === EntryKind.Missing) return MISSING;
    const status = statusAfterWalk(walk, permissionBit(access, privilege));
    if (status !== NO_FAULT) return status;
    this.intermediateAddress = walk.physicalAddress(low, high);
    const { entryLow } = walk;
    this.isUpdated =
      (entryLow & DescriptorLow.AccessFlag) === 0 ||
      (access === Access.Write && (entryLow & DescriptorLow.ReadOnly) !== 0);
    return NO_FAULT;
  }
}

/** Stage 1 that is off: addresses pass as they are. */
export class FirstStageOff implements FirstStage {
  readonly ranges: readonly AddressRange[];
  readonly memoryTypes: MemoryTypeTable;
  readonly isUpdated = false;
  readonly concernedDescriptor = 0;
  readonly concernedLevel = 0;
  intermediateAddress = 0;
  memoryTypeIndex: number = OffType.Data;

  constructor({ ranges, memoryTypes }: StageOneOff) {
    this.ranges = ranges;
    this.memoryTypes = memoryTypes;
  }

  forget(): void {}

  translate(low: number, high: number, access: Access): number {
    const range = rangeOf(this.ranges, high);
    // Address bits above the physical size must be zero; bit 55 is one of them.
    if (range.upper || !isInRange(range, low, high, access)) {
      return faultStatusCode(FaultStatus.AddressSize, 0);
    }
    this.intermediateAddress = (high & 0x00ff_ffff) * 0x1_0000_0000 + low;
    this.memoryTypeIndex = access === Access.Execute ? OffType.Fetch : OffType.Data;
    return NO_FAULT;
  }
}
