import type { AccessList } from '../access-list.ts';
import { type Address, toBigInt } from '../addresses.ts';
import { DEFAULT_LEAF_LIMIT, type LeafList } from '../leaf-list.ts';
import { scanDeadEnds, scanLeaves } from '../leaf-scan.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import { HPFAR_NONE, HPFAR_OPEN, type OutcomeList } from '../outcome-list.ts';
import { permissionsOf } from '../permissions.ts';
import type { AArch64Registers } from '../registers.ts';
import type { AccessRequest, Translation, WalkStep } from '../translation.ts';
import { translateOne } from '../walk-single.ts';
import type { Walker } from '../walker.ts';
import { cpuFeaturesOf } from './walk-cpu.ts';
import { scanRoots } from './walk-descriptor.ts';
import type { StageDeviation } from './walk-deviation.ts';
import { explainTwoStages } from './walk-explain-two.ts';
import { decodeAArch64Fault, describeAArch64Fault } from './walk-fault.ts';
import { FirstStageOff, FirstStageOn } from './walk-first-stage.ts';
import { levelBits } from './walk-granule.ts';
import { twoStageDeadEnds, twoStageLeaves } from './walk-leaves-two.ts';
import { aarch64MemoryTypeName } from './walk-memory-type.ts';
import { levelName, stageOneNames, stageTwoNames } from './walk-names.ts';
import { AArch64PageWalk } from './walk-page.ts';
import { predictTwoStages } from './walk-predict-two.ts';
import { rangeOf } from './walk-stage.ts';
import { decodeStageOne, isStageOneOn } from './walk-stage-one.ts';
import { decodeStageOneOff } from './walk-stage-one-off.ts';
import { decodeStageTwo } from './walk-stage-two.ts';
import type { IntermediateMemory } from './walk-stage-two-walk.ts';
import { TwoStageTranslation } from './walk-two-stages.ts';

/** A walker for EL1&0 with stage 2, alone or under stage 1; see `createWalker` and `AArch64Registers`. */
export function createTwoStageWalker(
  memory: PhysicalMemory,
  registers: AArch64Registers,
  deviation: StageDeviation,
): Walker {
  const { stageOne: deviateOne = (stage) => stage, stageTwo: deviateTwo = (stage) => stage } = deviation;
  const stageTwo = deviateTwo(decodeStageTwo(registers), registers);
  const stageOne = isStageOneOn(registers) ? deviateOne(decodeStageOne(registers), registers) : undefined;
  const makeFirst = (tables: IntermediateMemory) =>
    stageOne === undefined
      ? new FirstStageOff(decodeStageOneOff(registers))
      : new FirstStageOn(stageOne, new AArch64PageWalk(tables, stageOne));
  const translation = new TwoStageTranslation(memory, stageTwo, makeFirst, deviation);
  const { first, second } = translation;
  const walkOne = first instanceof FirstStageOn ? first.walk : undefined;
  const names = {
    one: stageOneNames(true, (level) => `stage 1 ${levelName(level)}`),
    two: stageTwoNames(cpuFeaturesOf(registers).stageTwoExecuteNeverByLevel),
  };
  const predict = (accesses: AccessList, outcomes: OutcomeList) =>
    predictTwoStages(translation, accesses, outcomes);
  return {
    registers,
    predict,
    translate: (request: AccessRequest): Translation =>
      translateOne(request, {
        predict,
        level: () => {
          const { level } = second.walk;
          const one = walkOne === undefined ? '' : `${names.one.level(walkOne.level)}, `;
          return { level: walkOne?.level ?? level, levelName: `${one}${names.two.level(level)}` };
        },
        completion: ({ address }, memoryType) => {
          let { shift } = levelBits(stageTwo.range.granule, second.walk.level);
          let allowed = stageTwo.permissions[second.walk.restrictions] as number;
          if (stageOne !== undefined && walkOne !== undefined) {
            const { granule } = rangeOf(stageOne.ranges, Number(toBigInt(address) >> 32n));
            shift = Math.min(shift, levelBits(granule, walkOne.level).shift);
            allowed &= stageOne.permissions[walkOne.restrictions] as number;
          }
          return {
            pageSize: 1n << BigInt(shift),
            memoryTypeName: aarch64MemoryTypeName(memoryType),
            permissions: permissionsOf(allowed),
          };
        },
        fault: (esr, hpfar = HPFAR_NONE) => {
          const said = { decoded: decodeAArch64Fault(esr), hasAddress: true };
          const description = describeAArch64Fault(esr);
          if (hpfar === HPFAR_NONE) return { ...said, description };
          const stageTwoFault = { hpfar: hpfar === HPFAR_OPEN ? undefined : hpfar };
          return { ...said, description: `stage 2 ${description}`, stageTwo: stageTwoFault };
        },
      }),
    explain: (address: Address): WalkStep[] => {
      const at = toBigInt(address);
      return explainTwoStages(translation, names, Number(at & 0xffff_ffffn), Number(at >> 32n));
    },
    leaves: (limit: number = DEFAULT_LEAF_LIMIT): LeafList =>
      stageOne === undefined
        ? scanLeaves(memory, scanRoots(stageTwo.ranges), limit)
        : twoStageLeaves(translation, scanRoots(stageOne.ranges), limit),
    deadEnds: (limit: number = DEFAULT_LEAF_LIMIT): LeafList =>
      stageOne === undefined
        ? scanDeadEnds(memory, scanRoots(stageTwo.ranges), limit)
        : twoStageDeadEnds(translation, scanRoots(stageOne.ranges), limit),
  };
}
