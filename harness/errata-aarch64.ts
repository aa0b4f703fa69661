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

/** Bits 47:12 of a descriptor. */
const ADDRESS_FIELD = 0x0000_ffff_ffff_f000n;

/** The bits below a block's size in its descriptor become bits of the physical address. */
function keepsLowBitsOfBlock({ predicted, observed, explain }: DeviatingProbe): boolean {
  const leaf = explain().at(-1);
  if (leaf?.kind !== 'leaf' || leaf.level === 3 || leaf.entry === undefined || leaf.next === undefined) {
    return false;
  }
  const kept = leaf.entry & ADDRESS_FIELD & ~leaf.next;
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
    'address bits of a block descriptor below the size of the block (20:12 for 2 MiB, 29:12 for 1 GiB) are RES0 or nT (Arm ARM D8.3.1), but are or-ed into the physical address.',
  test: REPRODUCED,
  explains: keepsLowBitsOfBlock,
} as const;

/** Deviations of machines that run AArch64 tables. */
export const AARCH64_ERRATA: readonly Erratum[] = [
  { machine: 'qemu-aarch64', from: '7.2', before: '7.3', ...SHAREABILITY },
  { machine: 'unicorn-aarch64', from: '2.1', before: '2.2', ...SHAREABILITY },
  { machine: 'unicorn-aarch64', from: '2.1', before: '2.2', ...BLOCK_BITS },
];
