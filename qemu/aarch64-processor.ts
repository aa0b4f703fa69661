import { PHYSICAL_ADDRESS_BITS } from '../guest-stubs/aarch64/control-registers.ts';
import {
  type NeededGranule,
  neededGranules,
  neededPhysicalAddressBits,
} from '../guest-stubs/aarch64/stub-plan.ts';
import type { AArch64Registers } from '../src/registers.ts';

/** The CPU model of an image that names none: everything that QEMU has. */
export const DEFAULT_CPU = 'max';

/** A model's name alone: no properties, which would be other options of QEMU. */
export function isModelName(cpu: string): boolean {
  return /^[\w.-]+$/.test(cpu);
}

/** QEMU's message for a model that it does not have. */
export const UNKNOWN_MODEL = /unable to find CPU model.*/;

/** Fields of ID_AA64MMFR0_EL1 that tell of a granule (Arm ARM D19.2.64). */
interface GranuleFields {
  /** TGran4, TGran16, TGran64: its position, the value for "none", and that for "with FEAT_LPA2". */
  readonly position: bigint;
  readonly none: bigint;
  readonly large?: bigint;
  /** TGran4_2, TGran16_2: its position; 0 says that stage 2 has what stage 1 has, 3 that it has FEAT_LPA2. */
  readonly stageTwo?: bigint;
}
const GRANULE_FIELDS: Readonly<Record<number, GranuleFields>> = {
  12: { position: 28n, none: 0xfn, large: 1n, stageTwo: 40n },
  14: { position: 20n, none: 0n, large: 2n, stageTwo: 32n },
  16: { position: 24n, none: 0xfn },
};
const LIKE_STAGE_ONE = 0n;
const LARGE_AT_STAGE_TWO = 3n;

/** What a processor lacks of a granule: "has no granule of 16 KiB"; undefined if nothing. */
function lackingOf({ shift, stage, isLarge }: NeededGranule, features: bigint): string | undefined {
  const fields = GRANULE_FIELDS[shift];
  const name = `granule of ${2 ** (shift - 10)} KiB`;
  const read = (position: bigint) => (features >> position) & 0xfn;
  if (fields === undefined || read(fields.position) === fields.none) return `has no ${name}`;
  if (!isLarge) return undefined;
  const atTwo = fields.stageTwo === undefined ? LIKE_STAGE_ONE : read(fields.stageTwo);
  const hasLarge =
    stage === 2 && atTwo !== LIKE_STAGE_ONE
      ? atTwo === LARGE_AT_STAGE_TWO
      : read(fields.position) === fields.large;
  return hasLarge ? undefined : `has no FEAT_LPA2 for a ${name} at stage ${stage}`;
}

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
  for (const granule of neededGranules(registers)) {
    const lack = lackingOf(granule, features);
    if (lack !== undefined) lacking.push(lack);
  }
  return lacking;
}
