import { Access, type AccessList, Privilege } from '../access-list.ts';
import { type Address, FRAME_SHIFT, toBigInt } from '../addresses.ts';
import { DEFAULT_LEAF_LIMIT, type LeafList } from '../leaf-list.ts';
import { type EntryFormat, type ScanRoot, scanDeadEnds, scanLeaves } from '../leaf-scan.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import type { OutcomeList } from '../outcome-list.ts';
import { permissionsOf } from '../permissions.ts';
import type { AArch64Registers } from '../registers.ts';
import type { AccessRequest, Translation, WalkStep } from '../translation.ts';
import { translateOne } from '../walk-single.ts';
import type { Walker } from '../walker.ts';
import { descriptorFormat } from './walk-descriptor.ts';
import { explainAArch64, levelName } from './walk-explain.ts';
import { decodeAArch64Fault, describeAArch64Fault } from './walk-fault.ts';
import { aarch64MemoryTypeName } from './walk-memory-type.ts';
import { AArch64PageWalk } from './walk-page.ts';
import { predictAArch64, rangeOf, refusesBeforeWalk } from './walk-predict.ts';
import { LAST_LEVEL, levelBits } from './walk-regime.ts';
import { decodeStageOne, type WalkRange } from './walk-stage-one.ts';

/** A walker for stage 1 of EL1&0 or EL2; see `createWalker`. */
export function createAArch64Walker(memory: PhysicalMemory, registers: AArch64Registers): Walker {
  const stage = decodeStageOne(registers);
  const walk = new AArch64PageWalk(memory, stage);
  const roots = stage.ranges
    .filter((range) => !range.disabled && !range.rootOutOfRange)
    .map((range) => scanRoot(range, descriptorFormat(stage, range.granule)));
  const predict = (accesses: AccessList, outcomes: OutcomeList) => predictAArch64(walk, accesses, outcomes);
  return {
    registers,
    predict,
    translate: (request: AccessRequest): Translation =>
      translateOne(request, {
        predict,
        level: () => ({ level: walk.level, levelName: levelName(walk.level) }),
        completion: ({ address }, memoryType) => {
          const { granule } = rangeOf(stage, Number(toBigInt(address) >> 32n));
          return {
            pageSize: 1n << BigInt(levelBits(granule, walk.level).shift),
            memoryTypeName: aarch64MemoryTypeName(memoryType),
            permissions: permissionsOf(stage.permissions[walk.restrictions] as number),
          };
        },
        fault: (esr) => ({
          decoded: decodeAArch64Fault(esr),
          description: describeAArch64Fault(esr),
          hasAddress: true,
        }),
      }),
    explain: (address: Address): WalkStep[] => {
      const at = toBigInt(address);
      const low = Number(at & 0xffff_ffffn);
      const high = Number(at >> 32n);
      const range = rangeOf(stage, high);
      return refusesBeforeWalk(range, low, high, Access.Read, Privilege.Supervisor)
        ? []
        : explainAArch64(walk, range, low, high);
    },
    leaves: (limit: number = DEFAULT_LEAF_LIMIT): LeafList => scanLeaves(memory, roots, limit),
    deadEnds: (limit: number = DEFAULT_LEAF_LIMIT): LeafList => scanDeadEnds(memory, roots, limit),
  };
}

/** The root table of a range; the upper range ends at the end of the address space. */
function scanRoot(range: WalkRange, format: EntryFormat): ScanRoot {
  const { granule, startLevel, inputBits } = range;
  const pages = 2 ** (levelBits(granule, startLevel).shift - FRAME_SHIFT);
  const first = range.upper ? 2 ** 52 - 2 ** (inputBits - FRAME_SHIFT) : 0;
  return {
    format,
    frame: range.rootFrame,
    byteOffset: range.rootOffset,
    entries: range.rootEntries,
    height: LAST_LEVEL + 1 - startLevel,
    pageOf: (index) => first + index * pages,
  };
}
