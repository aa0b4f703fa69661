import { expect, test } from 'vitest';
import { isHarmlessCode, isHarmlessEntry } from './harmless-code.ts';

/** The first two bytes of code, as {@link isHarmlessCode} takes them. */
const bytes = (first: number, second: number) => first | (second << 8);

test('an empty table entry and the usual leaf entries are harmless', () => {
  expect(isHarmlessCode(0)).toBe(true); // add [rax], al
  expect(isHarmlessCode(bytes(0x63, 0x00))).toBe(true); // movsxd eax, [rax]
  expect(isHarmlessCode(bytes(0xe3, 0x00))).toBe(true); // jrcxz
  expect(isHarmlessCode(bytes(0x83, 0xc0))).toBe(true); // add eax, imm8
  expect(isHarmlessCode(bytes(0xe7, 0x00))).toBe(true); // out: no permission
});

test('an operand addressed by RIP, by a SIB byte or absolutely is not', () => {
  expect(isHarmlessCode(bytes(0x00, 0x05))).toBe(false); // add [rip + disp32], al
  expect(isHarmlessCode(bytes(0x01, 0x04))).toBe(false); // add [sib], eax
  expect(isHarmlessCode(bytes(0x89, 0x44))).toBe(false); // mov [sib + disp8], eax
  expect(isHarmlessCode(bytes(0xa3, 0x00))).toBe(false); // mov [moffs64], eax
  expect(isHarmlessCode(bytes(0x01, 0x45))).toBe(true); // add [rbp + disp8], eax
});

test('prefixes and two-byte opcodes are not, whatever follows', () => {
  for (const first of [0x0f, 0x41, 0x4f, 0x65, 0x67, 0xc5, 0xf3]) {
    expect(isHarmlessCode(bytes(first, 0xc0)), first.toString(16)).toBe(false);
  }
});

test('far returns are not: they would take their target from a stack that is out of reach of the canary', () => {
  expect(isHarmlessCode(0xcb)).toBe(false);
  expect(isHarmlessCode(0xcf)).toBe(false);
  expect(isHarmlessEntry(0x8f)).toBe(false); // with D: cf
  expect(isHarmlessCode(0xc3)).toBe(true); // a near return takes all of RSP
});

test('an entry whose first byte becomes a prefix when A and D are set is not harmless', () => {
  const writableUserLeaf = 0x9f60_0007; // with A and D: 67 00 60 9f, add [eax - 0x61], ah
  expect(isHarmlessCode(writableUserLeaf)).toBe(true);
  expect(isHarmlessEntry(writableUserLeaf)).toBe(false);
  expect(isHarmlessEntry(writableUserLeaf | 0x60)).toBe(false);
});

test('an entry that is harmless with and without A and D is, as is an empty one', () => {
  expect(isHarmlessEntry(bytes(0x87, 0xc0))).toBe(true); // 87, a7, c7, e7
  expect(isHarmlessEntry(bytes(0x63, 0x00))).toBe(true); // both are set already
  expect(isHarmlessEntry(bytes(0x03, 0x00))).toBe(false); // 43 is a REX prefix
  expect(isHarmlessEntry(0)).toBe(true);
});
