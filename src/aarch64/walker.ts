import { Access, type AccessList, Privilege } from '../access-list.ts';
import { type Address, toBigInt } from '../addresses.ts';
import { DEFAULT_LEAF_LIMIT, type LeafList } from '../leaf-list.ts';
import { scanDeadEnds, scanLeaves } from '../leaf-scan.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import type { OutcomeList } from '../outcome-list.ts';
import { permissionsOf } from '../permissions.ts';
import type { AArch64Registers } from '../registers.ts';
import type { AccessRequest, Translation, WalkStep } from '../translation.ts';
import { translateOne } from '../walk-single.ts';
import type { Walker } from '../walker.ts';
import { scanRoots } from './walk-descriptor.ts';
import type { StageDeviation } from './walk-deviation.ts';
import { explainAArch64 } from './walk-explain.ts';
import { decodeAArch64Fault, describeAArch64Fault } from './walk-fault.ts';
import { levelBits } from './walk-granule.ts';
import { aarch64MemoryTypeName } from './walk-memory-type.ts';
import { levelName, stageOneNames } from './walk-names.ts';
import { AArch64PageWalk } from './walk-page.ts';
import { predictAArch64, refusesBeforeWalk } from './walk-predict.ts';
import { rangeOf } from './walk-stage.ts';
import { decodeStageOne } from './walk-stage-one.ts';
import { isStageTwoOn } from './walk-stage-two.ts';
import { createTwoStageWalker } from './walker-two-stages.ts';

/**
 * A walker for the regime that the registers select; see `createWalker` and `AArch64Registers`.
 * @param deviation where the processor departs from the architecture
 */
export function createAArch64Walker(
  memory: PhysicalMemory,
  registers: AArch64Registers,
  deviation: StageDeviation = {},
): Walker {
  return isStageTwoOn(registers)
    ? createTwoStageWalker(memory, registers, deviation)
    : createStageOneWalker(memory, registers, deviation);
}

function createStageOneWalker(
  memory: PhysicalMemory,
  registers: AArch64Registers,
  { stageOne = (stage) => stage }: StageDeviation,
): Walker {
  const stage = stageOne(decodeStageOne(registers), registers);
  const { ranges } = stage;
  const walk = new AArch64PageWalk(memory, stage);
  const names = stageOneNames(stage.regime.hasUser);
  const roots = scanRoots(ranges);
  const predict = (accesses: AccessList, outcomes: OutcomeList) =>
    predictAArch64(stage, walk, accesses, outcomes);
  return {
    registers,
    predict,
    translate: (request: AccessRequest): Translation =>
      translateOne(request, {
        predict,
        level: () => ({ level: walk.level, levelName: levelName(walk.level) }),
        completion: ({ address }, memoryType) => {
          const { granule } = rangeOf(ranges, Number(toBigInt(address) >> 32n));
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
      const range = rangeOf(ranges, high);
      return refusesBeforeWalk(range, low, high, Access.Read, Privilege.Supervisor)
        ? []
        : explainAArch64(walk, range, names, low, high);
    },
    leaves: (limit: number = DEFAULT_LEAF_LIMIT): LeafList => scanLeaves(memory, roots, limit),
    deadEnds: (limit: number = DEFAULT_LEAF_LIMIT): LeafList => scanDeadEnds(memory, roots, limit),
  };
}
