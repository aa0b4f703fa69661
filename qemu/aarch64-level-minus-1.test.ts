import { expect, test } from 'vitest';
import { ALL_OF_TWO, StageTwoTables, Two } from '../test/machines/aarch64-stage-two-tables.ts';
import { Bit, HandmadeTables, Index } from '../test/machines/aarch64-tables.ts';
import { troubleAtLevelMinus1 } from './aarch64-level-minus-1.ts';

const ATTRIBUTES = Index.WriteBack | Bit.AF;
const large = { cpu: 'max', outputBits: 52, largeDescriptors: true, t0sz: 12, t1sz: 12 } as const;
const troubleOf = ({ registers, memory }: Pick<HandmadeTables, 'registers' | 'memory'>) =>
  troubleAtLevelMinus1(registers, memory);

test('a block descriptor in a root at level −1 is named, in either half', () => {
  const one = new HandmadeTables(large).map(0x5000n, 0x9000n, ATTRIBUTES);
  expect(troubleOf(one)).toBeUndefined();
  expect(troubleOf(one.map(1n << 48n, 0n, ATTRIBUTES, -1))).toMatch(
    /descriptor 0x401 at 0x40000008 is a block/,
  );
  const upper = new HandmadeTables(large).map(0xfff1_0000_0000_0000n, 0n, ATTRIBUTES, -1);
  expect(troubleOf(upper)).toMatch(/at 0x40001008 is a block/);
});

test('at level 0 it is none, nor without DS', () => {
  expect(troubleOf(new HandmadeTables({ ...large, t0sz: 16 }).map(0n, 0n, ATTRIBUTES, 0))).toBeUndefined();
  expect(troubleOf(new HandmadeTables().map(0n, 0n, ATTRIBUTES, 0))).toBeUndefined();
});

test('a root at level −1 that stage 2 forbids to read is named, and one that it does not map is not', () => {
  const nested = (attributes: bigint | undefined) => {
    const two = new StageTwoTables(new HandmadeTables(large).map(0x5000n, 0x9000n, ATTRIBUTES));
    return attributes === undefined ? two : two.map(0x4000_0000n, 0x4000_0000n, attributes, 2);
  };
  expect(troubleOf(nested(ALL_OF_TWO))).toBeUndefined();
  expect(troubleOf(nested(undefined))).toBeUndefined();
  for (const missing of [Two.AF, Two.Read]) {
    expect(troubleOf(nested(ALL_OF_TWO & ~missing))).toMatch(/root of stage 1 at 0x40000000/);
  }
});
