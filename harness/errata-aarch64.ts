import { Known } from '../src/outcome-list.ts';
import type { DeviatingProbe, Erratum } from './errata.ts';

const SHAREABILITY_SHIFT = 8;
const OUTER_SHAREABLE = 2;
/** MAIR byte of normal memory that is non-cacheable inside and outside. */
const NON_CACHEABLE = 0x44;
const REPRODUCED = 'test/machines/errata.test.ts';

/** PAR_EL1.SH of Device and of Normal Non-cacheable memory is as in the descriptor. */
function showsShareabilityOfDescriptor({ predicted, observed }: DeviatingProbe): boolean {
  const type = predicted.memoryType & 0xff;
  const isAlwaysOuter = type >> 4 === 0 || type === NON_CACHEABLE;
  return (
    isAlwaysOuter &&
    predicted.fault === 0 &&
    observed.fault === 0 &&
    predicted.memoryType >> SHAREABILITY_SHIFT === OUTER_SHAREABLE &&
    type === (observed.memoryType & 0xff) &&
    ((observed.known & Known.PhysicalAddress) === 0 || observed.physicalAddress === predicted.physicalAddress)
  );
}

const SHAREABILITY = {
  rule: 'par-shareability-not-normalised',
  description:
    'PAR_EL1.SH of Device and of Normal Non-cacheable memory is the SH field of the descriptor; the architecture has it read as outer shareable (Arm ARM D19.2.108, PAR_EL1.SH).',
  test: REPRODUCED,
  explains: showsShareabilityOfDescriptor,
} as const;

/** log2 of the bytes that a block maps, by level, with the 4 KiB granule. */
const BLOCK_SHIFT: Readonly<Record<number, number>> = { 1: 30, 2: 21 };

/** The bits below a block's size in its descriptor become bits of the physical address. */
function keepsLowBitsOfBlock({ predicted, observed, explain }: DeviatingProbe): boolean {
  const leaf = explain().at(-1);
  const shift = leaf?.kind === 'leaf' ? BLOCK_SHIFT[leaf.level] : undefined;
  if (shift === undefined || leaf?.entry === undefined) return false;
  const kept = leaf.entry & ((1n << BigInt(shift)) - 0x1000n);
  return (
    predicted.fault === 0 &&
    observed.fault === 0 &&
    kept !== 0n &&
    BigInt(observed.physicalAddress) === (BigInt(predicted.physicalAddress) | kept) &&
    ((observed.known & Known.MemoryType) === 0 ||
      (observed.memoryType & 0xff) === (predicted.memoryType & 0xff))
  );
}

const BLOCK_BITS = {
  rule: 'block-keeps-low-address-bits',
  description:
    'bits 20:12 of a 2 MiB block and 29:12 of a 1 GiB block are RES0 or nT (Arm ARM D8.3.1), but are or-ed into the physical address.',
  test: REPRODUCED,
  explains: keepsLowBitsOfBlock,
} as const;

/** Deviations of machines that run AArch64 tables. */
export const AARCH64_ERRATA: readonly Erratum[] = [
  { machine: 'qemu-aarch64', from: '7.2', before: '7.3', ...SHAREABILITY },
  { machine: 'unicorn-aarch64', from: '2.1', before: '2.2', ...SHAREABILITY },
  { machine: 'unicorn-aarch64', from: '2.1', before: '2.2', ...BLOCK_BITS },
];
