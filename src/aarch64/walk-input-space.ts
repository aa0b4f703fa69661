import type { AArch64Registers } from '../registers.ts';
import { regimeHasUser } from './walk-regime.ts';
import type { AddressRange } from './walk-stage.ts';
import { decodeStageOne, isStageOneOn } from './walk-stage-one.ts';
import { decodeStageTwo, isStageTwoOn } from './walk-stage-two.ts';

/** The addresses that tables translate, and for whom. */
export interface InputSpace {
  readonly ranges: readonly Pick<AddressRange, 'inputBits' | 'upper'>[];
  /** Whether accesses from EL0 exist. */
  readonly hasUser: boolean;
}

/**
 * The ranges of stage 1, or of stage 2 where stage 1 is off and its addresses are virtual ones at once.
 * @throws RangeError if the registers are not modelled, as `createWalker`
 */
export function inputSpace(registers: AArch64Registers): InputSpace {
  const isFlat = isStageTwoOn(registers) && !isStageOneOn(registers);
  const { ranges } = isFlat ? decodeStageTwo(registers) : decodeStageOne(registers);
  return { ranges, hasUser: regimeHasUser(registers) };
}
