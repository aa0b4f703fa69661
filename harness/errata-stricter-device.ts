import { isDevice, MEMORY_TYPE_INDICES, type MemoryTypeTable } from '../src/aarch64/walk-memory-type.ts';
import type { WalkErratum } from './errata-walk.ts';

const test = 'test/machines/errata.test.ts';

/** Of QEMU and of what is made from it. */
export const STRICTER_DEVICE: WalkErratum = {
  rule: 'device-of-one-stage-made-stricter-by-normal-of-the-other',
  description:
    'where one stage says Device-GRE or Device-nGRE and the other Normal memory, the low half of the MAIR byte of Normal memory counts as a kind of Device memory (Arm ARM D8.5.5: the result is the Device memory of the one stage)',
  test,
  deviation: { combinedTypes: withStricterDevice },
};

/** MAIR byte of tagged Normal memory, and what it is without the tags. */
const TAGGED = 0xf0;
const TAGGED_CACHEABILITY = 0xff;
/** Kinds of Device memory, from the strictest on; everything else counts as GRE. */
const DEVICE_KINDS = [0x0, 0x4, 0x8] as const;
const DEVICE_GRE = 0xc;

/** Where one stage has Device memory, the low half of both MAIR bytes says which. */
function withStricterDevice(
  one: MemoryTypeTable,
  two: MemoryTypeTable,
  { types, known }: MemoryTypeTable,
): MemoryTypeTable {
  const deviating = types.map((type, index) => {
    const first = (one.types[Math.floor(index / MEMORY_TYPE_INDICES)] as number) & 0xff;
    const second = (two.types[index % MEMORY_TYPE_INDICES] as number) & 0xff;
    const attributes = [first === TAGGED ? TAGGED_CACHEABILITY : first, second];
    if (!attributes.some(isDevice)) return type;
    const kind = DEVICE_KINDS.find((strict) => attributes.some((attribute) => (attribute & 0xf) === strict));
    return (type & ~0xff) | (kind ?? DEVICE_GRE);
  });
  return { types: deviating, known };
}
