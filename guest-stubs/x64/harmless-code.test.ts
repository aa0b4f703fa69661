import { expect, test } from 'vitest';
import { isHarmlessCode } from './harmless-code.ts';

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
