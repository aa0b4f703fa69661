import { isStageOneOff } from '../guest-stubs/aarch64/plan-stage-two.ts';
import { FaultStatus } from '../src/aarch64/walk-fault.ts';
import { NO_FAULT } from '../src/aarch64/walk-predict.ts';
import type { WalkRange } from '../src/aarch64/walk-stage.ts';
import { decodeStageOne } from '../src/aarch64/walk-stage-one.ts';
import { decodeStageTwo, isStageTwoOn } from '../src/aarch64/walk-stage-two.ts';
import { StageTwoWalk, TableAccess } from '../src/aarch64/walk-stage-two-walk.ts';
import { FRAME_SIZE, hex } from '../src/addresses.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../src/registers.ts';

const VALID_AND_TYPE = 0b11n;
const BLOCK = 0b01n;
const ENTRY_BYTES = 8;
/** Fault status codes that QEMU has not for every level. */
const FORBIDDEN: ReadonlySet<number> = new Set([FaultStatus.AccessFlag, FaultStatus.Permission]);
const LEVEL = 0b11;

/**
 * What tables ask of a root at level −1 at which QEMU 7.2 ends itself ("arm_fi_to_lfsc: Assertion"), because it knows no
 * access flag and permission faults of that level, and has them all the same: of a reserved block descriptor, which it
 * takes for a block, and where stage 2 forbids to read the root of stage 1.
 * @returns a sentence, or undefined if there is nothing of the kind
 * @throws RangeError as `createWalker`
 */
export function troubleAtLevelMinus1(
  registers: AArch64Registers,
  memory: PhysicalMemory,
): string | undefined {
  const two = isStageTwoOn(registers) ? decodeStageTwo(registers) : undefined;
  const tables = two && new StageTwoWalk(memory, two);
  const ofStageOne = isStageOneOff(registers) ? [] : decodeStageOne(registers).ranges;
  for (const range of ofStageOne.filter(beginsBelowZero)) {
    const root = rootOf(range);
    const status = tables?.tableStatus(root, TableAccess.Read);
    if (status !== undefined && FORBIDDEN.has(status & ~LEVEL)) {
      return `stage 2 does not let the root of stage 1 at ${hex(root)} be read, which is at level −1`;
    }
    const block = blockIn(range, memory, placeOf(root, status, tables));
    if (block !== undefined) return block;
  }
  return two !== undefined && beginsBelowZero(two.range)
    ? blockIn(two.range, memory, rootOf(two.range))
    : undefined;
}

/** Where a root of stage 1 is in memory. */
function placeOf(
  root: number,
  status: number | undefined,
  tables: StageTwoWalk | undefined,
): number | undefined {
  if (tables === undefined) return root;
  return status === NO_FAULT ? tables.physicalAddress : undefined;
}

function beginsBelowZero({ startLevel, disabled }: WalkRange): boolean {
  return startLevel < 0 && !disabled;
}

function rootOf({ rootFrame, rootOffset }: WalkRange): number {
  return rootFrame * FRAME_SIZE + rootOffset;
}

/** The first descriptor with bits 1:0 = 0b01, which is reserved at level −1 (Arm ARM D8.3.1). */
function blockIn(
  { rootEntries }: WalkRange,
  memory: PhysicalMemory,
  root: number | undefined,
): string | undefined {
  for (let index = 0; root !== undefined && index < rootEntries; index++) {
    const entry = memory.readEntry(root + index * ENTRY_BYTES) ?? 0n;
    if ((entry & VALID_AND_TYPE) === BLOCK) {
      return `descriptor ${hex(entry)} at ${hex(root + index * ENTRY_BYTES)} is a block at level −1, where there are none`;
    }
  }
  return undefined;
}
