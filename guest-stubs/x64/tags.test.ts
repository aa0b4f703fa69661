import { expect, test } from 'vitest';
import { frameOfExecutedTag, frameOfTag, tagFrame } from './tags.ts';

const FRAMES = [0, 1, 0xb848, 0x7801, 0xffff_ffff, 0x1_0000_0000, 0xff_ffff_ffff];

test('a tag names its frame to a reader and, as the immediate of MOV RAX, to an executor', () => {
  for (const frame of FRAMES) {
    const view = new DataView(tagFrame(frame).buffer);
    for (const slot of [0, 16, 4080]) {
      expect(frameOfTag(view.getUint32(slot, true), view.getUint32(slot + 4, true))).toBe(frame);
      expect(frameOfExecutedTag(view.getUint32(slot + 2, true), view.getUint32(slot + 6, true))).toBe(frame);
    }
  }
});

test('as table entries, both quadwords of a tag are not present', () => {
  for (const frame of FRAMES) {
    const bytes = tagFrame(frame);
    expect([(bytes[0] as number) & 1, (bytes[8] as number) & 1]).toEqual([0, 0]);
  }
});

test('zeros, a table entry and a canary are no tags', () => {
  expect(frameOfTag(0, 0)).toBe(-1);
  expect(frameOfTag(0x0000_1063, 0x8000_0000)).toBe(-1);
  expect(frameOfExecutedTag(0, 0)).toBe(-1);
  expect(frameOfExecutedTag(0, 0xffff_fd00)).toBe(-1);
});

test('no canonical address in RAX is a tag, whatever slot the canary lies in', () => {
  for (let slot = 0; slot < 512; slot++) {
    const address = BigInt.asUintN(64, BigInt.asIntN(48, BigInt(slot) << 39n)) + 0x1_0920_0000n;
    expect(frameOfExecutedTag(Number(address & 0xffff_ffffn), Number(address >> 32n))).toBe(-1);
  }
});
