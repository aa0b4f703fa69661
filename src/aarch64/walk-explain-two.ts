import { Access, Privilege } from '../access-list.ts';
import { wordsToNumber } from '../addresses.ts';
import type { WalkStep } from '../translation.ts';
import { explainAArch64 } from './walk-explain.ts';
import { FirstStageOn } from './walk-first-stage.ts';
import type { StageNames } from './walk-names.ts';
import { refusesBeforeWalk } from './walk-predict.ts';
import { rangeOf } from './walk-stage.ts';
import type { IntermediateMemory } from './walk-stage-two-walk.ts';
import type { TwoStageTranslation } from './walk-two-stages.ts';

/**
 * The descriptors of stage 1, then those with which stage 2 translates what comes out, or the descriptor that it
 * keeps stage 1 from reading; see `Walker.explain`.
 */
export function explainTwoStages(
  translation: TwoStageTranslation,
  names: { readonly one: StageNames; readonly two: StageNames },
  low: number,
  high: number,
): WalkStep[] {
  const { first } = translation;
  translation.forget();
  if (!(first instanceof FirstStageOn)) {
    return explainStageTwo(translation, names.two, wordsToNumber(low, high));
  }
  const range = rangeOf(first.stage.ranges, high);
  if (refusesBeforeWalk(range, low, high, Access.Read, Privilege.Supervisor)) return [];
  const steps = explainAArch64(first.walk, range, names.one, low, high);
  const last = steps.at(-1);
  const isUnread = last?.entry === undefined;
  const physical = steps.map((step) => inPhysicalMemory(step, translation.intermediateMemory));
  if (!isUnread && (last.kind !== 'leaf' || last.problem !== undefined)) return physical;
  const next = isUnread ? first.walk.entryAddress : first.walk.physicalAddress(low, high);
  return [...physical, ...explainStageTwo(translation, names.two, next)];
}

function explainStageTwo({ second }: TwoStageTranslation, names: StageNames, address: number): WalkStep[] {
  const { range } = second.stage;
  const low = address >>> 0;
  const high = Math.floor(address / 0x1_0000_0000);
  return refusesBeforeWalk(range, low, high, Access.Read, Privilege.Supervisor)
    ? []
    : explainAArch64(second.walk, range, names, low, high);
}

/** A step whose table stands at an intermediate address, with the physical ones where there are. */
function inPhysicalMemory(step: WalkStep, memory: IntermediateMemory): WalkStep {
  const entryAddress = memory.physicalAddress(Number(step.entryAddress));
  if (entryAddress === undefined) return { ...step, problem: 'stage 2 does not let this table be read' };
  const tableAddress = memory.physicalAddress(Number(step.tableAddress));
  return {
    ...step,
    entryAddress: BigInt(entryAddress),
    tableAddress: tableAddress === undefined ? step.tableAddress : BigInt(tableAddress),
  };
}
