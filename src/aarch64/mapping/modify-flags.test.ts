import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PAGE, tableMemory } from '../../../test/mappings/tables.ts';
import { IdMap, MemoryRegion, PageTableError, Stage2, Stage2Attributes } from '../../index.ts';
import { AttributeKind, unpackBits } from './attribute-words.ts';
import { knownBits } from './attributes.ts';

const ADDRESS = 0x0000_ffff_ffff_f000n;
/** Bits 49:48, which nobody sets and nobody clears. */
const RESERVED = 0x0003_0000_0000_0000n;
const CONTIGUOUS = 1n << 52n;
const PAGE_TYPE = 3n;
const NAMED = unpackBits(knownBits(AttributeKind.Stage2));

const attributes = fc
  .array(
    fc.constantFrom(
      ...(['Valid', 'TableOrPage', 'AccessFlag', 'Xn', 'S2apAccessRO', 'S2apAccessWO', 'ShInner'] as const),
      ...(['MemAttrNormalInnerWB', 'MemAttrNormalOuterNC', 'SoftwareFlag0', 'SoftwareFlag3'] as const),
    ),
    { maxLength: 4 },
  )
  .map((names) => Stage2Attributes.union(...names.map((name) => Stage2Attributes[name])));

/** What the page descriptor becomes, or undefined where it must be refused. */
function modified(bits: bigint, set: bigint, clear: bigint): bigint | undefined {
  const result = (bits | set) & ~clear & (NAMED | ADDRESS | RESERVED | CONTIGUOUS);
  if (((result ^ bits) & 2n) !== 0n || (result & PAGE_TYPE) === 1n) return undefined;
  return result;
}

test('flags of pages change as the formula has it, with the same arguments as before or with others', () => {
  const change = fc.record({
    bits: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    set: attributes,
    clear: attributes,
    again: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
      const { memory, allocator } = tableMemory();
      const map = new IdMap({ regime: Stage2, rootLevel: 3, memory, allocator, contiguousHints: true });
      const region = new MemoryRegion(0, 2 * PAGE);
      for (const { bits, set, clear, again } of changes) {
        const before = [bits, again];
        before.forEach((entry, index) => void memory.writeEntry(map.rootAddress + BigInt(8 * index), entry));
        const [setBits, clearBits] = [Stage2Attributes.toBits(set), Stage2Attributes.toBits(clear)];
        const wanted = before.map((entry) => modified(entry, setBits, clearBits));
        let failed = false;
        try {
          map.modifyRange(region, (descriptor) => descriptor.modifyFlags(set, clear));
        } catch (error) {
          failed = error instanceof PageTableError && error.code === 'PteUpdateFault';
        }
        expect(failed).toBe(wanted.includes(undefined));
        const after = before.map((_, index) => memory.readEntry(map.rootAddress + BigInt(8 * index)));
        expect(after).toEqual(failed ? before : wanted);
      }
    }),
    { numRuns: 300 },
  );
});
