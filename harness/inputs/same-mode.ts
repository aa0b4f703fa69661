import { HcrEl2 } from '../../src/aarch64/translation-control.ts';
import { regimeHasUser } from '../../src/aarch64/walk-regime.ts';
import { decodeStageOne, isStageOneOn } from '../../src/aarch64/walk-stage-one.ts';
import { decodeStageTwo, isStageTwoOn } from '../../src/aarch64/walk-stage-two.ts';
import { hex } from '../../src/addresses.ts';
import type { AArch64Registers, Registers } from '../../src/registers.ts';
import { x64Levels } from './capture/root-tables.ts';
import { InputError } from './input-error.ts';
import { geometryOf } from './layout/aarch64-geometry.ts';
import type { AArch64Layout, Layout } from './layout/layout.ts';

/**
 * Makes sure that a layout and the tables of a capture are for the same mode: others cannot be compared.
 * @throws InputError naming both files and what differs
 */
export function checkSameMode(path: string, layout: Layout, tablesPath: string, registers: Registers): void {
  const declared = layout.architecture === 'x64' ? layout.paging : layout.regime;
  const captured = registers.architecture === 'x64' ? `${x64Levels(registers)}-level` : regimeOf(registers);
  const differ = (mine: string, theirs: string) =>
    new InputError(path, `declares ${mine}, but the tables of ${tablesPath} are ${theirs}`);
  if (layout.architecture !== registers.architecture || declared !== captured) {
    throw differ(`${layout.architecture} ${declared}`, `${registers.architecture} ${captured}`);
  }
  if (layout.architecture === 'x64' || registers.architecture === 'x64') return;
  if (!regimeHasUser(registers) && layout.regions.some(({ aarch64 }) => aarch64?.user !== undefined)) {
    const why = `HCR_EL2 is ${hex(registers.hcrEl2)}: TGE is 0, and EL0 belongs to EL1`;
    throw new InputError(path, `declares what EL0 may do, but of ${tablesPath} ${why}`);
  }
  for (const [key, theirs] of geometriesOf(registers)) {
    const mine = layout[key];
    if (mine === undefined) continue;
    const resolved = key === 'paBits' ? mine : geometryOf(layout)[key];
    if (resolved !== theirs) throw differ(`${key} ${resolved}`, `of ${key} ${theirs}`);
  }
}

/** The regime that registers are for, by the names of layouts; two stages at once are none that a layout has. */
function regimeOf(registers: AArch64Registers): string {
  const { exceptionLevel, hcrEl2 } = registers;
  if (exceptionLevel === 2) return (hcrEl2 & HcrEl2.E2h) === 0n ? 'el2' : 'el2-vhe';
  if (exceptionLevel === 3) return 'el3';
  if (!isStageTwoOn(registers)) return 'el1';
  return isStageOneOn(registers) ? 'el1 under stage 2' : 'stage2';
}

type GeometryKey = 'granule' | 'vaBits' | 'rootLevel' | 'paBits';

/** What layouts may declare of tables as a whole, for each range that is translated. */
function geometriesOf(registers: AArch64Registers): [GeometryKey, AArch64Layout[GeometryKey]][] {
  const { ranges } = isStageTwoOn(registers) ? decodeStageTwo(registers) : decodeStageOne(registers);
  return ranges
    .filter(({ disabled }) => !disabled)
    .flatMap(({ granule, inputBits, startLevel, outputBits }) => [
      ['granule', GRANULE_OF_SHIFT[granule.pageShift]],
      ['vaBits', inputBits],
      ['rootLevel', startLevel],
      ['paBits', outputBits],
    ]);
}

const GRANULE_OF_SHIFT: Readonly<Record<number, AArch64Layout['granule']>> = {
  12: '4K',
  14: '16K',
  16: '64K',
};
