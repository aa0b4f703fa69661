import { PHYSICAL_ADDRESS_BITS } from '../guest-stubs/aarch64/control-registers.ts';
import { neededGranules, neededPhysicalAddressBits } from '../guest-stubs/aarch64/stub-plan.ts';
import type { AArch64Registers } from '../src/registers.ts';

/** The CPU model of an image that names none: everything that QEMU has. */
export const DEFAULT_CPU = 'max';

/** A model's name alone: no properties, which would be other options of QEMU. */
export function isModelName(cpu: string): boolean {
  return /^[\w.-]+$/.test(cpu);
}

/** QEMU's message for a model that it does not have. */
export const UNKNOWN_MODEL = /unable to find CPU model.*/;

/** Whether ID_AA64MMFR0_EL1 has a granule (Arm ARM D19.2.64): TGran4, TGran16, TGran64. */
const HAS_GRANULE: Readonly<Record<number, (features: bigint) => boolean>> = {
  12: (features) => ((features >> 28n) & 0xfn) !== 0xfn,
  14: (features) => ((features >> 20n) & 0xfn) !== 0n,
  16: (features) => ((features >> 24n) & 0xfn) !== 0xfn,
};

/**
 * What the image needs and a processor lacks.
 * @param features ID_AA64MMFR0_EL1
 * @returns sentences without a subject: "has physical addresses of 40 bits, the image needs 44"
 */
export function lackingFeatures(registers: AArch64Registers, features: bigint): string[] {
  const lacking: string[] = [];
  const has = PHYSICAL_ADDRESS_BITS[Number(features & 0xfn)] ?? 0;
  const needs = neededPhysicalAddressBits(registers);
  if (has < needs) lacking.push(`has physical addresses of ${has} bits, the image needs ${needs}`);
  for (const { shift } of neededGranules(registers)) {
    if (HAS_GRANULE[shift]?.(features) !== true) {
      lacking.push(`has no granule of ${2 ** (shift - 10)} KiB`);
    }
  }
  return lacking;
}
