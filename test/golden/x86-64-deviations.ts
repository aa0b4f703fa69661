import type { Deviation, DifferingCall } from './deviation.ts';

const PRESENT = 1n;
const HUGE_PAGE = 1n << 7n;
const ADDRESS = 0x000f_ffff_ffff_f000n;
const ROOT_LEVEL = 4;
const LEAF_LEVELS: Readonly<Record<string, number>> = { '4k': 1, '2m': 2, '1g': 3 };

/** Where the engine contradicts the x86_64 crate. */
export const X86_64_DEVIATIONS: readonly Deviation[] = [
  {
    rule: 'x86_64-non-present-is-not-mapped',
    crate: 'x86_64',
    reason:
      'The processor ignores every other bit of an entry without P and faults (Intel SDM Vol. 3A §4.5); the x86_64 ' +
      'crate calls such an entry mapped as long as it is not zero. The engine says that it is not mapped.',
    explains(call) {
      const { op, expected, actual } = call;
      if (!('err' in actual)) return false;
      if (op[0] === 'translate') {
        return 'ok' in expected && actual.err === 'NotMapped' && isLeftover(call, op[1] as string, 1);
      }
      return (
        op[0] === 'translatePage' &&
        ('ok' in expected || ('err' in expected && expected.err === 'InvalidFrameAddress')) &&
        actual.err === 'PageNotMapped' &&
        isLeftover(call, op[2] as string, LEAF_LEVELS[op[1] as string] as number)
      );
    },
  },
];

/** Whether the entry of an address at `level` has content but no P. */
function isLeftover({ root, tables }: DifferingCall, address: string, level: number): boolean {
  const pages = new Map(tables().map((page) => [BigInt(page.address), page.entries]));
  let table = BigInt(root ?? 0);
  for (let at = ROOT_LEVEL; at >= level; at--) {
    const index = Number((BigInt(address) >> BigInt(12 + 9 * (at - 1))) & 511n);
    const entry = pages.get(table)?.[index] ?? 0n;
    if (at === level || (entry & HUGE_PAGE) !== 0n) return entry !== 0n && (entry & PRESENT) === 0n;
    table = entry & ADDRESS;
  }
  return false;
}
