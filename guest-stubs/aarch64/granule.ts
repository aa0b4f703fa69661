import { cpuFeaturesOf } from '../../src/aarch64/walk-cpu.ts';
import type { AArch64Registers } from '../../src/registers.ts';

/** A translation granule (Arm ARM D8.2): the size of a page and of a whole table. */
export interface Granule {
  /** log2 of the bytes of a page. */
  readonly shift: number;
  /** Address bits that one level resolves. */
  readonly stride: number;
}

const granule = (shift: number): Granule => ({ shift, stride: shift - 3 });

export const GRANULE_4K = granule(12);
const GRANULE_16K = granule(14);
const GRANULE_64K = granule(16);

/** TCR.TG0 (Arm ARM D19.2.139); undefined for the reserved value. */
export function granuleOfTg0(field: number): Granule | undefined {
  return [GRANULE_4K, GRANULE_64K, GRANULE_16K][field];
}

/** Whether descriptors have the form of FEAT_LPA2: with DS, unless pages have 64 KiB or the processor lacks it. */
export function hasLargeDescriptors(registers: AArch64Registers, { shift }: Granule, ds: number): boolean {
  return ds === 1 && shift !== GRANULE_64K.shift && cpuFeaturesOf(registers).largeDescriptors;
}

/** log2 of the bytes that one entry of a level covers. */
export function spanShift({ shift, stride }: Granule, level: number): number {
  return shift + stride * (3 - level);
}

/** The level at which a walk of `addressBits` bits begins (Arm ARM D8.2.7). */
export function rootLevel({ shift, stride }: Granule, addressBits: number): number {
  return 4 - Math.ceil((addressBits - shift) / stride);
}

/** TCR.TG1, which is encoded differently. */
export function granuleOfTg1(field: number): Granule | undefined {
  return [undefined, GRANULE_16K, GRANULE_4K, GRANULE_64K][field];
}
