import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frameOfTag, TAG_WORDS, writeTag } from './data-tag.ts';
import { harmlessFetchSlot } from './harmless-fetch-slot.ts';

function tagOf(frame: number): Uint32Array {
  const words = new Uint32Array(TAG_WORDS);
  writeTag(words, 0, frame);
  return words;
}

test('a tag names its frame', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (frame) => {
      const [first, second] = tagOf(frame) as unknown as [number, number];
      expect(frameOfTag(first, second)).toBe(frame);
    }),
  );
});

test.each([
  ['zeros', 0, 0],
  ['the halves of a tag in the wrong order', 0xf2a0_0000, 0xd280_0000],
  ['a tag of another register', 0xd280_0001, 0xf2a0_0001],
])('%s are no tag', (_, first, second) => {
  expect(frameOfTag(first, second)).toBe(-1);
});

test('as table entries both halves of a tag are not valid', () => {
  for (const frame of [0, 1, 0xffff_ffff]) {
    const words = tagOf(frame);
    expect([(words[0] as number) & 1, (words[2] as number) & 1]).toEqual([0, 0]);
  }
});

test('the first slot that begins with an undefined instruction is harmless to execute', () => {
  const frame = new Uint32Array(1024).fill(0xd65f_03c0); // ret
  expect(harmlessFetchSlot(frame)).toBe(-1);
  frame[6] = 0; // inside a slot: not where the fetch begins
  expect(harmlessFetchSlot(frame)).toBe(-1);
  frame[8] = 0x4000_0703; // a small table entry's low half: bits 31 and 28:25 clear
  expect(harmlessFetchSlot(frame)).toBe(0x20);
  frame[0] = 0x8000_0003; // bit 31: allocated encodings (SME)
  expect(harmlessFetchSlot(frame)).toBe(0x20);
});
