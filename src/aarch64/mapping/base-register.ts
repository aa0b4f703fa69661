import { hex } from '../../addresses.ts';
import type { AArch64Registers } from '../../registers.ts';
import type { TranslationRegime } from './regime.ts';

/** HCR_EL2.E2H (Arm ARM D19.2.48). */
const HCR_E2H = 1n << 34n;
const ASID_SHIFT = 48n;

/** The register that holds a table's address. */
export type BaseRegister = 'ttbr0' | 'ttbr1' | 'vttbr';

/** Which register holds the table of a regime's range. */
export function baseRegisterOf(regime: TranslationRegime, vaRange: 'lower' | 'upper'): BaseRegister {
  if (regime.name === 'stage 2') return 'vttbr';
  return vaRange === 'lower' ? 'ttbr0' : 'ttbr1';
}

/** Its value for a root table. */
export function baseRegisterValue(rootAddress: bigint, asid: number | undefined): bigint {
  return rootAddress | (BigInt(asid ?? 0) << ASID_SHIFT);
}

/** @throws RangeError if the registers are not those of the regime */
export function checkRegime(regime: TranslationRegime, registers: AArch64Registers): void {
  const { exceptionLevel, hcrEl2 } = registers;
  const name =
    exceptionLevel === 1
      ? 'EL1&0'
      : exceptionLevel === 3
        ? 'EL3'
        : (hcrEl2 & HCR_E2H) !== 0n
          ? 'EL2&0'
          : 'EL2';
  const needed = regime.name === 'stage 2' ? 'EL1&0' : regime.name;
  if (name !== needed) {
    throw new RangeError(
      `the processor's registers are of the ${name} regime (EL${exceptionLevel}, HCR_EL2 ${hex(hcrEl2)}), not of ${needed}`,
    );
  }
}
